public import Config

/// When the next attempt is due: exponential, with full jitter from an injected generator.
public struct RetrySchedule: Sendable {
    /// What a destination asks for with `Retry-After` counts up to this.
    public static let retryAfterMax = Duration.seconds(3_600)

    /// A hundred years: whoever writes more means never, and times can still be added up.
    private static let never = Duration.seconds(36_500 * 86_400)

    private let initial: Duration
    private let max: Duration
    /// For how long a delivery is tried; the clock stands still while the sink is unavailable.
    let giveUpAfter: Duration

    public init(_ configuration: RetryConfiguration) {
        initial = configuration.initial
        max = min(configuration.max, Self.never)
        giveUpAfter = min(configuration.giveUpAfter, Self.never)
    }

    /// No delay is longer.
    public var delayMax: Duration { Swift.max(max, Self.retryAfterMax) }

    /// The delay before the next attempt: between nothing and `initial * 2^(failures - 1)`, at most `max`,
    /// and never less than what the destination asked for.
    ///
    /// - Parameter failures: How many attempts have failed, from 1.
    public func delay(
        afterFailures failures: Int, retryAfter: Duration?, using generator: inout some RandomNumberGenerator
    ) -> Duration {
        let doublings = min(Swift.max(failures - 1, 0), 40)
        let ceiling = min(max.nanoseconds, initial.nanoseconds.multipliedClamped(by: 1 << doublings))
        let jittered = Int64.random(in: 0...Swift.max(ceiling, 0), using: &generator)
        let floor = min(retryAfter ?? .zero, Self.retryAfterMax).nanoseconds
        return .nanoseconds(Swift.max(jittered, floor))
    }
}

extension Int64 {
    fileprivate func multipliedClamped(by factor: Int64) -> Int64 {
        let (product, isTooLarge) = multipliedReportingOverflow(by: factor)
        return isTooLarge ? .max : product
    }
}
