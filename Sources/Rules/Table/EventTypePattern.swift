/// An event-type name in which `*` stands for any run of characters, dots included.
public struct EventTypePattern: Sendable, Hashable, CustomStringConvertible {
    /// The pattern as it was written.
    public let description: String
    /// The literal texts between the stars.
    private let pieces: [[UInt8]]

    public init(_ text: String) {
        description = text
        pieces = text.utf8.split(separator: UInt8(ascii: "*"), omittingEmptySubsequences: false).map(
            Array.init)
    }

    /// Whether the pattern is one name without a star.
    public var isExact: Bool { pieces.count == 1 }

    /// Whether the whole name matches.
    public func matches(_ name: String) -> Bool {
        guard let head = pieces.first, let tail = pieces.last else { return false }
        if isExact { return name.utf8.elementsEqual(head) }
        var rest = Array(name.utf8)[...]
        guard rest.count >= head.count + tail.count, rest.starts(with: head), rest.hasSuffix(tail) else {
            return false
        }
        rest = rest.dropFirst(head.count).dropLast(tail.count)
        for piece in pieces.dropFirst().dropLast() {
            guard let found = rest.firstRange(of: piece) else { return false }
            rest = rest[found.upperBound...]
        }
        return true
    }
}

extension ArraySlice<UInt8> {
    fileprivate func hasSuffix(_ suffix: [UInt8]) -> Bool { self.suffix(suffix.count).elementsEqual(suffix) }

    fileprivate func firstRange(of piece: [UInt8]) -> Range<Int>? {
        guard !piece.isEmpty else { return startIndex..<startIndex }
        guard count >= piece.count else { return nil }
        for start in startIndex...(endIndex - piece.count) where self[start...].starts(with: piece) {
            return start..<(start + piece.count)
        }
        return nil
    }
}
