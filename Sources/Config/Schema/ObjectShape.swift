import JSON

/// One key of an object: its name, its form, whether it must be there, and the line that documents it.
struct Field<Value: Sendable>: Sendable {
    let description: FieldDescription
    let absent: @Sendable () -> Value
    let decode: @Sendable (ConfigNode, LoadContext) -> Value

    private init(
        _ description: FieldDescription,
        absent: @escaping @Sendable () -> Value,
        decode: @escaping @Sendable (ConfigNode, LoadContext) -> Value
    ) {
        self.description = description
        self.absent = absent
        self.decode = decode
    }

    static func required(_ name: String, _ shape: Shape<Value>, _ summary: String) -> Field {
        Field(
            FieldDescription(name, shape, isRequired: true, standard: nil, summary),
            absent: shape.standIn,
            decode: shape.decode
        )
    }

    /// `standard` is the default as the file would write it, or a phrase.
    static func optional<Wrapped>(
        _ name: String, _ shape: Shape<Wrapped>, standard: String? = nil, _ summary: String
    ) -> Field where Value == Wrapped? {
        Field(
            FieldDescription(name, shape, isRequired: false, standard: standard, summary),
            absent: { nil },
            decode: shape.decode
        )
    }

    static func defaulted(
        _ name: String, _ shape: Shape<Value>, _ value: Value, standard: String, _ summary: String
    ) -> Field {
        Field(
            FieldDescription(name, shape, isRequired: false, standard: standard, summary),
            absent: { value },
            decode: shape.decode
        )
    }
}

/// What the schema and the reference page say about a key.
struct FieldDescription: Sendable {
    let name: String
    let summary: String
    let isRequired: Bool
    let standard: String?
    let phrase: String
    let schema: SchemaNode
    let members: [FieldDescription]

    init<Value>(
        _ name: String, _ shape: Shape<Value>, isRequired: Bool, standard: String?, _ summary: String
    ) {
        self.name = name
        self.summary = summary
        self.isRequired = isRequired
        self.standard = standard
        phrase = shape.phrase
        schema = shape.schema
        members = shape.members
    }
}

/// Reads the keys of one object, each once.
struct ObjectReader {
    fileprivate let members: [String: ConfigNode]
    /// Nil where a stand-in is being made.
    fileprivate let context: LoadContext?
    let pointer: JSONPointer

    subscript<Value>(_ field: Field<Value>) -> Value {
        guard let context, let member = members[field.description.name] else { return field.absent() }
        return field.decode(member, context)
    }

    /// The value under that key as it stands in the file.
    func node(_ name: String) -> ConfigNode? { members[name] }

    /// Reports at a key that is there; stand-ins report nothing.
    func error(_ message: String, at name: String) {
        if let node = members[name] { context?.error(message, at: node) }
    }

    func warning(_ message: String, at name: String) {
        if let node = members[name] { context?.warning(message, at: node) }
    }

    /// Whether the key is there and its value is as it should be.
    func isSound(_ name: String) -> Bool {
        members[name] != nil && context?.isBad(pointer.appending(name)) == false
    }
}

extension Shape {
    /// An object with exactly these keys.
    ///
    /// - Parameters:
    ///   - foreign: keys that belong elsewhere, each with the place to name when one is met here.
    ///   - build: reads each field once and puts the value together.
    static func object(
        _ fields: [FieldDescription],
        foreign: [String: String] = [:],
        build: @escaping @Sendable (ObjectReader) -> Value
    ) -> Shape {
        Shape(
            phrase: "an object",
            schema: objectSchema(fields),
            members: fields,
            standIn: build(ObjectReader(members: [:], context: nil, pointer: .root)),
            decode: { node, context in
                guard node.value.kind == .object else {
                    context.wrongType(node, expected: "an object")
                    return build(ObjectReader(members: [:], context: nil, pointer: node.pointer))
                }
                let members = knownMembers(of: node, fields, foreign, context)
                return build(ObjectReader(members: members, context: context, pointer: node.pointer))
            }
        )
    }
}

private func objectSchema(_ fields: [FieldDescription]) -> SchemaNode {
    let properties = fields.map { field in
        var notes: [(name: String, value: SchemaNode)] = [("description", .string(field.summary))]
        if let standard = field.standard { notes.append(("$comment", .string("Default: \(standard)."))) }
        return (name: field.name, value: field.schema.adding(notes))
    }
    let required = fields.filter(\.isRequired).map { SchemaNode.string($0.name) }
    return SchemaNode.object([
        ("type", "object"), ("additionalProperties", false), ("properties", .object(properties)),
    ]).adding(required.isEmpty ? [] : [("required", .array(required))])
}

/// Reports unknown, repeated and missing keys; gives the known ones.
private func knownMembers(
    of node: ConfigNode, _ fields: [FieldDescription], _ foreign: [String: String], _ context: LoadContext
) -> [String: ConfigNode] {
    let names = fields.map(\.name)
    var members: [String: ConfigNode] = [:]
    var meant: Set<String> = []
    for (key, value) in node.value.members {
        let name = key.string ?? ""
        let member = node.member(name, value)
        if members[name] != nil {
            context.report(
                .error, "the key \"\(quotable(name))\" is there twice", at: member.pointer, offset: key.offset
            )
        } else if names.contains(name) {
            members[name] = member
        } else {
            let suggestion = NearestName.of(name, among: names.filter { node.value[$0] == nil })
            if let suggestion { meant.insert(suggestion) }
            let advice =
                foreign[name] ?? suggestion.map { "did you mean \"\($0)\"?" }
                ?? "known here: \(names.joined(separator: ", "))"
            context.report(
                .error, "unknown key \"\(quotable(name))\"; \(advice)", at: member.pointer, offset: key.offset
            )
        }
    }
    for field in fields where field.isRequired && members[field.name] == nil {
        context.markBad(node.pointer.appending(field.name))
        // A misspelt key has been reported already, with the right name.
        guard !meant.contains(field.name) else { continue }
        context.report(
            .error,
            "\"\(field.name)\" is missing: \(field.phrase.replacing("`", with: "\""))",
            at: node.pointer,
            offset: node.value.offset
        )
    }
    return members
}
