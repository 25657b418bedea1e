import Config
import Relay

/// Spaces requests so that no span of `period` length sees more than `count` of them.
///
/// A bucket whose tokens each come back one period after they were taken. (One that refills steadily would
/// let through twice the count in the first period, and many APIs count exactly.) Pure: the caller brings the
/// time and does the waiting.
struct RateWindow: Sendable {
    /// Larger counts are halved along with their period, which keeps the promise and bounds the memory.
    private static let tokensMax = 1_024

    /// Nanoseconds.
    private let period: Int64
    /// When each token was taken last (nil: never); a ring, the next one being the one that waits longest.
    private var taken: [Int64?]
    private var next = 0

    init(_ limit: RateLimit) {
        var count = max(1, limit.count)
        var period = max(0, limit.period.nanoseconds)
        while count > Self.tokensMax {
            count /= 2
            period /= 2
        }
        self.period = period
        taken = Array(repeating: nil, count: count)
    }

    /// Takes a token; nil where there was one, else how long to wait before asking again.
    ///
    /// - Parameter now: By a clock that nobody sets.
    mutating func take(at now: Int64) -> Duration? {
        if let time = taken[next], time + period > now { return .nanoseconds(time + period - now) }
        taken[next] = now
        next = (next + 1) % taken.count
        return nil
    }
}
