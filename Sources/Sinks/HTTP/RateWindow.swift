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
    private var lastNow = Int64.min

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
    mutating func take(at now: Int64) -> Duration? {
        if now < lastNow { rewind(by: lastNow - now) }
        lastNow = now
        if let time = taken[next], time + period > now { return .nanoseconds(time + period - now) }
        taken[next] = now
        next = (next + 1) % taken.count
        return nil
    }

    /// The wall clock was set back: what was taken moves with it, or requests would wait for the lost time.
    private mutating func rewind(by nanoseconds: Int64) {
        for index in taken.indices { taken[index] = taken[index].map { $0 - nanoseconds } }
    }
}
