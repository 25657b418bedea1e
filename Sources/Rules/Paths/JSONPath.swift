public import JSON

/// A compiled RFC 9535 query.
public struct JSONPath: Sendable, CustomStringConvertible {
    public let description: String

    public init(_ text: String) throws(LanguageProblem) { description = text }

    /// The nodes in the order that the RFC gives.
    public func nodes(in document: JSONValue) throws(JSONPathError) -> [JSONValue] { [] }
}

/// A query over one document grew past its limit of nodes.
public struct JSONPathError: Error, Equatable, Sendable {}
