/// Builds a document's tape in one pass, iteratively, so that nesting costs no stack.
struct TapeBuilder {
    private let text: UnsafeBufferPointer<UInt8>
    private var position = 0
    private var tape: [TapeEntry] = []
    /// Tape indices of the containers that are still open, outermost first.
    private var open: [Int] = []

    private var depth = 0
    private let depthMax: Int

    /// The tape, and how deep its containers lie in each other.
    static func tape(
        of bytes: [UInt8], depthMax: Int
    ) throws(JSONSyntaxError) -> (tape: [TapeEntry], depth: Int) {
        guard bytes.count < UInt32.max else {
            throw JSONSyntaxError(offset: 0, reason: "the text is longer than 4 GiB")
        }
        try checkUTF8(bytes)
        let result = bytes.withUnsafeBufferPointer { text in
            var builder = TapeBuilder(text: text, depthMax: depthMax)
            return Result { () throws(JSONSyntaxError) in try builder.build() }
                .map { (tape: builder.tape, depth: builder.depth) }
        }
        return try result.get()
    }

    private init(text: UnsafeBufferPointer<UInt8>, depthMax: Int) {
        self.text = text
        self.depthMax = depthMax
        tape.reserveCapacity(text.count / 12 + 4)
    }

    private static func checkUTF8(_ bytes: [UInt8]) throws(JSONSyntaxError) {
        do {
            _ = try UTF8Span(validating: bytes.span)
        } catch {
            throw JSONSyntaxError(offset: error.byteOffsets.lowerBound, reason: "the text is not UTF-8")
        }
    }

    // MARK: - Values and containers

    private mutating func build() throws(JSONSyntaxError) {
        repeat {
            try beginValue()
        } while try !endValues()
    }

    /// Reads one scalar, one empty container, or the head of containers down to their first scalar.
    private mutating func beginValue() throws(JSONSyntaxError) {
        while true {
            let byte = try nextSignificantByte("a value")
            switch byte {
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                if try !openContainer(byte == UInt8(ascii: "{") ? .object : .array) { return }
            case UInt8(ascii: "\""): return try string()
            case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
            case UInt8(ascii: "t"): return try literal("true", .true)
            case UInt8(ascii: "f"): return try literal("false", .false)
            case UInt8(ascii: "n"): return try literal("null", .null)
            default: throw failure("expected a value")
            }
        }
    }

    /// Answers whether a first element is due inside the container.
    private mutating func openContainer(_ kind: JSONKind) throws(JSONSyntaxError) -> Bool {
        guard open.count < depthMax else { throw failure("nested deeper than \(depthMax) levels") }
        open.append(tape.count)
        depth = max(depth, open.count)
        append(kind, from: position, isEscaped: false)
        position += 1
        let byte = try nextSignificantByte(kind == .object ? "a name or '}'" : "a value or ']'")
        if byte == (kind == .object ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
            closeContainer()
            return false
        }
        if kind == .object { try name() }
        return true
    }

    private mutating func closeContainer() {
        position += 1
        let index = open.removeLast()
        tape[index].end = UInt32(position)
        tape[index].next = UInt32(tape.count)
    }

    /// Closes what ends after a value; answers whether the whole text is read.
    private mutating func endValues() throws(JSONSyntaxError) -> Bool {
        while let container = open.last {
            let isObject = tape[container].kind == .object
            let byte = try nextSignificantByte(isObject ? "',' or '}'" : "',' or ']'")
            if byte == UInt8(ascii: ",") {
                position += 1
                if isObject {
                    guard try nextSignificantByte("a name") == UInt8(ascii: "\"") else {
                        throw failure("expected a name in double quotes (no comma after the last member)")
                    }
                    try name()
                }
                return false
            }
            guard byte == (isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) else {
                throw failure(isObject ? "expected ',' or '}'" : "expected ',' or ']'")
            }
            closeContainer()
        }
        skipWhiteSpace()
        guard position == text.count else { throw failure("unexpected text after the value") }
        return true
    }

    private mutating func name() throws(JSONSyntaxError) {
        guard text[position] == UInt8(ascii: "\"") else { throw failure("expected a name in double quotes") }
        try string()
        guard try nextSignificantByte("':'") == UInt8(ascii: ":") else { throw failure("expected ':'") }
        position += 1
    }

