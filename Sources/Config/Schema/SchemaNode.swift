import JSON

/// A JSON value written down in Swift: what the JSON Schema is put together from.
indirect enum SchemaNode: Sendable {
    case string(String)
    case integer(Int)
    case bool(Bool)
    case array([SchemaNode])
    /// Members keep their order.
    case object([(name: String, value: SchemaNode)])

    /// The same object with more members behind its own; a scalar stays as it is.
    func adding(_ members: [(name: String, value: SchemaNode)]) -> SchemaNode {
        guard case .object(let own) = self else { return self }
        return .object(own + members)
    }

    /// The text with two spaces an indentation level, ending in a newline.
    var text: String {
        var text = ""
        append(to: &text, indentation: "")
        return text + "\n"
    }

    private func append(to text: inout String, indentation: String) {
        let inner = indentation + "  "
        switch self {
        case .string(let value): text += Self.quoted(value)
        case .integer(let value): text += "\(value)"
        case .bool(let value): text += "\(value)"
        case .array(let elements):
            text += "["
            for (index, element) in elements.enumerated() {
                text += index == 0 ? "\n\(inner)" : ",\n\(inner)"
                element.append(to: &text, indentation: inner)
            }
            text += elements.isEmpty ? "]" : "\n\(indentation)]"
        case .object(let members):
            text += "{"
            for (index, member) in members.enumerated() {
                text += index == 0 ? "\n\(inner)" : ",\n\(inner)"
                text += Self.quoted(member.name) + ": "
                member.value.append(to: &text, indentation: inner)
            }
            text += members.isEmpty ? "}" : "\n\(indentation)}"
        }
    }

    private static func quoted(_ text: String) -> String {
        var writer = JSONWriter()
        writer.string(text)
        return writer.text
    }
}

extension SchemaNode: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    init(stringLiteral value: String) { self = .string(value) }
    init(integerLiteral value: Int) { self = .integer(value) }
    init(booleanLiteral value: Bool) { self = .bool(value) }
    init(arrayLiteral elements: SchemaNode...) { self = .array(elements) }
    init(dictionaryLiteral elements: (String, SchemaNode)...) {
        self = .object(elements.map { (name: $0.0, value: $0.1) })
    }
}
