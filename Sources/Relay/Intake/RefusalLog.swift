import Logging
import Synchronization

/// Logs refused requests, but only so many a minute: a scanner must not fill the disk.
///
/// The metrics count all of them. The presented value is never logged.
final class RefusalLog: Sendable {
    static let linesPerMinute = 10

    private struct Window {
        var start: Int64 = .min
        var lines = 0
        var left = 0
    }

    private let window = Mutex(Window())
    private let clock: any RelayClock
    private let logger: Logger

    init(clock: any RelayClock, logger: Logger) {
        self.clock = clock
        self.logger = logger
    }

    /// Notes one refusal; `peer` is an address that was parsed as one.
    func refused(_ message: Logger.Message, peer: String, reason: String, hook: String? = nil) {
        let now = clock.now
        let leftOut: Int? = window.withLock { window in
            if window.start == .min || now - window.start >= 60_000_000_000 || now < window.start {
                let left = window.left
                window = Window(start: now, lines: 1)
                return left
            }
            guard window.lines < Self.linesPerMinute else {
                window.left += 1
                return nil
            }
            window.lines += 1
            return 0
        }
        guard let leftOut else { return }
        var metadata: Logger.Metadata = ["peer": .string(peer), "reason": .string(reason)]
        if let hook { metadata["hook"] = .string(hook) }
        if leftOut > 0 { metadata["notLoggedBefore"] = .stringConvertible(leftOut) }
        logger.warning(message, metadata: metadata)
    }
}
