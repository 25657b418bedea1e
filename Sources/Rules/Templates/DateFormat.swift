/// How the `date` filter writes an instant, always in UTC.
struct DateFormat: Sendable {
    enum Part: Sendable {
        case literal(String)
        case field(Character)
    }

    private let parts: [Part]
    /// Seconds or milliseconds since 1970 are numbers.
    private let isNumber: Bool

    /// Names for the usual formats.
    static let names: [String: String] = [
        "iso": "%Y-%m-%dT%H:%M:%S.%LZ", "date": "%Y-%m-%d", "unix": "%s", "unix_ms": "%s%L",
    ]

    /// Reads a name or a format of `%Y %m %d %H %M %S %L %s %%`; nil for any other field.
    init?(_ text: String) {
        var parts: [Part] = []
        var rest = Substring(Self.names[text] ?? text)
        while let character = rest.popFirst() {
            if character != "%" {
                parts.append(.literal(String(character)))
            } else if let field = rest.popFirst(), "YmdHMSLs%".contains(field) {
                parts.append(field == "%" ? .literal("%") : .field(field))
            } else {
                return nil
            }
        }
        self.parts = parts
        isNumber = text == "unix" || text == "unix_ms"
    }

    func format(_ instant: Instant) -> TemplateValue {
        var result = ""
        for part in parts {
            switch part {
            case .literal(let text): result += text
            case .field("Y"): result += Self.pad(instant.year, 4)
            case .field("m"): result += Self.pad(instant.month, 2)
            case .field("d"): result += Self.pad(instant.day, 2)
            case .field("H"): result += Self.pad(instant.second / 3600, 2)
            case .field("M"): result += Self.pad(instant.second / 60 % 60, 2)
            case .field("S"): result += Self.pad(instant.second % 60, 2)
            case .field("L"): result += Self.pad(instant.millisecond, 3)
            case .field: result += String(instant.unixSeconds)
            }
        }
        guard isNumber else { return .string(result) }
        let digits = result.drop { $0 == "0" }
        return .number(digits.isEmpty ? "0" : String(digits))
    }

    private static func pad(_ value: Int, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}

/// A time of RFC 3339, in UTC, from 1970 on.
package struct Instant {
    let year: Int
    let month: Int
    let day: Int
    /// Of the day.
    let second: Int
    /// Of the second.
    package let nanosecond: Int
    package let unixSeconds: Int

    package var millisecond: Int { nanosecond / 1_000_000 }

    /// Reads `2026-01-31T12:00:00Z` with any number of fractional digits and any offset.
    package init?(_ text: String) {
        var scanner = PathScanner(text)
        func digits(_ count: Int) -> Int? {
            guard scanner.position + count <= scanner.text.count else { return nil }
            var value = 0
            for _ in 0..<count {
                guard let byte = scanner.byte, byte &- UInt8(ascii: "0") < 10 else { return nil }
                value = value * 10 + Int(byte & 0x0F)
                scanner.position += 1
            }
            return value
        }
        guard let year = digits(4), scanner.take("-"), let month = digits(2), scanner.take("-"),
            let day = digits(2), scanner.take("T") || scanner.take("t") || scanner.take(" "),
            let hour = digits(2), scanner.take(":"), let minute = digits(2), scanner.take(":"),
            let second = digits(2), (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60,
            second <= 60
        else { return nil }
        var nanosecond = 0
        if scanner.take(".") {
            guard let first = digits(1) else { return nil }
            nanosecond = first
            var count = 1
            while let digit = digits(1) {
                if count < 9 { nanosecond = nanosecond * 10 + digit }
                count += 1
            }
            for _ in min(count, 9)..<9 { nanosecond *= 10 }
        }
        var offset = 0
        if !scanner.take("Z"), !scanner.take("z") {
            let isBehind = scanner.take("-")
            guard isBehind || scanner.take("+"), let hours = digits(2), scanner.take(":"),
                let minutes = digits(2), hours < 24, minutes < 60
            else { return nil }
            offset = (hours * 60 + minutes) * (isBehind ? -60 : 60)
        }
        guard scanner.isAtEnd, day <= Self.days(in: month, of: year) else { return nil }
        let unix =
            Self.dayNumber(year, month, day) * 86_400 + hour * 3600 + minute * 60 + min(second, 59) - offset
        guard unix >= 0 else { return nil }
        unixSeconds = unix
        self.second = unix % 86_400
        self.nanosecond = nanosecond
        (self.year, self.month, self.day) = Self.civil(unix / 86_400)
    }

    private static func days(in month: Int, of year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days since 1970-01-01 in the Gregorian calendar; years start in March, so that leap days come last.
    private static func dayNumber(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let shifted = month <= 2 ? year - 1 : year
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + dayOfYear - 719_468
    }

    /// The inverse.
    private static func civil(_ dayNumber: Int) -> (year: Int, month: Int, day: Int) {
        let days = dayNumber + 719_468
        let era = days / 146_097
        let dayOfEra = days % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (
            yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        )
    }
}
