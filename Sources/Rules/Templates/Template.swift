public import JSON

/// A compiled mapping: a JSON value with `{{ path | filter }}` placeholders.
public struct Template: Sendable {
    /// Where the rendered value goes; it decides how values are escaped and what a missing one means.
    public enum Place: Sendable {
        /// A JSON value: an HTTP body or an SQL column. A member that yields nothing is left out.
        case value
        /// A URL: every value is percent-encoded, and a missing one is an error.
        case url
        /// A header: CR, LF and NUL are errors, and a missing value leaves the header out.
        case header
    }

    /// Compiles a template; all its mistakes are reported at once.
    public init(_ value: JSONValue, place: Place) throws(LanguageProblems) {}

    /// Renders over the document of an event (see `EventDocument`).
    public func render(_ document: JSONValue) throws(TemplateError) -> RenderedValue { .missing }
}

/// What a template yields.
public enum RenderedValue: Sendable, Equatable {
    /// The path led nowhere: a column or member that the event does not carry.
    case missing
    case null
    case bool(Bool)
    /// A number in its own spelling.
    case number(String)
    case string(String)
    /// An array or object as JSON text.
    case json([UInt8])
}

/// Why an event cannot be rendered; its text names paths and never values.
public struct TemplateError: Error, Equatable, Sendable, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}
