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

    /// The JSON value it was compiled from, as it was written.
    public let source: String
    private let place: Place

    /// Compiles a template; all its mistakes are reported at once.
    public init(_ value: JSONValue, place: Place) throws(LanguageProblems) {
        source = String(decoding: value.raw, as: UTF8.self)
        self.place = place
    }

    /// Renders over the document of an event (see `EventDocument`).
    ///
    /// Stands in until the language is there: plain member paths, no filters.
    public func render(_ document: JSONValue) throws(TemplateError) -> RenderedValue {
        guard let root = try? JSONDocument(source).root else { return .missing }
        if root.kind == .string, let text = root.string { return try fill(text, document) }
        guard root.kind == .object else { return .json(Array(root.raw)) }
        var writer = JSONWriter()
        do {
            try writer.object { object in
                for (name, value) in root.members {
                    guard let text = value.string else {
                        object.member(name.string ?? "", raw: value.raw)
                        continue
                    }
                    switch try fill(text, document) {
                    case .missing: break
                    case .null: object.member(name.string ?? "", nil as String?)
                    case .bool(let bool): object.member(name.string ?? "", bool)
                    case .number(let text): object.member(name.string ?? "", raw: text.utf8)
                    case .string(let text): object.member(name.string ?? "", text)
                    case .json(let bytes): object.member(name.string ?? "", raw: bytes)
                    }
                }
            }
        } catch {
            throw TemplateError("\(error)")
        }
        return .json(writer.bytes)
    }

    private func fill(_ text: String, _ document: JSONValue) throws(TemplateError) -> RenderedValue {
        var result = ""
        var rest = text[...]
        while let open = rest.firstRange(of: "{{"), let close = rest.firstRange(of: "}}") {
            let path = rest[open.upperBound..<close.lowerBound].split(separator: " ").joined()
            var value: JSONValue? = document
            for step in path.dropFirst(2).split(separator: ".") { value = value?[String(step)] }
            let isWhole = open.lowerBound == text.startIndex && close.upperBound == text.endIndex
            if isWhole, place == .value {
                guard let value else { return .missing }
                switch value.kind {
                case .null: return .null
                case .true: return .bool(true)
                case .false: return .bool(false)
                case .number: return .number(value.numberText ?? "")
                case .string: return .string(value.string ?? "")
                case .array, .object: return .json(Array(value.raw))
                }
            }
            if value == nil, place == .url { throw TemplateError("\(path) yields nothing") }
            if value == nil, isWhole { return .missing }
            let plain = value?.string ?? value.map { String(decoding: $0.raw, as: UTF8.self) } ?? ""
            if place == .header, plain.utf8.contains(where: { [0, 10, 13].contains($0) }) {
                throw TemplateError("\(path) holds a line break")
            }
            result += rest[..<open.lowerBound]
            for byte in plain.utf8 {
                let character = Character(Unicode.Scalar(byte))
                let isPlain = character.isASCII && (character.isLetter || character.isNumber)
                if place != .url || isPlain || "-._~".contains(character) {
                    result.unicodeScalars.append(Unicode.Scalar(byte))
                } else {
                    result += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
                }
            }
            rest = rest[close.upperBound...]
        }
        return .string(result + rest)
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
