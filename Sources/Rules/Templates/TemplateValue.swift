import JSON

/// A value on its way through a placeholder's filters.
enum TemplateValue: Sendable {
    case missing
    case null
    case bool(Bool)
    /// In its own spelling.
    case number(String)
    case string(String)
    case array([TemplateValue])
    /// An object as JSON text.
    case object([UInt8])

    init(_ value: JSONValue) {
        switch value.kind {
        case .null: self = .null
        case .true: self = .bool(true)
        case .false: self = .bool(false)
        case .number: self = .number(value.numberText ?? "0")
        case .string: self = .string(value.string ?? "")
        case .array: self = .array(value.elements.map(TemplateValue.init))
        case .object: self = .object(Array(value.raw))
        }
    }

    /// As the value of a column or member.
    var rendered: RenderedValue {
        switch self {
        case .missing: return .missing
        case .null: return .null
        case .bool(let value): return .bool(value)
        case .number(let text): return .number(text)
        case .string(let text): return .string(text)
        case .object(let json): return .json(json)
        case .array:
            var writer = JSONWriter()
            write(to: &writer)
            return .json(writer.bytes)
        }
    }

    /// As text; nil for a missing value, null, an array and an object.
    var text: String? {
        switch self {
        case .bool(let value): value ? "true" : "false"
        case .number(let text), .string(let text): text
        case .missing, .null, .array, .object: nil
        }
    }

    /// A missing value is left out of arrays, and is null where it stands alone.
    func write(to writer: inout JSONWriter) {
        switch self {
        case .missing, .null: writer.null()
        case .bool(let value): writer.bool(value)
        case .number(let text): writer.raw(text.utf8)
        case .string(let text): writer.string(text)
        case .object(let json): writer.raw(json)
        case .array(let elements):
            writer.array { array in
                for element in elements {
                    if case .missing = element { continue }
                    element.write(to: &array)
                }
            }
        }
    }
}

extension RenderedValue {
    /// Writes the value as JSON; a missing one writes nothing.
    func write(to writer: inout JSONWriter) {
        switch self {
        case .missing: return
        case .null: writer.null()
        case .bool(let value): writer.bool(value)
        case .number(let text): writer.raw(text.utf8)
        case .string(let text): writer.string(text)
        case .json(let json): writer.raw(json)
        }
    }
}
