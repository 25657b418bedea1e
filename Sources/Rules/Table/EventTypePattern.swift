/// An event-type name in which `*` stands for any run of characters, dots included.
public struct EventTypePattern: Sendable, Hashable, CustomStringConvertible {
    /// The pattern as it was written.
    public let description: String
    /// The literal texts between the stars.
    let wildcard: Wildcard

    public init(_ text: String) {
        description = text
        let pieces = text.utf8.split(separator: UInt8(ascii: "*"), omittingEmptySubsequences: false)
        wildcard = Wildcard(pieces: pieces.map(Array.init))
    }

    /// Whether the pattern is one name without a star.
    public var isExact: Bool { wildcard.pieces.count == 1 }

    /// Whether the whole name matches.
    public func matches(_ name: String) -> Bool {
        name.utf8.withContiguousStorageIfAvailable { wildcard.matches($0) }
            ?? Array(name.utf8).withUnsafeBufferPointer { wildcard.matches($0) }
    }
}
