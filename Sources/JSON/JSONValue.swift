/// A view of one value inside a ``JSONDocument``; cheap to copy, and it keeps the document alive.
public struct JSONValue: Sendable {
    /// The document that this value stands in.
    public let document: JSONDocument
    let index: Int

    init(document: JSONDocument, index: Int) {
        self.document = document
        self.index = index
    }

    var entry: TapeEntry { document.tape[index] }

    /// What kind of value this is.
    public var kind: JSONKind { entry.kind }

    /// The byte offset where the value's text starts.
    public var offset: Int { Int(entry.start) }

    /// The value's own text, as it was written.
    public var raw: ArraySlice<UInt8> { document.bytes[Int(entry.start)..<Int(entry.end)] }

    /// Whether both views are of the same place in the same document.
    public func isIdentical(to other: JSONValue) -> Bool {
        document === other.document && index == other.index
    }

    // MARK: - Scalars

    public var isNull: Bool { kind == .null }

    /// `true` or `false`; nil for any other kind.
    public var bool: Bool? {
        switch kind {
        case .true: true
        case .false: false
        default: nil
        }
    }

    /// A string's value with its escapes resolved; nil for any other kind.
    ///
    /// Half a surrogate pair, which JSON's grammar allows and Unicode does not, reads as U+FFFD.
    public var string: String? {
        guard kind == .string else { return nil }
        return String(decoding: entry.isEscaped ? unescaped()[...] : content, as: UTF8.self)
    }

    /// The UTF-8 bytes of ``string``.
    public var utf8: ArraySlice<UInt8>? {
        guard kind == .string else { return nil }
        return entry.isEscaped ? unescaped()[...] : content
    }

    /// A number's text as it was written; nil for any other kind.
    public var numberText: String? {
        kind == .number ? String(decoding: raw, as: UTF8.self) : nil
    }

    /// A number as the nearest double, infinite where it overflows; nil for any other kind.
    public var double: Double? { numberText.flatMap { Double($0) } }

    /// A number that is written as an integer and fits; nil for anything else.
    public var int: Int? { numberText.flatMap { Int($0) } }

    // MARK: - Containers

    /// An array's elements in order; empty for any other kind.
    public var elements: JSONElements {
        JSONElements(container: self, isArray: kind == .array)
    }

    /// An object's members in order, duplicates included; empty for any other kind.
    public var members: JSONMembers {
        JSONMembers(container: self, isObject: kind == .object)
    }

    /// The member of that name: the last one where the text repeats it, as in most JSON readers.
    public subscript(name: String) -> JSONValue? {
        var name = name
        let found = name.withUTF8 { name in document.withTape { $0.member(name, of: index) } }
        return found.map { JSONValue(document: document, index: $0) }
    }

    /// Whether this is a string of exactly these Unicode scalars (no canonical equivalence, unlike `String
    /// ==`).
    public func isString(_ text: String) -> Bool {
        guard kind == .string else { return false }
        var text = text
        return text.withUTF8 { text in document.withTape { $0.isString(entry, text) } }
    }

    // MARK: - String content

    /// The bytes between a string's quotes.
    private var content: ArraySlice<UInt8> {
        document.bytes[(Int(entry.start) + 1)..<(Int(entry.end) - 1)]
    }

    private func unescaped() -> [UInt8] {
        content.withUnsafeBufferPointer { JSONString.unescaped($0) }
    }
}

/// An array's elements, in order.
public struct JSONElements: Sequence, Sendable {
    let container: JSONValue
    let isArray: Bool

    public func makeIterator() -> Iterator {
        let start = container.index + 1
        return Iterator(
            document: container.document, cursor: start, end: isArray ? Int(container.entry.next) : start)
    }

    public struct Iterator: IteratorProtocol {
        let document: JSONDocument
        var cursor: Int
        let end: Int

        public mutating func next() -> JSONValue? {
            guard cursor < end else { return nil }
            defer { cursor = Int(document.tape[cursor].next) }
            return JSONValue(document: document, index: cursor)
        }
    }
}

/// An object's members, in order; `name` is a view too, so that its place is known.
public struct JSONMembers: Sequence, Sendable {
    let container: JSONValue
    let isObject: Bool

    public func makeIterator() -> Iterator {
        let start = container.index + 1
        return Iterator(
            document: container.document, cursor: start, end: isObject ? Int(container.entry.next) : start)
    }

    public struct Iterator: IteratorProtocol {
        let document: JSONDocument
        var cursor: Int
        let end: Int

        public mutating func next() -> (name: JSONValue, value: JSONValue)? {
            guard cursor < end else { return nil }
            defer { cursor = Int(document.tape[cursor + 1].next) }
            return (
                JSONValue(document: document, index: cursor), JSONValue(document: document, index: cursor + 1)
            )
        }
    }
}
