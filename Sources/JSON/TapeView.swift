/// Unowned pointers into a document's tape and text, for loops that cannot afford reference counting.
///
/// Valid only inside the closure of ``JSONDocument/withTape(_:)`` that gave it.
package struct TapeView {
    package let entries: UnsafePointer<TapeEntry>
    package let bytes: UnsafePointer<UInt8>

    package init(entries: UnsafePointer<TapeEntry>, bytes: UnsafePointer<UInt8>) {
        self.entries = entries
        self.bytes = bytes
    }

    /// The text of a scalar as it was written, quotes included.
    @inline(__always)
    package func text(_ entry: TapeEntry) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(start: bytes + Int(entry.start), count: Int(entry.end &- entry.start))
    }

    /// What stands between a string's quotes, escapes unresolved.
    @inline(__always)
    package func content(_ entry: TapeEntry) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(start: bytes + Int(entry.start) + 1, count: Int(entry.end &- entry.start) - 2)
    }

    /// A string's value in UTF-8, whether it was written with escapes or not.
    @inline(__always)
    package func withString<R>(_ entry: TapeEntry, _ body: (UnsafeBufferPointer<UInt8>) -> R) -> R {
        guard entry.isEscaped else { return body(content(entry)) }
        return JSONString.unescaped(content(entry)).withUnsafeBufferPointer(body)
    }

    /// Whether a string's value is exactly these bytes.
    @inline(__always)
    package func isString(_ entry: TapeEntry, _ wanted: UnsafeBufferPointer<UInt8>) -> Bool {
        guard !entry.isEscaped else {
            return withString(entry) { Bytes.areEqual($0, wanted) }
        }
        return Bytes.areEqual(content(entry), wanted)
    }

    @inline(__always)
    package func isString(_ entry: TapeEntry, _ wanted: [UInt8]) -> Bool {
        wanted.withUnsafeBufferPointer { isString(entry, $0) }
    }

    /// The tape index of an object's member of that name: the last one where the text repeats it.
    package func member(_ name: UnsafeBufferPointer<UInt8>, of index: Int) -> Int? {
        let entry = entries[index]
        guard entry.kind == .object else { return nil }
        var cursor = index + 1
        var found: Int?
        while cursor < Int(entry.next) {
            if isString(entries[cursor], name) { found = cursor + 1 }
            cursor = Int(entries[cursor + 1].next)
        }
        return found
    }

    package func member(_ name: [UInt8], of index: Int) -> Int? {
        name.withUnsafeBufferPointer { member($0, of: index) }
    }
}

extension JSONDocument {
    /// Runs a closure on the document's tape and text, which must not escape it.
    package func withTape<R>(_ body: (TapeView) -> R) -> R {
        tape.withUnsafeBufferPointer { tape in
            bytes.withUnsafeBufferPointer { bytes in
                guard let entries = tape.baseAddress, let text = bytes.baseAddress else {
                    preconditionFailure("a document has at least one value")
                }
                return body(TapeView(entries: entries, bytes: text))
            }
        }
    }

    /// The value at a tape index.
    package func value(at index: Int) -> JSONValue { JSONValue(document: self, index: index) }
}

extension JSONValue {
    /// The value's place on its document's tape.
    package var tapeIndex: Int { index }

    /// The tape index behind the value and everything inside it.
    package var tapeEnd: Int { Int(entry.next) }
}

/// Comparisons of raw bytes.
package enum Bytes {
    /// Whether two texts of the same length are the same.
    @inline(__always)
    package static func areEqual(
        _ left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>
    ) -> Bool {
        guard left.count == right.count else { return false }
        guard let one = left.baseAddress, let other = right.baseAddress else { return true }
        var position = 0
        while position + 8 <= left.count {
            let first = UnsafeRawPointer(one + position).loadUnaligned(as: UInt64.self)
            let second = UnsafeRawPointer(other + position).loadUnaligned(as: UInt64.self)
            if first != second { return false }
            position += 8
        }
        while position < left.count {
            if one[position] != other[position] { return false }
            position += 1
        }
        return true
    }
}
