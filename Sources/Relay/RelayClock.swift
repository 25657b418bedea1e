import Foundation
import NIOCore
import NIOPosix

/// The time as the relay sees it: wall time for stamps, and sleeping.
///
/// Injected, so that tests own it.
public protocol RelayClock: Sendable {
    /// Nanoseconds since 1970.
    var now: Int64 { get }
    /// Nanoseconds since some instant, by a clock that nobody sets.
    var uptime: Int64 { get }
    /// Returns after that long; throws when the task is cancelled.
    func sleep(for duration: Duration) async throws(CancellationError)
}

extension RelayClock {
    /// That of a clock that nobody sets.
    public var uptime: Int64 { now }
}

/// The machine's own clock.
public struct SystemClock: RelayClock {
    private static let start = ContinuousClock.now
    private static let loops = MultiThreadedEventLoopGroup.singleton

    public init() {}

    public var uptime: Int64 { (ContinuousClock.now - Self.start).nanoseconds }

    public var now: Int64 {
        var time = timeval()
        gettimeofday(&time, nil)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_usec) * 1_000
    }

    public func sleep(for duration: Duration) async throws(CancellationError) {
        // An event loop's timer, and not one of libdispatch's (see ``TaskThreads``).
        let end = Self.loops.any().scheduleTask(in: .nanoseconds(max(0, duration.nanoseconds))) {}
        do {
            try await withTaskCancellationHandler {
                try await end.futureResult.get()
            } onCancel: {
                end.cancel()
            }
        } catch {
            throw CancellationError()
        }
    }
}

extension Duration {
    /// Whole nanoseconds, saturating at the range of `Int64`.
    public var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, isTooLarge) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return isTooLarge ? (seconds < 0 ? .min : .max) : whole + attoseconds / 1_000_000_000
    }
}
