/// Finds the end of a JSON string, eight bytes at a time, and checks what stands in it.
enum StringScanner {
    /// The offset behind the closing quote, and whether there are escapes.
    typealias Extent = (end: Int, isEscaped: Bool)

    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let highs: UInt64 = 0x8080_8080_8080_8080

    /// Scans from a string's opening quote.
    @inline(__always)
    static func scan(
        _ text: UnsafePointer<UInt8>, from start: Int, end: Int
    ) throws(JSONSyntaxError) -> Extent {
        var position = start + 1
        var seen: UInt64 = 0
        while position + 8 <= end {
            let word = UnsafeRawPointer(text + position).loadUnaligned(as: UInt64.self).littleEndian
            let hits = stops(in: word)
            if hits == 0 {
                seen |= word
                position += 8
                continue
            }
            // Bytes before the first hit count for `seen`, those behind it belong to what follows.
            let bits = UInt64(hits.trailingZeroBitCount & ~7)
            seen |= word & ((1 << bits) &- 1)
            position += Int(bits >> 3)
            guard text[position] == UInt8(ascii: "\""), seen & highs == 0 else { break }
            return (position + 1, false)
        }
        return try scanSlowly(text, from: start, position, end: end, isASCII: seen & highs == 0)
    }

    /// The top bit of each byte that is a quote, a backslash or a control character.
    ///
    /// The classic "is zero" and "is below n" tests of a whole word: they may err, but only behind the first
    /// hit.
    @inline(__always)
    private static func stops(in word: UInt64) -> UInt64 {
        let quote = word ^ (ones &* 0x22)
        let backslash = word ^ (ones &* 0x5C)
        return
            (((quote &- ones) & ~quote) | ((backslash &- ones) & ~backslash)
            | ((word &- ones &* 0x20) & ~word)) & highs
    }

    /// The same byte by byte, for strings with escapes or other than ASCII, and for the text's last bytes.
    @inline(never)
    private static func scanSlowly(
        _ text: UnsafePointer<UInt8>, from start: Int, _ from: Int, end: Int, isASCII: Bool
    ) throws(JSONSyntaxError) -> Extent {
        var position = from
        var isEscaped = false
        var isASCII = isASCII
        while position < end {
            let byte = text[position]
            switch byte {
            case UInt8(ascii: "\""):
                if !isASCII { try checkUTF8(text, from: start + 1, to: position) }
                return (position + 1, isEscaped)
            case UInt8(ascii: "\\"):
                isEscaped = true
                position += try escapeLength(text, at: position, end: end)
            case 0..<0x20:
                throw JSONSyntaxError(
                    offset: position,
                    reason: "a control character in a string must be written as an escape")
            default:
                isASCII = isASCII && byte < 0x80
                position += 1
            }
        }
        throw JSONSyntaxError(offset: end, reason: "the string is not closed")
    }

    private static func escapeLength(
        _ text: UnsafePointer<UInt8>, at position: Int, end: Int
    ) throws(JSONSyntaxError) -> Int {
        guard position + 1 < end else {
            throw JSONSyntaxError(offset: end, reason: "the string is not closed")
        }
        switch text[position + 1] {
        case UInt8(ascii: "u"):
            guard position + 6 <= end, (2..<6).allSatisfy({ text[position + $0].isHexDigit }) else {
                throw JSONSyntaxError(offset: position, reason: "\\u needs four hexadecimal digits")
            }
            return 6
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"),
            UInt8(ascii: "f"), UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            return 2
        default: throw JSONSyntaxError(offset: position, reason: "unknown escape in a string")
        }
    }

    /// Only strings may hold other characters than ASCII, so the rest of the text needs no such check.
    private static func checkUTF8(
        _ text: UnsafePointer<UInt8>, from start: Int, to end: Int
    ) throws(JSONSyntaxError) {
        let bytes = UnsafeBufferPointer(start: text + start, count: end - start)
        do {
            _ = try UTF8Span(validating: Span(_unsafeElements: bytes))
        } catch {
            throw JSONSyntaxError(
                offset: start + error.byteOffsets.lowerBound, reason: "the text is not UTF-8")
        }
    }
}
