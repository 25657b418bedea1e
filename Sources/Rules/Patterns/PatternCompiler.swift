import JSON

/// Reads a pattern's JSON, and collects every mistake with its place and the fix.
struct PatternCompiler {
    private(set) var problems: [LanguageProblem] = []
    private var matchers = MatcherCompiler()
    /// The value at a place as a person wrote it.
    private let written: (JSONPointer) -> JSONValue?

    init(written: @escaping (JSONPointer) -> JSONValue?) { self.written = written }

    /// The pattern's conjuncts; meaningless once there are problems.
    mutating func compile(_ pattern: JSONValue) -> [Formula] {
        guard pattern.kind == .object else {
            report(
                pattern, at: .root,
                "a pattern is an object shaped like the event, such as {\"eventType\": [\"…\"]}")
            return []
        }
        return object(pattern, at: .root, path: [], isAlternative: false)
    }

    mutating func report(_ value: JSONValue, at pointer: JSONPointer, _ message: String) {
        problems.append(LanguageProblem(pointer: pointer, offset: value.offset, message: message))
    }

    private mutating func object(
        _ value: JSONValue, at pointer: JSONPointer, path: [[UInt8]], isAlternative: Bool
    ) -> [Formula] {
        var formulas: [Formula] = []
        var names: Set<[UInt8]> = []
        for (name, member) in value.members {
            let bytes = Array(name.utf8 ?? [])
            let text = String(decoding: bytes, as: UTF8.self)
            let place = pointer.appending(text)
            guard !name.hasLoneSurrogate else {
                report(name, at: place, "half a surrogate pair is not a character")
                continue
            }
            guard names.insert(bytes).inserted else {
                report(name, at: place, "the name \"\(text)\" stands here twice; write one list of both")
                continue
            }
            if text == "$or" {
                formulas += alternatives(member, at: place, path: path)
                continue
            }
            if isAlternative, MatcherCompiler.operators.contains(text) {
                report(
                    name, at: place, "\"\(text)\" is an operator and cannot be a field directly inside $or")
                continue
            }
            formulas += field(member, named: text, at: place, path: path + [bytes])
        }
        if names.isEmpty {
            report(
                value, at: pointer,
                path.isEmpty && !isAlternative
                    ? "an empty pattern says nothing; leave it out to match every event"
                    : "an empty object says nothing; to ask for a value at all write [{\"exists\": true}]")
        }
        return formulas
    }

    private mutating func field(
        _ value: JSONValue, named name: String, at pointer: JSONPointer, path: [[UInt8]]
    ) -> [Formula] {
        switch value.kind {
        case .object: return object(value, at: pointer, path: path, isAlternative: false)
        case .array:
            return leaf(value, at: pointer, path: path).map { [.condition($0)] } ?? []
        default:
            let written = String(decoding: value.raw.prefix(60), as: UTF8.self)
            let isOperator = MatcherCompiler.operators.contains(name)
            report(
                value, at: pointer,
                isOperator
                    ? "an operator stands in a list: write [{\"\(name)\": \(written)}] as the field's value"
                    : "write [\(written)] instead of \(written): a field's value is a list of what it may be")
            return []
        }
    }

    private mutating func alternatives(
        _ value: JSONValue, at pointer: JSONPointer, path: [[UInt8]]
    ) -> [Formula] {
        let elements = Array(value.elements)
        guard value.kind == .array, elements.count >= 2 else {
            report(value, at: pointer, "$or is a list of two or more objects: {\"$or\": [{…}, {…}]}")
            return []
        }
        var parts: [Formula] = []
        for (index, element) in elements.enumerated() {
            let place = pointer.appending(index)
            guard element.kind == .object else {
                report(element, at: place, "an alternative of $or is an object shaped like the event")
                continue
            }
            parts.append(.all(object(element, at: place, path: path, isAlternative: true)))
        }
        return [.oneOf(parts)]
    }

    private mutating func leaf(_ value: JSONValue, at pointer: JSONPointer, path: [[UInt8]]) -> Condition? {
        var found: [Matcher] = []
        var allowsMissing = false
        var isEmpty = true
        for (index, element) in value.elements.enumerated() {
            isEmpty = false
            switch matchers.entry(element, at: pointer.appending(index)) {
            case .matcher(let matcher): found.append(matcher)
            case .missing: allowsMissing = true
            case .none: continue
            }
        }
        problems += matchers.takeProblems()
        if isEmpty {
            report(
                value, at: pointer,
                "an empty list matches nothing; list what the field may be, or {\"exists\": false}")
        }
        return Condition(
            path: path,
            matchers: MatcherList(found),
            allowsMissing: allowsMissing,
            source: String(decoding: (written(pointer) ?? value).raw, as: UTF8.self)
        )
    }
}

extension JSONValue {
    /// Whether a string is written with half a surrogate pair, which no text can contain.
    var hasLoneSurrogate: Bool {
        guard let utf8, utf8.contains(0xEF) else { return false }
        // Each U+FFFD of the value that is not written as itself or as \ufffd stands for a half.
        let replacement: [UInt8] = [0xEF, 0xBF, 0xBD]
        let inValue = utf8.indices.count { utf8[$0...].starts(with: replacement) }
        let text = raw
        let written = text.indices.count { text[$0...].starts(with: replacement) }
        let escaped = String(decoding: text, as: UTF8.self).lowercased()
        var count = 0
        var isEscaped = false
        var rest = Substring(escaped)
        while let character = rest.popFirst() {
            if isEscaped, character == "u", rest.hasPrefix("fffd") { count += 1 }
            isEscaped = character == "\\" && !isEscaped
        }
        return inValue > written + count
    }
}
