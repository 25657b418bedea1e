import JSON

/// One filter of a placeholder; the list is closed, so that a config can be checked whole before it runs.
enum TemplateFilter: Sendable {
    case `default`(TemplateValue)
    case first
    case lower, upper, trim
    case split(String)
    case join(String)
    case before(String)
    case after(String)
    case map([String: TemplateValue])
    case date(DateFormat)
    case json, string, number

    /// Why a value cannot pass; never quotes it.
    struct Refusal: Error {
        let reason: String
    }

    static let names = [
        "first", "all", "default", "lower", "upper", "trim", "split", "join", "before", "after", "map",
        "date",
        "json", "string", "number",
    ]

    var name: String {
        switch self {
        case .default: "default"
        case .first: "first"
        case .lower: "lower"
        case .upper: "upper"
        case .trim: "trim"
        case .split: "split"
        case .join: "join"
        case .before: "before"
        case .after: "after"
        case .map: "map"
        case .date: "date"
        case .json: "json"
        case .string: "string"
        case .number: "number"
        }
    }

    /// The value behind the filter.
    ///
    /// What is missing stays missing, and null stays null, but for `default` and `json`; a list is filtered
    /// element by element, but for `first`, `join` and `json`.
    func apply(_ value: TemplateValue) throws(Refusal) -> TemplateValue {
        switch (self, value) {
        case (.default(let other), .missing), (.default(let other), .null): return other
        case (.default, _): return value
        case (_, .missing): return .missing
        case (.json, _):
            var writer = JSONWriter()
            value.write(to: &writer)
            return .string(writer.text)
        case (_, .null): return .null
        case (.first, .array(let elements)): return elements.first ?? .missing
        case (.first, _): return value
        case (.join(let separator), .array(let elements)): return .string(try Self.join(elements, separator))
        case (.join, _): throw Refusal(reason: "takes a list; say | all before it")
        case (_, .array(let elements)):
            var result: [TemplateValue] = []
            for element in elements { result.append(try apply(element)) }
            return .array(result)
        case (_, .object): throw Refusal(reason: "does not take an object")
        default: return try apply(text: value.text ?? "", of: value)
        }
    }

    private static func join(_ elements: [TemplateValue], _ separator: String) throws(Refusal) -> String {
        var texts: [String] = []
        for element in elements {
            switch element {
            case .missing, .null: continue
            case .array, .object: throw Refusal(reason: "takes a list of texts, not of lists or objects")
            default: texts.append(element.text ?? "")
            }
        }
        return texts.joined(separator: separator)
    }

    private func apply(text: String, of value: TemplateValue) throws(Refusal) -> TemplateValue {
        switch self {
        case .lower: return .string(text.lowercased())
        case .upper: return .string(text.uppercased())
        case .trim: return .string(Self.trim(text))
        case .split(let separator):
            return .array(TextSearch.split(text, by: separator).map { .string($0) })
        case .before(let mark): return .string(TextSearch.cut(text, at: mark)?.before ?? text)
        case .after(let mark): return TextSearch.cut(text, at: mark).map { .string($0.after) } ?? .missing
        case .map(let table): return table[text] ?? .missing
        case .date(let format):
            guard case .string = value, let instant = Instant(text) else {
                throw Refusal(reason: "takes a time such as 2026-01-31T12:00:00.000Z")
            }
            return format.format(instant)
        case .string: return .string(text)
        case .number:
            if case .bool = value { throw Refusal(reason: "takes a number or a text that is one") }
            let trimmed = Self.trim(text)
            guard let document = try? JSONDocument(trimmed), let number = document.root.numberText else {
                throw Refusal(reason: "takes a number or a text that is one")
            }
            return .number(number)
        default: return value
        }
    }

    private static func trim(_ text: String) -> String {
        let scalars = text.unicodeScalars
        guard let first = scalars.firstIndex(where: { !$0.properties.isWhitespace }),
            let last = scalars.lastIndex(where: { !$0.properties.isWhitespace })
        else { return "" }
        return String(scalars[first...last])
    }
}

/// Looks for texts by their bytes: `String`'s own search takes canonical equivalents for equal.
enum TextSearch {
    static func cut(_ text: String, at mark: String) -> (before: String, after: String)? {
        let bytes = Array(text.utf8)
        let wanted = Array(mark.utf8)
        guard !wanted.isEmpty, let start = find(wanted, in: bytes[...]) else { return nil }
        return (
            String(decoding: bytes[..<start], as: UTF8.self),
            String(decoding: bytes[(start + wanted.count)...], as: UTF8.self)
        )
    }

    static func split(_ text: String, by separator: String) -> [String] {
        let wanted = Array(separator.utf8)
        var rest = Array(text.utf8)[...]
        var parts: [String] = []
        while !wanted.isEmpty, let start = find(wanted, in: rest) {
            parts.append(String(decoding: rest[..<start], as: UTF8.self))
            rest = rest[(start + wanted.count)...]
        }
        return parts + [String(decoding: rest, as: UTF8.self)]
    }

    private static func find(_ wanted: [UInt8], in text: ArraySlice<UInt8>) -> Int? {
        guard text.count >= wanted.count else { return nil }
        return (text.startIndex...(text.endIndex - wanted.count)).first { text[$0...].starts(with: wanted) }
    }
}
