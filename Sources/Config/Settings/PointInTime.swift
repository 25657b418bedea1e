import Rules

/// A point in time as the config and the command line write it: an age, a day or a time.
public enum PointInTime: Sendable, Equatable {
    /// So long ago.
    case ago(Duration)
    /// Nanoseconds since 1970; whole milliseconds.
    case at(Int64)

    /// What would be right, for the end of a message.
    public static var advice: String { TextFormat<PointInTime>.pointInTime.advice }

    /// Reads `7d`, `2026-11-01` (its first instant in UTC) and `2026-11-01T08:00:00Z`; nil for anything else.
    public init?(_ text: String) {
        guard let value = TextFormat<PointInTime>.pointInTime.parse(text) else { return nil }
        self = value
    }

    /// - Parameter now: Nanoseconds since 1970, like the result.
    public func nanoseconds(now: Int64) -> Int64 {
        switch self {
        case .ago(let age):
            let (seconds, attoseconds) = age.components
            return now - seconds * 1_000_000_000 - attoseconds / 1_000_000_000
        case .at(let instant): return instant
        }
    }
}

extension TextFormat<PointInTime> {
    static let pointInTime = TextFormat(
        phrase: "a point in time",
        advice: "write an age such as \"7d\", a day such as \"2026-11-01\" or a time such as"
            + " \"2026-11-01T08:00:00Z\"",
        pattern: "^([1-9][0-9]{0,8}(ms|s|m|h|d)|[0-9]{4}-[0-9]{2}-[0-9]{2}"
            + "(T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2}))?)$",
        standIn: .at(0)
    ) { text in
        if let age = DurationText.parse(text) { return .ago(age) }
        let isDay = text.utf8.count == 10
        guard text.utf8.allSatisfy({ "0123456789-+:.TZ".utf8.contains($0) }), text.utf8.count <= 35,
            let instant = Instant(isDay ? text + "T00:00:00Z" : text)
        else { return nil }
        return .at((Int64(instant.unixSeconds) * 1_000 + Int64(instant.millisecond)) * 1_000_000)
    }
}
