public import JSON

/// A compiled JSONPath query (RFC 9535): which values of a document a mapping means.
public struct JSONPath: Sendable, CustomStringConvertible {
    /// The query as it was written.
    public let description: String
    let query: Query

    /// A query over one document may select at most this many nodes.
    public static let nodesMax = 100_000
    /// A query over one document may take at most this many steps: values that it looks at, filters included,
    /// and states of regular expressions times characters.
    public static let stepsMax = 2_000_000

    /// Compiles a query.
    ///
    /// The problem's offset counts bytes from the start of the text.
    public init(_ text: String) throws(LanguageProblem) {
        description = text
        var parser = PathParser(text)
        query = try parser.parseWhole()
    }

    /// The nodes in the order that the RFC gives; a node may come more than once.
    public func nodes(in document: JSONValue) throws(JSONPathError) -> [JSONValue] {
        try indices(in: document).map { document.document.value(at: $0) }
    }

    /// The tape indices of the nodes.
    func indices(in document: JSONValue) throws(JSONPathError) -> [Int] {
        let result = document.document.withTape { tape in
            var evaluation = PathEvaluation(tape: tape, root: document.tapeIndex)
            return Result { () throws(JSONPathError) in
                try evaluation.nodes(of: query, current: document.tapeIndex)
            }
        }
        return try result.get()
    }
}

/// A query over one document grew past its limit of nodes or of steps.
public struct JSONPathError: Error, Equatable, Sendable, CustomStringConvertible {
    public init() {}

    public var description: String { "selects too much, or takes too many steps to find it" }
}
