import JSON

/// A JSON Schema validator for the keywords that `sinks.schema.json` uses; an unknown keyword is a failure.
final class JSONSchemaValidator {
    private let schema: JSONValue
    private var expressions: [String: Regex<AnyRegexOutput>] = [:]
    /// Mutations differ in one place, so nearly every match has been tried before.
    private var verdicts: [[String]: Bool] = [:]
    private(set) var unknownKeywords: Set<String> = []

    init(_ text: String) throws {
        schema = try JSONDocument(text).root
    }

    func accepts(_ text: String) throws -> Bool {
        try accepts(JSONDocument(text).root)
    }

    func accepts(_ value: JSONValue) throws -> Bool { try accepts(value, schema) }

    private func accepts(_ value: JSONValue, _ schema: JSONValue) throws -> Bool {
        if let verdict = schema.bool { return verdict }
        for (name, argument) in schema.members {
            guard try accepts(value, name.string ?? "", argument, of: schema) else { return false }
        }
        return true
    }

    private func accepts(
        _ value: JSONValue, _ keyword: String, _ argument: JSONValue, of schema: JSONValue
    ) throws -> Bool {
        let limit = argument.int ?? 0
        switch keyword {
        case "$schema", "title", "description", "$comment", "then": return true
        case "type": return has(value, type: argument.string)
        case "const": return value.raw.elementsEqual(argument.raw)
        case "enum": return argument.elements.contains { value.raw.elementsEqual($0.raw) }
        case "pattern": return try value.string.map { try matches($0, argument.string ?? "") } ?? true
        case "minLength": return value.string.map { $0.unicodeScalars.count >= limit } ?? true
        case "minimum": return value.double.map { $0 >= Double(limit) } ?? true
        case "maximum": return value.double.map { $0 <= Double(limit) } ?? true
        case "items": return try value.elements.allSatisfy { try accepts($0, argument) }
        case "minItems": return value.kind != .array || value.elements.map(\.self).count >= limit
        case "uniqueItems":
            return Set(value.elements.map { Array($0.raw) }).count == value.elements.map(\.self).count
        case "minProperties": return value.kind != .object || value.members.map(\.name).count >= limit
        case "maxProperties": return value.kind != .object || value.members.map(\.name).count <= limit
        case "required":
            return value.kind != .object || argument.elements.allSatisfy { value[$0.string ?? ""] != nil }
        case "propertyNames": return try value.members.allSatisfy { try accepts($0.name, argument) }
        case "properties":
            return try argument.members.allSatisfy { name, schema in
                try value[name.string ?? ""].map { try accepts($0, schema) } ?? true
            }
        case "additionalProperties":
            return try value.members.allSatisfy { name, member in
                try schema["properties"]?[name.string ?? ""] != nil || accepts(member, argument)
            }
        case "allOf": return try argument.elements.allSatisfy { try accepts(value, $0) }
        case "anyOf": return try argument.elements.contains { try accepts(value, $0) }
        case "not": return try !accepts(value, argument)
        case "if":
            guard let consequence = schema["then"] else { return true }
            return try !accepts(value, argument) || accepts(value, consequence)
        default:
            unknownKeywords.insert(keyword)
            return true
        }
    }

    private func has(_ value: JSONValue, type: String?) -> Bool {
        switch type {
        case "object": value.kind == .object
        case "array": value.kind == .array
        case "string": value.kind == .string
        case "boolean": value.bool != nil
        case "null": value.isNull
        case "integer": value.double.map { $0 == $0.rounded() } ?? false
        default: false
        }
    }

    private func matches(_ text: String, _ pattern: String) throws -> Bool {
        if let verdict = verdicts[[pattern, text]] { return verdict }
        let expression = try expressions[pattern] ?? Regex(pattern).matchingSemantics(.unicodeScalar)
        expressions[pattern] = expression
        let verdict = text.firstMatch(of: expression) != nil
        verdicts[[pattern, text]] = verdict
        return verdict
    }
}
