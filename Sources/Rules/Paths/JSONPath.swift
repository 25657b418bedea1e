public import JSON

/// A compiled JSONPath query (RFC 9535): which values of a document a mapping means.
public struct JSONPath: Sendable, CustomStringConvertible {
    /// The query as it was written.
    public let description: String
    let query: Query
    /// The names in a query such as `$.user.id`, which is most mappings' only kind; nil for any other.
    private let names: [[UInt8]]?

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
        names = query.memberNames
    }

    /// The nodes in the order that the RFC gives; a node may come more than once.
    public func nodes(in document: JSONValue) throws(JSONPathError) -> [JSONValue] {
        try indices(in: document).map { document.document.value(at: $0) }
    }

    /// The tape indices of the nodes.
    func indices(in document: JSONValue) throws(JSONPathError) -> [Int] {
        if let names { return member(of: document, names).map { [$0] } ?? [] }
        let result = document.document.withTape { tape in
            var evaluation = PathEvaluation(tape: tape, root: document.tapeIndex)
            return Result { () throws(JSONPathError) in
                try evaluation.nodes(of: query, current: document.tapeIndex)
            }
        }
        return try result.get()
    }

    /// One walk along the document, so it needs no limit of nodes or of steps.
    private func member(of document: JSONValue, _ names: [[UInt8]]) -> Int? {
        document.document.withTape { tape in
            var node = document.tapeIndex
            for name in names {
                guard let next = tape.member(name, of: node) else { return nil }
                node = next
            }
            return node
        }
    }
}

/// A query over one document grew past its limit of nodes or of steps.
public struct JSONPathError: Error, Equatable, Sendable, CustomStringConvertible {
    public init() {}

    public var description: String { "selects too much, or takes too many steps to find it" }
}
