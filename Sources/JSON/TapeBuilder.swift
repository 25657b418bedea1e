/// Builds a document's tape in one pass, iteratively, so that nesting costs no stack.
///
/// This is the hot path of intake: it works on pointers.
struct TapeBuilder {
    private let text: UnsafePointer<UInt8>
    /// Bytes of the text.
    private let end: Int
    private var tape: UnsafeMutablePointer<TapeEntry>
    /// Entries that there is room for.
    private var room: Int
    /// Whether the tape is memory of the builder's own, because the room it was given was too small.
    private var isOutgrown = false
    private var position = 0
    /// Entries on the tape.
    private var count = 0
    /// The tape index of the innermost open container, or -1; its `next` holds the one around it until it
    /// closes.
    private var container = -1
    private var depth = 0
    /// The greatest depth so far.
    private var deepest = 0
    private let depthMax: Int

    /// The tape, and how deep its containers lie in each other.
    static func tape(
        of bytes: [UInt8], depthMax: Int
    ) throws(JSONSyntaxError) -> (tape: [TapeEntry], depth: Int) {
        guard bytes.count < UInt32.max else {
            throw JSONSyntaxError(offset: 0, reason: "the text is longer than 4 GiB")
        }
        let result = bytes.withUnsafeBufferPointer { text in
            Result { () throws(JSONSyntaxError) in try build(text, depthMax: depthMax) }
        }
        return try result.get()
    }

    private static func build(
        _ text: UnsafeBufferPointer<UInt8>, depthMax: Int
    ) throws(JSONSyntaxError) -> (tape: [TapeEntry], depth: Int) {
        guard let start = text.baseAddress else {
            throw JSONSyntaxError(offset: 0, reason: "the text ends where a value is due")
        }
        var depth: Result<Int, JSONSyntaxError> = .success(0)
        var outgrown: [TapeEntry]?
        // Okta's events have an entry for about 14 bytes: most texts need no more room than this.
        let tape = [TapeEntry](unsafeUninitializedCapacity: text.count / 8 + 16) { room, count in
            guard let first = room.baseAddress else { return }
            var builder = TapeBuilder(
                text: start, end: text.count, tape: first, room: room.count, depthMax: depthMax)
            depth = Result { () throws(JSONSyntaxError) in try builder.run() }
            if builder.isOutgrown {
                outgrown = Array(UnsafeBufferPointer(start: builder.tape, count: builder.count))
                builder.tape.deallocate()
            } else {
                count = builder.count
            }
        }
        return (outgrown ?? tape, try depth.get())
    }

    private init(
        text: UnsafePointer<UInt8>, end: Int, tape: UnsafeMutablePointer<TapeEntry>, room: Int, depthMax: Int
    ) {
        self.text = text
        self.end = end
        self.tape = tape
        self.room = room
        self.depthMax = depthMax
    }

    /// Reads the whole text; answers how deep it goes.
    private mutating func run() throws(JSONSyntaxError) -> Int {
        repeat {
            try beginValue()
        } while try !endValues()
        return deepest
    }

    @inline(never)
    private mutating func makeRoom() {
        let larger = UnsafeMutablePointer<TapeEntry>.allocate(capacity: room * 2)
        larger.moveInitialize(from: tape, count: count)
        if isOutgrown { tape.deallocate() }
        (tape, room, isOutgrown) = (larger, room * 2, true)
    }

    // MARK: - Values and containers

    /// Reads one scalar, one empty container, or the head of containers down to their first scalar.
    @inline(__always)
    private mutating func beginValue() throws(JSONSyntaxError) {
        while true {
            let byte = try nextSignificantByte("a value")
            switch byte {
            case UInt8(ascii: "\""): return try string()
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                if try !openContainer(byte == UInt8(ascii: "{") ? .object : .array) { return }
            case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
            case UInt8(ascii: "t"): return try literal("true", .true)
            case UInt8(ascii: "f"): return try literal("false", .false)
            case UInt8(ascii: "n"): return try literal("null", .null)
            default: throw failure("expected a value")
            }
        }
    }

