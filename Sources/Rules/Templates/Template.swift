public import JSON

/// A compiled mapping: a JSON value with `{{ path | filter }}` placeholders.
///
/// `docs/RULES.md` specifies the notation. A template is immutable, so any number of threads may render it.
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

    /// The JSON value it was compiled from, as it was written.
    public let source: String
    let place: Place
    let root: TemplateNode

    /// Compiles a template; all its mistakes are reported at once.
    ///
    /// - Parameter written: The value at a place as a person wrote it, where something was replaced in it
    ///   that the errors of a rendering must not quote.
    public init(
        _ value: JSONValue, place: Place, written: @escaping (JSONPointer) -> JSONValue? = { _ in nil }
    ) throws(LanguageProblems) {
        var compiler = TemplateCompiler(place: place, written: written)
        root = compiler.compile(value)
        guard compiler.problems.isEmpty else { throw LanguageProblems(compiler.problems) }
        self.place = place
        source = String(decoding: value.raw, as: UTF8.self)
    }

    /// Whether the template has no placeholder, so that it renders the same for every event.
    public var isConstant: Bool { root.isConstant }

    /// Whether it is `null`, whatever the event.
    public var isNull: Bool {
        if case .constant(.null) = root { true } else { false }
    }

    /// Renders over the document of an event (see `EventDocument`).
    public func render(_ document: JSONValue) throws(TemplateError) -> RenderedValue {
        var renderer = TemplateRenderer(document: document, place: place)
        return try renderer.render(root)
    }
}

extension Template: Equatable {
    /// Templates are equal when they were written alike for the same place, byte for byte.
    public static func == (a: Template, b: Template) -> Bool {
        a.place == b.place && a.source.utf8.elementsEqual(b.source.utf8)
    }
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

/// A template's tree.
indirect enum TemplateNode: Sendable {
    /// A value without placeholders, as it was written.
    case constant(RenderedValue)
    /// A string that is one placeholder: the value keeps its JSON type.
    case placeholder(Placeholder)
    /// A longer string.
    case text([TextPart])
    case array([TemplateNode])
    case object([(name: String, value: TemplateNode)])

    enum TextPart: Sendable {
        case literal(String)
        case placeholder(Placeholder)
    }

    var isConstant: Bool {
        if case .constant = self { true } else { false }
    }
}

/// `{{ path | filter | … }}`.
struct Placeholder: Sendable {
    /// The path as it was written, for errors.
    var source: String
    let subject: Subject
    /// What becomes of several nodes.
    let selection: Selection
    let filters: [TemplateFilter]

    enum Subject: Sendable {
        case path(JSONPath)
        /// A text in quotes, such as the `{{` that would otherwise start a placeholder.
        case literal(String)
    }

    enum Selection: Sendable {
        /// More than one is an error.
        case one
        /// `first`.
        case first
        /// `all`: an array, empty where there are none.
        case all
    }
}
