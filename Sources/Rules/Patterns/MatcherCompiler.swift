import JSON

/// Reads the entries of a pattern's leaf.
struct MatcherCompiler {
    /// What one entry of a leaf says.
    enum Entry {
        case matcher(Matcher)
        /// `{"exists": false}`.
        case missing
    }

    static let operators = [
        "anything-but", "cidr", "equals-ignore-case", "exists", "numeric", "prefix", "suffix", "wildcard",
    ]

    private var problems: [LanguageProblem] = []

    /// The problems since the last call.
    mutating func takeProblems() -> [LanguageProblem] {
        defer { problems = [] }
        return problems
    }

    /// One entry; nil where it is wrong.
    mutating func entry(_ value: JSONValue, at pointer: JSONPointer) -> Entry? {
        switch value.kind {
        case .object: return operation(value, at: pointer)
        case .array:
            report(
                value, at: pointer, "a list inside a list; write its entries directly into the field's list")
            return nil
        case .string: return string(value, at: pointer).map { .matcher(.string($0)) }
        case .number: return .matcher(.number(number(value)))
        case .null, .true, .false: return .matcher(.literal(value.kind))
        }
    }

    private mutating func operation(_ value: JSONValue, at pointer: JSONPointer) -> Entry? {
        guard let (name, operand) = onlyMember(value, at: pointer, "an operator") else { return nil }
        let place = pointer.appending(name)
        switch name {
        case "exists":
            guard let wanted = operand.bool else {
                report(operand, at: place, "exists takes true or false")
                return nil
            }
            return wanted ? .matcher(.exists) : .missing
        case "anything-but":
            return anythingBut(operand, at: place).map { .matcher(.anythingBut(MatcherList($0))) }
        case "numeric": return numeric(operand, at: place).map { .matcher($0) }
        case "cidr":
            guard let text = string(operand, at: place) else { return nil }
            guard let block = text.withUnsafeBufferPointer({ CIDRBlock($0) }) else {
                report(operand, at: place, "cidr takes a block such as \"10.0.0.0/8\" or \"2001:db8::/32\"")
                return nil
            }
            return .matcher(.cidr(block))
        case "prefix", "suffix":
            return affix(operand, isPrefix: name == "prefix", at: place).map { .matcher($0) }
        default: return textual(name, operand, at: pointer).map { .matcher($0) }
        }
    }

    /// `equals-ignore-case` and `wildcard`, which take a string and nothing else.
    private mutating func textual(
        _ name: String, _ operand: JSONValue, at pointer: JSONPointer
    ) -> Matcher? {
        let place = pointer.appending(name)
        switch name {
        case "equals-ignore-case":
            return string(operand, at: place).map { .equalsIgnoringCase(CaseFolding.fold($0)) }
        case "wildcard":
            guard let text = string(operand, at: place) else { return nil }
            do {
                return .wildcard(try Wildcard(parsing: text))
            } catch {
                report(operand, at: place, error.message)
                return nil
            }
        default:
            let hint =
                Spelling.nearest(name, among: Self.operators).map { ", did you mean \"\($0)\"?" } ?? ";"
            let known = Self.operators.joined(separator: ", ")
            report(operand, at: place, "unknown operator \"\(name)\"\(hint) known: \(known)")
            return nil
        }
    }

    private mutating func affix(_ operand: JSONValue, isPrefix: Bool, at pointer: JSONPointer) -> Matcher? {
        guard operand.kind == .object else {
            return string(operand, at: pointer).map { isPrefix ? .prefix($0) : .suffix($0) }
        }
        guard let (name, inner) = onlyMember(operand, at: pointer, "equals-ignore-case") else { return nil }
        guard name == "equals-ignore-case" else {
            report(inner, at: pointer.appending(name), "only equals-ignore-case can stand here")
            return nil
        }
        return string(inner, at: pointer.appending(name)).map {
            let text = CaseFolding.fold($0)
            return isPrefix ? .prefixIgnoringCase(text) : .suffixIgnoringCase(text)
        }
    }

    // MARK: - anything-but

    private mutating func anythingBut(_ operand: JSONValue, at pointer: JSONPointer) -> [Matcher]? {
        switch operand.kind {
        case .string: return string(operand, at: pointer).map { [.string($0)] }
        case .number: return [.number(number(operand))]
        case .array: return excludedList(operand, at: pointer)
        case .object: return excludedTexts(operand, at: pointer)
        default:
            report(
                operand, at: pointer,
                "anything-but takes a string, a number, a list of either, or an operator; "
                    + "for true, false and null list the values that you do want, or write a pattern that "
                    + "lists them into \"none\"")
            return nil
        }
    }

    private mutating func excludedList(_ operand: JSONValue, at pointer: JSONPointer) -> [Matcher]? {
        let kinds = Set(operand.elements.map(\.kind))
        guard kinds == [.string] || kinds == [.number] else {
            let message =
                if kinds.isEmpty {
                    "anything-but needs at least one value"
                } else if kinds.isSubset(of: [.string, .number]) {
                    "anything-but takes strings or numbers; for both write two patterns in \"all\""
                } else {
                    "anything-but lists strings or numbers only; to exclude true, false or null write a "
                        + "pattern that lists them into \"none\", such as {\"…\": [null]}"
                }
            report(operand, at: pointer, message)
            return nil
        }
        var result: [Matcher] = []
        for (index, element) in operand.elements.enumerated() {
            if element.kind == .number {
                result.append(.number(number(element)))
            } else if let text = string(element, at: pointer.appending(index)) {
                result.append(.string(text))
            }
        }
        return result
    }

