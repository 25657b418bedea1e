import CCurl
import Config
import Relay

/// When the next request may be sent: by the sink's own rate, and by what the server says of its limit.
///
/// Pure: the caller brings the time and does the waiting.
struct HTTPPace: Sendable {
    /// A server that names a later reset is asked again after this.
    static let pauseMax = Duration.seconds(3_600)

    private var window: RateWindow?
    private var inFlight = 0
    /// Until when the server's limit is used up, in nanoseconds since 1970.
    private var usedUpUntil: Int64 = 0

    init(_ limit: RateLimit?) { window = limit.map(RateWindow.init) }

    /// For how long the server's limit is used up; nil where it is not.
    func pause(at now: Int64) -> Duration? {
        let pause = usedUpUntil - now
        // A longer one was made before the clock was set back.
        return pause > 0 && pause <= Self.pauseMax.nanoseconds ? .nanoseconds(pause) : nil
    }

    /// Takes what one request needs; nil where it may go now, else how long to wait before asking again.
    mutating func take(at now: Int64) -> Duration? { pause(at: now) ?? window?.take(at: now) }

    mutating func sent() { inFlight += 1 }

    mutating func ended() { inFlight -= 1 }

    /// A response has said how much is left.
    ///
    /// What others that are in flight may use up is as good as gone.
    mutating func heard(_ report: HTTPRateReport, at now: Int64) {
        guard report.remaining <= inFlight, let reset = report.reset, reset > now else { return }
        usedUpUntil = max(usedUpUntil, min(reset, now + Self.pauseMax.nanoseconds))
    }
}

/// What a response says of the server's limit.
struct HTTPRateReport: Sendable, Equatable {
    /// Requests that it still takes until then.
    let remaining: Int
    /// When it begins anew, in nanoseconds since 1970; nil where that cannot be read.
    let reset: Int64?

    /// Nil where the response says nothing that can be read.
    init?(_ response: CurlResponse, _ names: HTTPRateHeaders, at now: Int64) {
        guard let remaining = response.header(names.remaining).flatMap(Double.init),
            remaining.isFinite
        else { return nil }
        self.remaining = Int(max(0, min(remaining, 1e9)))
        reset = response.header(names.reset).flatMap { Self.time($0, at: now) }
    }

    /// A number is told by its size: up to 10^8 it is seconds from now (three years), from there seconds
    /// since 1970, and from 10^11 on milliseconds.
    ///
    /// Anything else is an HTTP date (RFC 9110 section 5.6.7).
    static func time(_ text: String, at now: Int64) -> Int64? {
        guard let number = Double(text) else {
            let seconds = curl_getdate(text, nil)
            return seconds < 0 || seconds > 9_000_000_000 ? nil : Int64(seconds) * 1_000_000_000
        }
        switch number {
        case 0..<1e8: return now + Int64(number * 1e9)
        case 1e8..<9e9: return Int64(number * 1e9)
        case 1e11..<9e12: return Int64(number * 1e6)
        default: return nil
        }
    }
}
