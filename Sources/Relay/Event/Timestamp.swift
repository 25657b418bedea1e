/// An instant as Okta writes it: RFC 3339 with 0 to 9 fractional digits (more are cut off).
///
/// The text is kept, because precision differs from payload to payload; two timestamps are equal and ordered
/// by their instant alone.
public struct Timestamp: Sendable, CustomStringConvertible {
    /// Nanoseconds since 1970-01-01T00:00:00Z; good for the years 1678 to 2261.
    public let nanoseconds: Int64
    /// As it was written.
    public let description: String

    /// Nil where the text is not a timestamp in that form and range.
    public init?(_ text: String) {
        guard let nanoseconds = Self.parse(Array(text.utf8)) else { return nil }
        self.nanoseconds = nanoseconds
        self.description = text
    }

    /// The instant, written in UTC with milliseconds.
    public init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
        self.description = Self.format(nanoseconds)
    }
}

extension Timestamp {
    /// An instant with as many digits as it takes to read the same one back, three at least.
    public static func exactText(_ nanoseconds: Int64) -> String {
        let text = format(nanoseconds)
        var rest = nanoseconds.flooredRemainder(by: 1_000_000)
        guard rest != 0 else { return text }
        var digits = 6
        while rest.isMultiple(of: 10) {
            rest /= 10
            digits -= 1
        }
        let more = String(rest)
        return "\(text.dropLast())\(String(repeating: "0", count: digits - more.count))\(more)Z"
    }
}

extension Timestamp: Comparable, Hashable {
    public static func == (a: Timestamp, b: Timestamp) -> Bool { a.nanoseconds == b.nanoseconds }
    public static func < (a: Timestamp, b: Timestamp) -> Bool { a.nanoseconds < b.nanoseconds }
    public func hash(into hasher: inout Hasher) { hasher.combine(nanoseconds) }
}

extension Timestamp {
    /// `since` and `until`, in whole milliseconds as they are written, that have two instants and all between
    /// them in it; nanoseconds since 1970.
    static func span(_ first: Int64, _ last: Int64) -> ClosedRange<Int64> {
        let millisecond: Int64 = 1_000_000
        let since = first.flooredDivided(by: millisecond) * millisecond
        return since...max(since, (last.flooredDivided(by: millisecond) + 1) * millisecond)
    }
}

extension Timestamp {
    private static let billion: Int64 = 1_000_000_000

    private static func parse(_ text: [UInt8]) -> Int64? {
        var reader = Reader(text: text)
        guard let year = reader.number(digits: 4), reader.take("-"), let month = reader.number(digits: 2),
            reader.take("-"), let day = reader.number(digits: 2), reader.take("T") || reader.take("t"),
            let hour = reader.number(digits: 2), reader.take(":"), let minute = reader.number(digits: 2),
            reader.take(":"), let second = reader.number(digits: 2),
            (1...12).contains(month), (1...days(in: month, year)).contains(day), hour < 24, minute < 60,
            second < 60, (1678...2261).contains(year)
        else { return nil }
        guard let fraction = reader.fraction(), let shift = reader.zone(), reader.isAtEnd else { return nil }
        let seconds = daysSince1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - shift
        let (whole, tooLarge) = seconds.multipliedReportingOverflow(by: billion)
        return tooLarge ? nil : whole + fraction
    }

    private static func days(in month: Int64, _ year: Int64) -> Int64 {
        switch month {
        case 2: year.isMultiple(of: 4) && (!year.isMultiple(of: 100) || year.isMultiple(of: 400)) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days in the proleptic Gregorian calendar, counted in years that start in March.
    private static func daysSince1970(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func format(_ nanoseconds: Int64) -> String {
        let seconds = nanoseconds.flooredDivided(by: billion)
        let days = seconds.flooredDivided(by: 86_400)
        let shifted = days + 719_468
        let era = shifted.flooredDivided(by: 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        let time = seconds - days * 86_400
        var text: [UInt8] = []
        text.reserveCapacity(24)
        for (value, width, behind) in [
            (year, 4, "-"), (month, 2, "-"), (day, 2, "T"), (time / 3_600, 2, ":"), (time / 60 % 60, 2, ":"),
            (time % 60, 2, "."), ((nanoseconds - seconds * billion) / 1_000_000, 3, "Z"),
        ] as [(Int64, Int, Unicode.Scalar)] {
            var digit: Int64 = 1
            for _ in 1..<width { digit *= 10 }
            while digit > 0 {
                text.append(UInt8(ascii: "0") + UInt8(value / digit % 10))
                digit /= 10
            }
            text.append(UInt8(ascii: behind))
        }
        return String(decoding: text, as: UTF8.self)
    }

    private struct Reader {
        let text: [UInt8]
        var position = 0

        var isAtEnd: Bool { position == text.count }

        mutating func take(_ character: Unicode.Scalar) -> Bool {
            guard position < text.count, text[position] == UInt8(ascii: character) else { return false }
            position += 1
            return true
        }

        mutating func digit() -> Int64? {
            guard position < text.count, text[position] &- UInt8(ascii: "0") < 10 else { return nil }
            position += 1
            return Int64(text[position - 1] - UInt8(ascii: "0"))
        }

        mutating func number(digits: Int) -> Int64? {
            var value: Int64 = 0
            for _ in 0..<digits {
                guard let digit = digit() else { return nil }
                value = value * 10 + digit
            }
            return value
        }

        mutating func fraction() -> Int64? {
            guard take(".") else { return 0 }
            guard var value = digit() else { return nil }
            var digits = 1
            while let digit = digit() {
                if digits < 9 {
                    value = value * 10 + digit
                    digits += 1
                }
            }
            for _ in digits..<9 { value *= 10 }
            return value
        }

        /// Seconds east of UTC.
        mutating func zone() -> Int64? {
            if take("Z") || take("z") { return 0 }
            let isWest = take("-")
            guard isWest || take("+"), let hour = number(digits: 2), take(":"),
                let minute = number(digits: 2),
                hour < 24, minute < 60
            else { return nil }
            return (isWest ? -1 : 1) * (hour * 3_600 + minute * 60)
        }
    }
}

extension Int64 {
    fileprivate func flooredDivided(by divisor: Int64) -> Int64 {
        self / divisor - (self % divisor < 0 ? 1 : 0)
    }

    fileprivate func flooredRemainder(by divisor: Int64) -> Int64 {
        self - flooredDivided(by: divisor) * divisor
    }
}