    private mutating func excludedTexts(_ operand: JSONValue, at pointer: JSONPointer) -> [Matcher]? {
        guard let (name, inner) = onlyMember(operand, at: pointer, "an operator") else { return nil }
        let allowed = ["prefix", "suffix", "equals-ignore-case", "wildcard"]
        let place = pointer.appending(name)
        guard allowed.contains(name) else {
            let hint = Spelling.nearest(name, among: allowed).map { ", did you mean \"\($0)\"?" } ?? ";"
            report(
                inner, at: place,
                "anything-but does not take \"\(name)\"\(hint) it takes \(allowed.joined(separator: ", "))")
            return nil
        }
        let isList = inner.kind == .array
        let elements = isList ? Array(inner.elements) : [inner]
        if elements.isEmpty { report(inner, at: place, "anything-but needs at least one value") }
        var result: [Matcher] = []
        for (index, element) in elements.enumerated() {
            let elementPlace = isList ? place.appending(index) : place
            guard let text = string(element, at: elementPlace) else { continue }
            if text.isEmpty, name == "prefix" || name == "suffix" {
                report(element, at: elementPlace, "every string has the empty \(name); this would match none")
                continue
            }
            switch name {
            case "prefix": result.append(.prefix(text))
            case "suffix": result.append(.suffix(text))
            default:
                if let matcher = textual(name, element, at: pointer) { result.append(matcher) }
            }
        }
        return result
    }

    // MARK: - numeric

    private mutating func numeric(_ operand: JSONValue, at pointer: JSONPointer) -> Matcher? {
        let parts = Array(operand.elements)
        let usage = "numeric takes [op, number] or [\">\" or \">=\", low, \"<\" or \"<=\", high]"
        guard operand.kind == .array, parts.count == 2 || parts.count == 4 else {
            report(operand, at: pointer, usage)
            return nil
        }
        if parts.count == 4, let first = parts[0].string, first == "<" || first == "<=",
            let second = parts[2].string, second == ">" || second == ">="
        {
            let swapped = [parts[2], parts[3], parts[0], parts[1]]
                .map { String(decoding: $0.raw, as: UTF8.self) }.joined(separator: ",")
            report(operand, at: pointer, "the lower bound comes first: write [\(swapped)]")
            return nil
        }
        var range = NumericRange()
        let count = problems.count
        for index in stride(from: 0, to: parts.count, by: 2) {
            let allowed =
                parts.count == 2 ? ["=", "<", "<=", ">", ">="] : index == 0 ? [">", ">="] : ["<", "<="]
            guard let sign = parts[index].string, allowed.contains(sign) else {
                if parts[index].isString("==") {
                    report(parts[index], at: pointer.appending(index), "did you mean \"=\"? \(usage)")
                    continue
                }
                report(
                    parts[index], at: pointer.appending(index),
                    "expected one of \(allowed.joined(separator: " ")) here; \(usage), the lower bound first")
                continue
            }
            guard parts[index + 1].kind == .number, let bound = number(parts[index + 1]).exact else {
                report(
                    parts[index + 1], at: pointer.appending(index + 1),
                    parts[index + 1].kind == .number
                        ? "a bound must be a number that a double holds exactly as written"
                        : "a bound is a number, without quotes")
                continue
            }
            if sign != "<", sign != "<=" { (range.lower, range.includesLower) = (bound, sign != ">") }
            if sign != ">", sign != ">=" { (range.upper, range.includesUpper) = (bound, sign != "<") }
        }
        guard problems.count == count else { return nil }
        guard parts.count == 2 || range.lower < range.upper else {
            report(operand, at: pointer, "the lower bound must be below the upper one")
            return nil
        }
        return .numeric(range)
    }

    // MARK: - Values

    private mutating func onlyMember(
        _ value: JSONValue, at pointer: JSONPointer, _ what: String
    ) -> (name: String, value: JSONValue)? {
        let members = Array(value.members)
        guard members.count == 1, let name = members[0].name.string else {
            report(
                value, at: pointer,
                members.isEmpty
                    ? "expected \(what) here, such as {\"prefix\": \"user.\"}"
                    : "one object holds one operator; write each in an object of its own: [{…}, {…}]")
            return nil
        }
        return (name, members[0].value)
    }

    private mutating func string(_ value: JSONValue, at pointer: JSONPointer) -> [UInt8]? {
        guard let utf8 = value.utf8 else {
            report(value, at: pointer, "expected a string here")
            return nil
        }
        guard !value.hasLoneSurrogate else {
            report(value, at: pointer, "half a surrogate pair is not a character")
            return nil
        }
        return Array(utf8)
    }

    private func number(_ value: JSONValue) -> NumberLiteral {
        value.raw.withUnsafeBufferPointer { NumberLiteral($0) }
    }

    private mutating func report(_ value: JSONValue, at pointer: JSONPointer, _ message: String) {
        problems.append(LanguageProblem(pointer: pointer, offset: value.offset, message: message))
    }
}
