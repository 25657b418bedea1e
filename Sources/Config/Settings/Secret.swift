/// A value that must never be seen: it prints as `***` however it is printed.
public struct Secret: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    /// The value itself.
    ///
    /// Whoever reads it answers for where it goes: never a log, an error, a metric, a page.
    public let revealed: String

    public init(_ value: String) { revealed = value }

    /// Byte for byte, for that is how secrets are compared wherever they are used.
    public static func == (a: Secret, b: Secret) -> Bool { a.revealed.utf8.elementsEqual(b.revealed.utf8) }

    public var description: String { "***" }
    public var debugDescription: String { "***" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
