import Rules

/// A point in time as the config and the command line write it: an age, a day or a time.
public enum PointInTime: Sendable, Equatable {
    /// So long ago.
    case ago(Duration)
    /// Nanoseconds since 1970.
    case at(Int64)

    /// What would be right, for the end of a message.
    public static var advice: String { TextFormat<PointInTime>.pointInTime.advice }

    /// Reads `7d`, `2026-11-01` (its first instant in UTC) and `2026-11-01T08:00:00Z`; nil for anything else.
    public init?(_ text: String) {
        guard let value = TextFormat<PointInTime>.pointInTime.parse(text) else { return nil }
        self = value
    }

    /// - Parameter now: Nanoseconds since 1970, like the result, which is never before that.
    public func nanoseconds(now: Int64) -> Int64 {
        switch self {
        case .ago(let age):
            let (seconds, attoseconds) = age.components
            let (whole, isTooLong) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
            return isTooLong ? 0 : max(0, now - whole - attoseconds / 1_000_000_000)
        case .at(let instant): return instant
        }
    }
}

extension TextFormat<PointInTime> {
    static let pointInTime = TextFormat(
        phrase: "a point in time",
        advice: "write an age such as \"7d\", a day such as \"2026-11-01\" or a time such as"
            + " \"2026-11-01T08:00:00Z\"",
        pattern: "^([1-9][0-9]{0,8}(ms|s|m|h|d)"
            + "|(19[7-9][0-9]|2[01][0-9]{2})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
            + "(T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?"
            + "(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9]))?)$",
        standIn: .at(0)
    ) { text in
        if let age = DurationText.parse(text) { return .ago(age) }
        let isDay = text.utf8.count == 10
        let isPlain = text.utf8.allSatisfy { "0123456789-+:.TZ".utf8.contains($0) }
        guard isPlain, text.utf8.count <= 35, !text.contains(":60"),
            let instant = Instant(isDay ? text + "T00:00:00Z" : text), instant.unixSeconds < year2200
        else { return nil }
        return .at(Int64(instant.unixSeconds) * 1_000_000_000 + Int64(instant.nanosecond))
    }
}

/// In seconds since 1970; nanoseconds of later years would not fit.
private let year2200 = 7_258_118_400
