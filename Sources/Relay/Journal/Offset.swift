/// A position in a journal: opaque and only ordered.
///
/// Gaps are normal.
public struct Offset: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// For a journal's own use, and for text.
    public let rawValue: Int64

    public init(rawValue: Int64) { self.rawValue = rawValue }

    /// Before every entry.
    public static let zero = Offset(rawValue: 0)

    public static func < (a: Offset, b: Offset) -> Bool { a.rawValue < b.rawValue }
    public var description: String { String(rawValue) }
}
