/// One JSON text (RFC 8259), checked whole and indexed once; ``JSONValue`` is a view into it.
///
/// The bytes stay as they came, so that number spelling, member order and unknown members survive whatever
/// is read from them. Beside the bytes stands a flat *tape*: an entry a value, in the order of the text, each
/// knowing where its value starts and ends and where the next sibling's entry is. Immutable, so any number of
/// threads may read it.
public final class JSONDocument: Sendable {
    /// Nesting beyond this is refused, so that no text can exhaust a stack of ours.
    ///
    /// Okta's own events nest about 8 deep.
    public static let depthMax = 256

    /// The text, exactly as it was given.
    public let bytes: [UInt8]
    let tape: [TapeEntry]
    /// No array or object lies deeper; a part of a document may be less deep than the whole was.
    private let depthAtMost: Int

    /// Checks and indexes a text.
    ///
    /// Bytes after the value, invalid UTF-8, and nesting over `depthMax` are errors. Reading a document takes
    /// no stack for its nesting; what walks down one may, so more than ``depthMax`` is for who only looks at
    /// its uppermost levels.
    ///
    /// - Parameter isKept: Its tape has no room to spare, nearly half of it for most events, at the cost of a
    ///   copy.
    public init(
        _ bytes: [UInt8], depthMax: Int = JSONDocument.depthMax, isKept: Bool = false
    ) throws(JSONSyntaxError) {
        let (tape, depth) = try TapeBuilder.tape(of: bytes, depthMax: depthMax)
        self.tape = isKept ? tape.withUnsafeBufferPointer { Array($0) } : tape
        depthAtMost = depth
        self.bytes = bytes
    }

    /// The same for a string.
    public convenience init(_ text: String) throws(JSONSyntaxError) {
        try self.init(Array(text.utf8))
    }

    /// The document that a value is by itself.
    ///
    /// A copy of its bytes and of its part of the tape; nothing is parsed again.
    public init(_ value: JSONValue) {
        let entry = value.entry
        let first = UInt32(value.tapeIndex)
        bytes = Array(value.raw)
        tape = value.document.tape[value.tapeIndex..<Int(entry.next)].map { part in
            var part = part
            part.start -= entry.start
            part.end -= entry.start
            part.next -= first
            return part
        }
        depthAtMost = value.document.depthAtMost
    }

    /// The object that a text such as `{"name":` and `}` around a value makes, with another object's members
    /// behind it.
    ///
    /// Copies of both, bytes and tapes; nothing is parsed again.
    ///
    /// - Parameter rest: An object that is not empty.
    public init(_ name: String, _ value: JSONDocument, before rest: JSONDocument) {
        let (first, other) = (value.root.entry, rest.root.entry)
        precondition(other.kind == .object && rest.tape.count > 1, "there is nothing to stand before")
        var writer = JSONWriter(capacity: value.bytes.count + rest.bytes.count + 64)
        writer.open("{")
        writer.name(name)
        let valueStart = UInt32(writer.bytes.count)
        let isEscaped = writer.bytes.contains(UInt8(ascii: "\\"))
        writer.raw(value.root.raw)
        // A comma takes the place of the other's opening brace.
        let restShift = UInt32(writer.bytes.count) &- other.start
        writer.raw(rest.root.raw.dropFirst())
        bytes = writer.bytes
        var tape: [TapeEntry] = []
        tape.reserveCapacity(value.tape.count + rest.tape.count + 1)
        tape.append(rest.tape[0].shifted(by: restShift, entries: UInt32(value.tape.count) + 1))
        tape[0].start = 0
        tape.append(TapeEntry(start: 1, end: valueStart - 1, next: 2, kind: .string, isEscaped: isEscaped))
        for entry in value.tape { tape.append(entry.shifted(by: valueStart &- first.start, entries: 2)) }
        for entry in rest.tape.dropFirst() {
            tape.append(entry.shifted(by: restShift, entries: UInt32(value.tape.count) + 1))
        }
        self.tape = tape
        depthAtMost = max(value.depthAtMost + 1, rest.depthAtMost)
    }

    /// Bytes of memory that it takes, about: for an event a little more than twice those of its text.
    ///
    /// The allocator's rounding does not count, so equal texts take equally much.
    public var footprint: Int { bytes.count + tape.count * MemoryLayout<TapeEntry>.stride }

    /// Whether arrays and objects lie in each other more than that deep.
    public func isDeeper(than limit: Int) -> Bool { depthAtMost > limit && depth > limit }

    /// How many arrays and objects lie in each other at the deepest place; 0 for a scalar.
    private var depth: Int {
        var openEnds: [UInt32] = []
        var deepest = 0
        for (index, entry) in tape.enumerated() {
            while let end = openEnds.last, index >= Int(end) { openEnds.removeLast() }
            guard entry.kind == .array || entry.kind == .object else { continue }
            openEnds.append(entry.next)
            deepest = max(deepest, openEnds.count)
        }
        return deepest
    }

    /// The value that the text holds.
    public var root: JSONValue { JSONValue(document: self, index: 0) }

    /// The place of a byte offset as a person counts: line and column from 1, columns in bytes.
    public func place(ofOffset offset: Int) -> (line: Int, column: Int) {
        Self.place(ofOffset: offset, in: bytes)
    }

    /// The same for a text that did not parse.
    public static func place(ofOffset offset: Int, in bytes: [UInt8]) -> (line: Int, column: Int) {
        let before = bytes.prefix(offset)
        let line = before.count { $0 == UInt8(ascii: "\n") } + 1
        let lineStart = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        return (line, before.count - lineStart + 1)
    }
}

/// What a value is; an object's names are tape entries of kind `string` too.
public enum JSONKind: UInt8, Sendable {
    case null, `true`, `false`, number, string, array, object
}

/// One value of a document: its kind and the half-open byte range of its text.
package struct TapeEntry {
    package var start: UInt32
    package var end: UInt32
    /// The tape index behind this value and everything inside it.
    package var next: UInt32
    package var kind: JSONKind
    /// Whether a string's text has escapes; without them its bytes are its value.
    package var isEscaped: Bool

    /// The entry as it is where that many more bytes and entries stand before it.
    fileprivate func shifted(by bytes: UInt32, entries: UInt32) -> TapeEntry {
        TapeEntry(
            start: start &+ bytes, end: end &+ bytes, next: next &+ entries, kind: kind, isEscaped: isEscaped)
    }
}

/// Why a text is not JSON, and the byte offset where that was seen.
public struct JSONSyntaxError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Byte offset from the start of the text.
    public let offset: Int
    /// What is wrong, as a phrase without the text's own content.
    public let reason: String

    public init(offset: Int, reason: String) {
        self.offset = offset
        self.reason = reason
    }

    public var description: String { "\(reason) at byte \(offset)" }
}
