import CCurl
import Config
import Relay

/// When the next request may be sent: by the sink's own rate, and by what the server says of its limit.
///
/// Pure: the caller brings the time, by a clock that nobody sets, and does the waiting.
struct HTTPPace: Sendable {
    /// A server that names a later reset is asked again after this.
    static let pauseMax = Duration.seconds(3_600)

    private var window: RateWindow?
    private var inFlight = 0
    /// Until when the server's limit is used up.
    private var usedUpUntil: Int64 = 0

    init(_ limit: RateLimit?) { window = limit.map(RateWindow.init) }

    /// For how long the server's limit is used up; nil where it is not.
    func pause(at now: Int64) -> Duration? {
        usedUpUntil > now ? .nanoseconds(usedUpUntil - now) : nil
    }

    /// Takes what one request needs; nil where it may go now, else how long to wait before asking again.
    mutating func take(at now: Int64) -> Duration? { pause(at: now) ?? window?.take(at: now) }

    mutating func sent() { inFlight += 1 }

    mutating func ended() { inFlight -= 1 }

    /// A response has said how much is left.
    ///
    /// What others that are in flight may use up is as good as gone.
    mutating func heard(_ report: HTTPRateReport, at now: Int64) {
        guard report.remaining <= inFlight, let wait = report.untilReset, wait > .zero else { return }
        usedUpUntil = max(usedUpUntil, now + min(wait, Self.pauseMax).nanoseconds)
    }
}

/// What a response says of the server's limit.
struct HTTPRateReport: Sendable, Equatable {
    /// Requests that it still takes until then.
    let remaining: Int
    /// How long it is until that begins anew; nil where that cannot be read.
    let untilReset: Duration?

    /// Nil where the response says nothing that can be read.
    ///
    /// - Parameter now: What the wall clock says.
    init?(_ response: CurlResponse, _ names: HTTPRateHeaders, at now: Int64) {
        guard let remaining = response.header(names.remaining).flatMap(Double.init),
            remaining.isFinite
        else { return nil }
        self.remaining = Int(max(0, min(remaining, 1e9)))
        untilReset = response.header(names.reset).flatMap { Self.wait(until: $0, at: now) }
    }

    /// How long it is until a reset; negative where that is past.
    ///
    /// A number is told by its size: up to 10^8 it is seconds from now (three years), from there seconds
    /// since 1970, and from 10^11 on milliseconds. Anything else is an HTTP date (RFC 9110 section 5.6.7).
    static func wait(until text: String, at now: Int64) -> Duration? {
        guard let number = Double(text) else {
            let seconds = curl_getdate(text, nil)
            guard (0...9_000_000_000).contains(seconds) else { return nil }
            return Duration.seconds(seconds) - .nanoseconds(now)
        }
        switch number {
        case 0..<1e8: return .nanoseconds(Int64(number * 1e9))
        case 1e8..<9e9: return .nanoseconds(Int64(number * 1e9) - now)
        case 1e11..<9e12: return .nanoseconds(Int64(number * 1e6) - now)
        default: return nil
        }
    }
}
