public import JSON

/// A compiled event pattern.
public struct Pattern: Sendable {
    public init(_ value: JSONValue) throws(LanguageProblems) {}

    public func matches(_ event: JSONValue) -> Bool { true }

    /// The first condition that fails, for a person; nil where the pattern matches.
    public func firstMismatch(in event: JSONValue) -> Mismatch? { nil }

    /// A condition that failed, and what was there.
    public struct Mismatch: Sendable, Equatable, CustomStringConvertible {
        public let description: String
    }
}
