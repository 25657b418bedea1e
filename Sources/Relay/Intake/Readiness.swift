import Synchronization

/// Whether the intake can commit: what `/readyz` answers.
///
/// Sinks do not count: a relay whose sinks are all down still must take what Okta sends. May be used from any
/// thread.
public final class Readiness: Sendable {
    /// After a failed commit the relay calls itself unready this long and then lets traffic try again; if it
    /// waited for a commit that succeeds, a load balancer that sends none would keep it out for ever.
    public static let failureHold = Duration.seconds(15)

    /// The answer.
    public enum State: Sendable, Equatable {
        case ready
        case notReady(reason: String)

        public var isReady: Bool { self == .ready }
    }

    private struct Flags {
        var isListening = false
        var isStopping = false
        var failure: (reason: String, at: Int64)?
    }

    private let flags = Mutex(Flags())
    private let clock: any RelayClock

    /// Not ready until ``started()``.
    public init(clock: any RelayClock) { self.clock = clock }

    public var state: State {
        let now = clock.now
        return flags.withLock { flags in
            if flags.isStopping { return .notReady(reason: "the relay is stopping") }
            guard flags.isListening else { return .notReady(reason: "the relay is starting") }
            guard let failure = flags.failure, now - failure.at < Self.failureHold.nanoseconds else {
                return .ready
            }
            return .notReady(reason: "the journal could not commit: \(failure.reason)")
        }
    }

    /// The intake listens.
    public func started() { flags.withLock { $0.isListening = true } }

    /// The intake takes no more; final.
    public func stopping() { flags.withLock { $0.isStopping = true } }

    public func committed() { flags.withLock { $0.failure = nil } }

    public func failedToCommit(_ reason: String) {
        let now = clock.now
        flags.withLock { $0.failure = (reason, now) }
    }
}
