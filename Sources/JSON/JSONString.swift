/// The escapes inside a JSON string.
enum JSONString {
    /// Resolves the escapes of what stands between a checked string's quotes.
    ///
    /// Half a surrogate pair becomes U+FFFD.
    static func unescaped(_ content: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(content.count)
        var position = 0
        while position < content.count {
            let byte = content[position]
            position += 1
            guard byte == UInt8(ascii: "\\"), position < content.count else {
                result.append(byte)
                continue
            }
            let escape = content[position]
            position += 1
            switch escape {
            case UInt8(ascii: "b"): result.append(0x08)
            case UInt8(ascii: "f"): result.append(0x0C)
            case UInt8(ascii: "n"): result.append(0x0A)
            case UInt8(ascii: "r"): result.append(0x0D)
            case UInt8(ascii: "t"): result.append(0x09)
            case UInt8(ascii: "u"):
                result.append(contentsOf: UTF8.encode(scalar(content, &position)) ?? UTF8.replacement)
            default: result.append(escape)
            }
        }
        return result
    }

    /// Takes the four digits behind `\u`, and the second half of a surrogate pair where there is one.
    private static func scalar(
        _ content: UnsafeBufferPointer<UInt8>, _ position: inout Int
    ) -> Unicode.Scalar {
        let replacement: Unicode.Scalar = "\u{FFFD}"
        let first = hexadecimal(content, position)
        position += 4
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard first < 0xDC00, position + 6 <= content.count,
            content[position] == UInt8(ascii: "\\"), content[position + 1] == UInt8(ascii: "u")
        else { return replacement }
        let second = hexadecimal(content, position + 2)
        guard (0xDC00...0xDFFF).contains(second) else { return replacement }
        position += 6
        return Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00)) ?? replacement
    }

    private static func hexadecimal(_ content: UnsafeBufferPointer<UInt8>, _ start: Int) -> UInt32 {
        (start..<min(start + 4, content.count)).reduce(0) { value, position in
            let digit = content[position]
            return value << 4
                | UInt32(digit.isDigit ? digit & 0x0F : (digit | 0x20) &- UInt8(ascii: "a") &+ 10)
        }
    }
}

extension Unicode.UTF8 {
    fileprivate static var replacement: EncodedScalar { encodedReplacementCharacter }
}