    /// Answers whether a first element is due inside the container.
    @inline(__always)
    private mutating func openContainer(_ kind: JSONKind) throws(JSONSyntaxError) -> Bool {
        guard depth < depthMax else { throw failure("nested deeper than \(depthMax) levels") }
        let outer = container
        container = count
        depth += 1
        deepest = max(deepest, depth)
        append(kind, from: position, isEscaped: false)
        tape[container].next = UInt32(truncatingIfNeeded: outer)
        position += 1
        let byte = try nextSignificantByte(kind == .object ? "a name or '}'" : "a value or ']'")
        if byte == (kind == .object ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
            closeContainer()
            return false
        }
        if kind == .object { try name() }
        return true
    }

    @inline(__always)
    private mutating func closeContainer() {
        position += 1
        depth -= 1
        let index = container
        container = Int(Int32(truncatingIfNeeded: tape[index].next))
        tape[index].end = UInt32(truncatingIfNeeded: position)
        tape[index].next = UInt32(truncatingIfNeeded: count)
    }

    /// Closes what ends after a value; answers whether the whole text is read.
    @inline(__always)
    private mutating func endValues() throws(JSONSyntaxError) -> Bool {
        while container >= 0 {
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
        guard position == end else { throw failure("unexpected text after the value") }
        return true
    }

    @inline(__always)
    private mutating func name() throws(JSONSyntaxError) {
        guard text[position] == UInt8(ascii: "\"") else { throw failure("expected a name in double quotes") }
        try string()
        guard try nextSignificantByte("':'") == UInt8(ascii: ":") else { throw failure("expected ':'") }
        position += 1
    }

    @inline(__always)
    private mutating func append(_ kind: JSONKind, from start: Int, isEscaped: Bool) {
        if count == room { makeRoom() }
        (tape + count).initialize(
            to: TapeEntry(
                start: UInt32(truncatingIfNeeded: start),
                end: UInt32(truncatingIfNeeded: position),
                next: UInt32(truncatingIfNeeded: count + 1),
                kind: kind,
                isEscaped: isEscaped
            )
        )
        count += 1
    }

    // MARK: - Scalars

    @inline(__always)
    private mutating func string() throws(JSONSyntaxError) {
        let string = try StringScanner.scan(text, from: position, end: end)
        let start = position
        position = string.end
        append(.string, from: start, isEscaped: string.isEscaped)
    }

    private mutating func number() throws(JSONSyntaxError) {
        let start = position
        if text[position] == UInt8(ascii: "-") { position += 1 }
        if position < end, text[position] == UInt8(ascii: "0") {
            position += 1
        } else {
            try digits()
        }
        if position < end, text[position] == UInt8(ascii: ".") {
            position += 1
            try digits()
        }
        if position < end, text[position] | 0x20 == UInt8(ascii: "e") {
            position += 1
            if position < end, text[position] == UInt8(ascii: "+") || text[position] == UInt8(ascii: "-") {
                position += 1
            }
            try digits()
        }
        append(.number, from: start, isEscaped: false)
    }

    @inline(__always)
    private mutating func digits() throws(JSONSyntaxError) {
        let start = position
        while position < end, text[position].isDigit { position += 1 }
        guard position > start else { throw failure("expected a digit") }
    }

    @inline(__always)
    private mutating func literal(_ word: StaticString, _ kind: JSONKind) throws(JSONSyntaxError) {
        let start = position
        let length = word.utf8CodeUnitCount
        guard end - position >= length else { throw failure("expected a value") }
        for offset in 0..<length where text[position + offset] != word.utf8Start[offset] {
            throw failure("expected a value")
        }
        position += length
        append(kind, from: start, isEscaped: false)
    }

    // MARK: - Reading

    @inline(__always)
    private mutating func nextSignificantByte(_ expected: StaticString) throws(JSONSyntaxError) -> UInt8 {
        // Okta writes no white space: the first look is nearly always enough.
        if position < end, text[position] > 0x20 { return text[position] }
        skipWhiteSpace()
        guard position < end else { throw failure("the text ends where \(expected) is due") }
        return text[position]
    }

    private mutating func skipWhiteSpace() {
        while position < end {
            switch text[position] {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            default: return
            }
        }
    }

    @inline(never)
    private func failure(_ reason: String) -> JSONSyntaxError {
        JSONSyntaxError(offset: position, reason: reason)
    }
}

extension UInt8 {
    var isDigit: Bool { self &- UInt8(ascii: "0") < 10 }
    var isHexDigit: Bool { isDigit || (self | 0x20) &- UInt8(ascii: "a") < 6 }
}
