/// A JSON number as a pattern compares it.
///
/// A literal is *exact* when it is the shortest decimal of the double nearest to it, however it is spelled:
/// `300`, `300.0` and `3e2` are exact and equal, and so are `0` and `-0`. Any other literal, such as an
/// integer of twenty digits, has no double of its own and equals only the same text.
struct NumberLiteral: Hashable, Sendable {
    let text: [UInt8]
    /// The double, for an exact literal.
    let exact: Double?

    init(_ text: UnsafeBufferPointer<UInt8>) {
        self.text = Array(text)
        exact = Self.exactDouble(text)
    }

    /// Whether a number of an event is this one.
    func equals(_ other: UnsafeBufferPointer<UInt8>) -> Bool {
        if let exact, let number = Self.exactDouble(other) { return exact == number }
        return other.elementsEqual(text)
    }

    /// The double that a literal is, or nil where it is not exact.
    static func exactDouble(_ text: UnsafeBufferPointer<UInt8>) -> Double? {
        if let quick = shortDecimal(text) { return quick }
        let decimal = Decimal(text)
        if decimal.digits.isEmpty { return 0 }
        // A double's shortest decimal has at most 17 digits, and 1e400 is past the largest.
        guard decimal.digits.count <= 17, abs(decimal.exponent) < 400,
            let number = Double(String(decoding: text, as: UTF8.self)), number.isFinite, number != 0
        else { return nil }
        let shortest = Array(number.description.utf8).withUnsafeBufferPointer { Decimal($0) }
        return shortest == decimal ? number : nil
    }

    /// The usual literals: up to 15 digits, at most 15 of them behind the point, no exponent.
    ///
    /// Both parts of the division are exact doubles, so its result is the nearest double, and 15 digits
    /// always survive.
    private static func shortDecimal(_ text: UnsafeBufferPointer<UInt8>) -> Double? {
        guard text.count <= 16 else { return nil }
        var mantissa: UInt64 = 0
        var digits = 0
        var fraction: Int?
        for (position, byte) in text.enumerated() {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                mantissa = mantissa &* 10 &+ UInt64(byte & 0x0F)
                digits += 1
            case UInt8(ascii: "-") where position == 0: continue
            case UInt8(ascii: ".") where fraction == nil: fraction = digits
            default: return nil
            }
        }
        guard digits <= 15 else { return nil }
        let magnitude = Double(mantissa) / powersOfTen[digits - (fraction ?? digits)]
        return text.first == UInt8(ascii: "-") && mantissa != 0 ? -magnitude : magnitude
    }

    private static let powersOfTen: [Double] = [
        1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
    ]
}
