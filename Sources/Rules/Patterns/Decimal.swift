/// A number's sign, significant digits and power of ten, so that spellings of one number are equal.
struct Decimal: Equatable, Comparable, Sendable {
    var isNegative = false
    /// Without leading and trailing zeros; empty for zero.
    var digits: [UInt8] = []
    /// Of the last digit.
    ///
    /// Saturates far outside of what a double can hold.
    var exponent = 0

    init(_ value: Int) { self = Array(String(value).utf8).withUnsafeBufferPointer { Decimal($0) } }

    init(_ text: UnsafeBufferPointer<UInt8>) {
        var position = 0
        var isFraction = false
        if text.first == UInt8(ascii: "-") {
            isNegative = true
            position = 1
        }
        while position < text.count, text[position] | 0x20 != UInt8(ascii: "e") {
            let byte = text[position]
            position += 1
            if byte == UInt8(ascii: ".") {
                isFraction = true
                continue
            }
            if isFraction { exponent -= 1 }
            if byte != UInt8(ascii: "0") || !digits.isEmpty { digits.append(byte) }
        }
        exponent += Self.exponent(text[position...])
        while digits.last == UInt8(ascii: "0") {
            digits.removeLast()
            exponent += 1
        }
        if digits.isEmpty {
            isNegative = false
            exponent = 0
        }
    }

    /// Reads `e+12`; an exponent of more than nine digits counts as a billion.
    private static func exponent(_ text: Slice<UnsafeBufferPointer<UInt8>>) -> Int {
        var value = 0
        for byte in text where byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") {
            value = min(value * 10 + Int(byte & 0x0F), 1_000_000_000)
        }
        return text.contains(UInt8(ascii: "-")) ? -value : value
    }

    static func < (left: Decimal, right: Decimal) -> Bool {
        if left.isNegative != right.isNegative { return left.isNegative }
        return left.isNegative ? isSmaller(right, than: left) : isSmaller(left, than: right)
    }

    private static func isSmaller(_ left: Decimal, than right: Decimal) -> Bool {
        guard !left.digits.isEmpty, !right.digits.isEmpty else { return !right.digits.isEmpty }
        let magnitudes = (left.digits.count + left.exponent, right.digits.count + right.exponent)
        guard magnitudes.0 == magnitudes.1 else { return magnitudes.0 < magnitudes.1 }
        return left.digits.lexicographicallyPrecedes(right.digits)
    }
}
