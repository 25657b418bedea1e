public import JSON

/// One mistake in a pattern, a path or a template, with its place and what would be right.
public struct LanguageProblem: Error, Equatable, Sendable, CustomStringConvertible {
    /// Where, relative to the value that was compiled.
    public let pointer: JSONPointer
    /// The byte offset in the document that the value stands in.
    public let offset: Int
    /// What is wrong and what would be right.
    public let message: String

    public init(pointer: JSONPointer, offset: Int, message: String) {
        self.pointer = pointer
        self.offset = offset
        self.message = message
    }

    public var description: String { pointer.description.isEmpty ? message : "\(pointer): \(message)" }
}

/// Every mistake that was found in one pattern, path or template; never empty.
public struct LanguageProblems: Error, Equatable, Sendable, CustomStringConvertible {
    public let problems: [LanguageProblem]

    public init(_ problems: [LanguageProblem]) {
        precondition(!problems.isEmpty, "an error without a problem")
        self.problems = problems
    }

    public var description: String { problems.map(\.description).joined(separator: "; ") }
}
