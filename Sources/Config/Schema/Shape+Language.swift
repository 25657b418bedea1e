import JSON
import Rules

/// Compiles a value; the closure gives what the file has at a place of it, where references were replaced.
typealias LanguageCompiler<Compiled> =
    @Sendable (JSONValue, @escaping (JSONPointer) -> JSONValue?) throws(LanguageProblems) -> Compiled

extension Shape<Template?> {
    /// A mapping whose placeholders may stand in any string of any JSON value.
    static let anyTemplate = language("any JSON value with `{{ path }}` placeholders", schema: [:]) {
        value, written throws(LanguageProblems) in
        try Template(value, place: .value, written: written)
    }

    static let urlTemplate = language(
        "a URL with `{{ path }}` placeholders", .string, isEmptyAllowed: false,
        schema: ["type": "string", "minLength": 1]
    ) { value, written throws(LanguageProblems) in
        try Template(value, place: .url, written: written)
    }

    /// A line break would end the header, so it is refused here and not first when an event is rendered.
    static let headerTemplate = Shape(
        phrase: headerText.phrase,
        schema: ["type": "string", "pattern": #"^[^\r\n\u0000]*$"#],
        standIn: nil
    ) { node, context in
        if let text = node.value.utf8, text.contains(where: { $0 == 0 || $0 == 10 || $0 == 13 }) {
            context.error("a header's value cannot have line breaks or NUL", at: node)
            return nil
        }
        return headerText.decode(node, context)
    }

    private static let headerText = language(
        "a text with `{{ path }}` placeholders", .string, schema: ["type": "string"]
    ) { value, written throws(LanguageProblems) in
        try Template(value, place: .header, written: written)
    }
}

extension Shape<Pattern?> {
    static let pattern = language("an event pattern", .object, schema: ["type": "object"]) {
        value, written throws(LanguageProblems) in try Pattern(value, written: written)
    }
}

extension Shape {
    /// A value that is compiled; nil where it has mistakes, which are all reported at their places.
    private static func language<Compiled>(
        _ phrase: String,
        _ kind: JSONKind? = nil,
        isEmptyAllowed: Bool = true,
        schema: SchemaNode,
        compile: @escaping LanguageCompiler<Compiled>
    ) -> Shape where Value == Compiled? {
        Shape(phrase: phrase, schema: schema, standIn: nil) { node, context in
            if let kind, node.value.kind != kind {
                context.wrongType(node, expected: phrase.replacing("`", with: ""))
                return nil
            }
            if !isEmptyAllowed, node.value.isString("") {
                context.error("an empty text is not \(phrase.replacing("`", with: ""))", at: node)
                return nil
            }
            return context.compile(node, compile)
        }
    }
}

extension LoadContext {
    /// Compiles a value with its references replaced; what the language objects to becomes issues.
    func compile<Compiled>(
        _ node: ConfigNode, _ compile: LanguageCompiler<Compiled>
    ) -> Compiled? {
        guard Reference.isIn(node.value.raw) else {
            return attempt(node.value, compile, reporting: node)
        }
        var writer = JSONWriter()
        guard write(node, to: &writer), let document = try? JSONDocument(writer.bytes) else {
            // A part that is switched off keeps its references as they stand.
            return node.isDisabled ? attempt(node.value, compile, reporting: node) : nil
        }
        if let compiled = attempt(document.root, compile, replacing: node) { return compiled }
        // The problem's text may quote a replaced value, so it is looked for without the replacement first.
        if attempt(node.value, compile, reporting: node) != nil {
            error("once its references are replaced, this is not valid any more", at: node)
        }
        return nil
    }

    private func attempt<Compiled>(
        _ value: JSONValue,
        _ compile: LanguageCompiler<Compiled>,
        reporting node: ConfigNode? = nil, replacing replaced: ConfigNode? = nil
    ) -> Compiled? {
        do {
            // What the language quotes later on, it quotes as the file has it.
            return try compile(value) { pointer in
                replaced.flatMap { self.value(at: $0.pointer.appending(pointer)) }
            }
        } catch {
            for problem in node == nil ? [] : error.problems {
                guard let node else { break }
                markBad(node.pointer)
                let pointer = node.pointer.appending(problem.pointer)
                report(.error, problem.message, at: pointer, offset: problem.offset)
            }
            return nil
        }
    }

    /// Writes a value with the references in its strings replaced; false where one cannot be.
    private func write(_ node: ConfigNode, to writer: inout JSONWriter) -> Bool {
        switch node.value.kind {
        case .string:
            guard let (text, _) = text(of: node) else { return false }
            writer.string(text)
            return true
        case .array:
            var isWhole = true
            writer.array { writer in
                for (index, element) in node.value.elements.enumerated() {
                    isWhole = write(node.element(index, element), to: &writer) && isWhole
                }
            }
            return isWhole
        case .object:
            var isWhole = true
            writer.object { writer in
                for (key, value) in node.value.members {
                    let name = key.string ?? ""
                    writer.name(name)
                    isWhole = write(node.member(name, value), to: &writer) && isWhole
                }
            }
            return isWhole
        default:
            writer.value(node.value)
            return true
        }
    }
}
