import JSON

/// The form of one value in the config file: how it is decoded, checked and described, in one place.
///
/// The loader and the JSON Schema are both made from it, so they cannot drift apart. Decoding always gives a
/// value: where the file's is wrong, the issue is reported and a stand-in is returned, so that one run finds
/// every issue. A file with an error never becomes a configuration, so a stand-in is never used.
struct Shape<Value: Sendable>: Sendable {
    /// What a person calls it, such as "a duration".
    let phrase: String
    let schema: SchemaNode
    /// The keys of the object that it is or holds, for the reference page.
    var members: [FieldDescription] = []
    /// The value that stands in for one that is wrong or missing.
    let standIn: @Sendable () -> Value
    let decode: @Sendable (ConfigNode, LoadContext) -> Value

    init(
        phrase: String,
        schema: SchemaNode,
        members: [FieldDescription] = [],
        standIn: @autoclosure @escaping @Sendable () -> Value,
        decode: @escaping @Sendable (ConfigNode, LoadContext) -> Value
    ) {
        self.phrase = phrase
        self.schema = schema
        self.members = members
        self.standIn = standIn
        self.decode = decode
    }

    func map<Other: Sendable>(_ transform: @escaping @Sendable (Value) -> Other) -> Shape<Other> {
        Shape<Other>(
            phrase: phrase,
            schema: schema,
            members: members,
            standIn: transform(standIn()),
            decode: { transform(decode($0, $1)) }
        )
    }

    /// Adds a check of the decoded value: a message makes the value an error.
    ///
    /// It is not part of the JSON Schema: it is for what a schema cannot say.
    func checked(_ mistake: @escaping @Sendable (Value) -> String?) -> Shape {
        Shape(
            phrase: phrase,
            schema: schema,
            members: members,
            standIn: standIn(),
            decode: { node, context in
                let value = decode(node, context)
                if !context.isBad(node.pointer), let mistake = mistake(value) {
                    context.error(mistake, at: node)
                }
                return value
            }
        )
    }
}

/// A regular expression that lets any string with a reference through: what it becomes is not known yet.
func orReference(_ pattern: String) -> SchemaNode { .string("(?:\(pattern))|\\$\\{") }

// MARK: - Scalars

extension Shape<Bool> {
    static let bool = Shape(phrase: "`true` or `false`", schema: ["type": "boolean"], standIn: false) {
        node, context in
        if node.value.bool == nil { context.wrongType(node, expected: "true or false") }
        return node.value.bool ?? false
    }
}

extension Shape<Int> {
    /// A whole number within bounds.
    static func integer(_ range: ClosedRange<Int>) -> Shape {
        Shape(
            phrase: "a whole number from \(range.lowerBound) to \(range.upperBound)",
            schema: [
                "type": "integer", "minimum": .integer(range.lowerBound),
                "maximum": .integer(range.upperBound),
            ],
            standIn: range.lowerBound
        ) { node, context in
            guard node.value.kind == .number else {
                context.wrongType(node, expected: "a whole number")
                return range.lowerBound
            }
            let exact = node.value.double.flatMap { Int(exactly: $0) }
            guard let value = node.value.int ?? exact, range.contains(value) else {
                context.error(
                    "expected a whole number from \(range.lowerBound) to \(range.upperBound)", at: node)
                return range.lowerBound
            }
            return value
        }
    }
}

extension Shape where Value: RawRepresentable, Value.RawValue == String {
    /// One of a few words; the first is the stand-in.
    static func choice(_ first: Value, _ others: Value...) -> Shape {
        let words = ([first] + others).map(\.rawValue)
        return Shape(
            phrase: words.map { "`\($0)`" }.joined(separator: ", "),
            schema: [
                "type": "string",
                "anyOf": [["enum": .array(words.map { .string($0) })], ["pattern": "\\$\\{"]],
            ],
            standIn: first
        ) { node, context in
            guard node.value.kind == .string else {
                context.wrongType(node, expected: "one of \(words.joined(separator: ", "))")
                return first
            }
            guard let (text, isReplaced) = context.text(of: node) else { return first }
            if words.contains(text), let value = Value(rawValue: text) { return value }
            let subject = isReplaced ? "the value, with its references replaced," : "\"\(quotable(text))\""
            let question = isReplaced ? "" : NearestName.question(text, among: words)
            context.error(
                "\(subject) is not one of \(words.joined(separator: ", "))\(question)", at: node)
            return first
        }
    }
}

/// A text of the file's own, short enough for a message.
func quotable(_ text: String) -> String {
    let plain = String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 32 ? "\u{FFFD}" : $0 }))
    return plain.count > 60 ? plain.prefix(57) + "…" : plain
}
