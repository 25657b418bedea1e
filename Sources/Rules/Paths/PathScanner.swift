import JSON

/// Reads the words of a JSONPath query: names, numbers, strings.
struct PathScanner {
    let text: [UInt8]
    var position = 0

    init(_ text: String) { self.text = Array(text.utf8) }

    var isAtEnd: Bool { position >= text.count }
    var byte: UInt8? { isAtEnd ? nil : text[position] }

    func failure(_ message: String) -> LanguageProblem {
        LanguageProblem(pointer: .root, offset: position, message: "\(message) at character \(position + 1)")
    }

    mutating func skipBlanks() {
        while let byte, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { position += 1 }
    }

    /// Takes the word where it stands next.
    mutating func take(_ word: StaticString) -> Bool {
        let count = word.utf8CodeUnitCount
        guard position + count <= text.count else { return false }
        for offset in 0..<count where text[position + offset] != word.utf8Start[offset] { return false }
        position += count
        return true
    }

    mutating func expect(_ word: StaticString) throws(LanguageProblem) {
        guard take(word) else { throw failure("expected '\(word)'") }
    }

    // MARK: - Names

    /// A name without quotes, behind a dot.
    mutating func memberName() throws(LanguageProblem) -> [UInt8] {
        let start = position
        while let byte, Self.isNameByte(byte, isFirst: position == start) { position += 1 }
        guard position > start else {
            throw failure("expected a name, '*' or '[' (other names are written ['like this'])")
        }
        return Array(text[start..<position])
    }

    /// A function's name; nil, and nothing read, where none stands here with its parenthesis.
    mutating func functionName() -> String? {
        var end = position
        while end < text.count, Self.isFunctionByte(text[end], isFirst: end == position) { end += 1 }
        guard end > position, end < text.count, text[end] == UInt8(ascii: "(") else { return nil }
        defer { position = end + 1 }
        return String(decoding: text[position..<end], as: UTF8.self)
    }

    private static func isNameByte(_ byte: UInt8, isFirst: Bool) -> Bool {
        byte >= 0x80 || byte == UInt8(ascii: "_") || (byte | 0x20) &- UInt8(ascii: "a") < 26
            || (!isFirst && byte &- UInt8(ascii: "0") < 10)
    }

    private static func isFunctionByte(_ byte: UInt8, isFirst: Bool) -> Bool {
        byte &- UInt8(ascii: "a") < 26
            || (!isFirst && (byte == UInt8(ascii: "_") || byte &- UInt8(ascii: "0") < 10))
    }

    // MARK: - Numbers

    /// An integer inside ±(2^53 - 1), without leading zeros; nil where none stands here.
    mutating func integer() throws(LanguageProblem) -> Int? {
        let start = position
        _ = take("-")
        let digits = skipDigits()
        guard !digits.isEmpty else {
            position = start
            return nil
        }
        let isPlain = digits.count == 1 || digits.first != UInt8(ascii: "0")
        let text = String(decoding: text[start..<position], as: UTF8.self)
        guard isPlain, text != "-0", let value = Int(text), abs(value) < 1 << 53 else {
            position = start
            throw failure("expected an integer without leading zeros and within ±(2^53 - 1)")
        }
        return value
    }

    /// A number of a filter; nil where none stands here.
    mutating func number() throws(LanguageProblem) -> Decimal? {
        let start = position
        _ = take("-")
        let digits = skipDigits()
        guard !digits.isEmpty else {
            position = start
            return nil
        }
        guard digits.count == 1 || digits.first != UInt8(ascii: "0") else {
            throw failure("a number has no leading zeros")
        }
        if take(".") { guard !skipDigits().isEmpty else { throw failure("expected a digit") } }
        if take("e") || take("E") {
            if !take("-") { _ = take("+") }
            guard !skipDigits().isEmpty else { throw failure("expected a digit") }
        }
        return text[start..<position].withUnsafeBufferPointer { Decimal($0) }
    }

    private mutating func skipDigits() -> ArraySlice<UInt8> {
        let start = position
        while let byte, byte &- UInt8(ascii: "0") < 10 { position += 1 }
        return text[start..<position]
    }

    // MARK: - Strings

    /// A string in either kind of quotes; nil where none stands here.
    mutating func string() throws(LanguageProblem) -> [UInt8]? {
        guard let quote = byte, quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"") else { return nil }
        position += 1
        var result: [UInt8] = []
        while let byte {
            position += 1
            switch byte {
            case quote: return result
            case UInt8(ascii: "\\"): result += try escape(quote)
            case 0..<0x20: throw failure("a control character in a string must be written as an escape")
            default: result.append(byte)
            }
        }
        throw failure("the string is not closed")
    }

    private mutating func escape(_ quote: UInt8) throws(LanguageProblem) -> [UInt8] {
        guard let byte else { throw failure("the string is not closed") }
        position += 1
        switch byte {
        case quote, UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0C]
        case UInt8(ascii: "n"): return [0x0A]
        case UInt8(ascii: "r"): return [0x0D]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "u"):
            var code = try hexadecimal()
            if (0xD800..<0xDC00).contains(code) {
                guard take("\\u") else { throw failure("half a surrogate pair is not a character") }
                let low = try hexadecimal()
                guard (0xDC00..<0xE000).contains(low) else {
                    throw failure("half a surrogate pair is not a character")
                }
                code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else {
                throw failure("half a surrogate pair is not a character")
            }
            return Array(String(Character(scalar)).utf8)
        default: throw failure("unknown escape in a string")
        }
    }

    private mutating func hexadecimal() throws(LanguageProblem) -> UInt32 {
        guard position + 4 <= text.count else { throw failure("\\u needs four hexadecimal digits") }
        let digits = text[position..<(position + 4)]
        guard digits.allSatisfy({ $0 &- 0x30 < 10 || ($0 | 0x20) &- 0x61 < 6 }),
            let value = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
        else { throw failure("\\u needs four hexadecimal digits") }
        position += 4
        return value
    }
}