    private mutating func append(_ kind: JSONKind, from start: Int, isEscaped: Bool) {
        tape.append(
            TapeEntry(
                start: UInt32(start),
                end: UInt32(position),
                next: UInt32(tape.count + 1),
                kind: kind,
                isEscaped: isEscaped
            )
        )
    }

    // MARK: - Scalars

    private mutating func string() throws(JSONSyntaxError) {
        let start = position
        var isEscaped = false
        position += 1
        while true {
            skipPlainText()
            guard position < text.count else { throw failure("the string is not closed") }
            switch text[position] {
            case UInt8(ascii: "\""):
                position += 1
                return append(.string, from: start, isEscaped: isEscaped)
            case UInt8(ascii: "\\"):
                isEscaped = true
                try escape()
            default:
                throw failure("a control character in a string must be written as an escape")
            }
        }
    }

    /// Moves to the next quote, backslash or control character, eight bytes at a time where it can.
    private mutating func skipPlainText() {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highs: UInt64 = 0x8080_8080_8080_8080
        guard let base = UnsafeRawPointer(text.baseAddress) else { return }
        while position + 8 <= text.count {
            let word = base.loadUnaligned(fromByteOffset: position, as: UInt64.self)
            let quote = word ^ (ones &* 0x22)
            let backslash = word ^ (ones &* 0x5C)
            // The classic "has a zero byte" and "has a byte below n" tests; either may only err past the
            // first hit, and the loop below looks again.
            let hits =
                ((quote &- ones) & ~quote) | ((backslash &- ones) & ~backslash)
                | ((word &- ones &* 0x20) & ~word)
            if hits & highs != 0 { break }
            position += 8
        }
        while position < text.count {
            let byte = text[position]
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte < 0x20 { return }
            position += 1
        }
    }

    private mutating func escape() throws(JSONSyntaxError) {
        guard position + 1 < text.count else { throw failure("the string is not closed") }
        switch text[position + 1] {
        case UInt8(ascii: "u"):
            guard position + 6 <= text.count, text[(position + 2)..<(position + 6)].allSatisfy(\.isHexDigit)
            else { throw failure("\\u needs four hexadecimal digits") }
            position += 6
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"),
            UInt8(ascii: "f"), UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            position += 2
        default:
            throw failure("unknown escape in a string")
        }
    }

    private mutating func number() throws(JSONSyntaxError) {
        let start = position
        if text[position] == UInt8(ascii: "-") { position += 1 }
        if position < text.count, text[position] == UInt8(ascii: "0") {
            position += 1
        } else {
            try digits()
        }
        if position < text.count, text[position] == UInt8(ascii: ".") {
            position += 1
            try digits()
        }
        if position < text.count, text[position] | 0x20 == UInt8(ascii: "e") {
            position += 1
            if position < text.count,
                text[position] == UInt8(ascii: "+") || text[position] == UInt8(ascii: "-")
            {
                position += 1
            }
            try digits()
        }
        append(.number, from: start, isEscaped: false)
    }

    private mutating func digits() throws(JSONSyntaxError) {
        let start = position
        while position < text.count, text[position].isDigit { position += 1 }
        guard position > start else { throw failure("expected a digit") }
    }

    private mutating func literal(_ word: StaticString, _ kind: JSONKind) throws(JSONSyntaxError) {
        let start = position
        let wanted = UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
        guard text[start...].starts(with: wanted) else { throw failure("expected a value") }
        position += wanted.count
        append(kind, from: start, isEscaped: false)
    }

    // MARK: - Reading

    private mutating func nextSignificantByte(_ expected: StaticString) throws(JSONSyntaxError) -> UInt8 {
        skipWhiteSpace()
        guard position < text.count else { throw failure("the text ends where \(expected) is due") }
        return text[position]
    }

    private mutating func skipWhiteSpace() {
        while position < text.count {
            switch text[position] {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            default: return
            }
        }
    }

    private func failure(_ reason: String) -> JSONSyntaxError {
        JSONSyntaxError(offset: position, reason: reason)
    }
}

extension UInt8 {
    var isDigit: Bool { self &- UInt8(ascii: "0") < 10 }
    var isHexDigit: Bool { isDigit || (self | 0x20) &- UInt8(ascii: "a") < 6 }
}
