import JSON

/// Reads a JSONPath query by the grammar of RFC 9535, and nothing that it does not allow.
struct PathParser {
    private var scanner: PathScanner
    /// Filters and parentheses inside each other; bounded, because reading them is recursive.
    private var depth = 0
    private static let depthMax = 64

    init(_ text: String) { scanner = PathScanner(text) }

    /// The whole text is one query.
    mutating func parseWhole() throws(LanguageProblem) -> Query {
        guard scanner.take("$") else { throw scanner.failure("a path starts with '$'; expected it") }
        let query = Query(isAbsolute: true, segments: try segments())
        guard scanner.isAtEnd else { throw scanner.failure("expected '.', '..' or '['") }
        return query
    }

    // MARK: - Segments and selectors

    private mutating func segments() throws(LanguageProblem) -> [Segment] {
        var result: [Segment] = []
        while true {
            let before = scanner.position
            scanner.skipBlanks()
            if scanner.take("..") {
                result.append(Segment(isDescendant: true, selectors: try descendantSelectors()))
            } else if scanner.take(".") {
                result.append(Segment(isDescendant: false, selectors: [try shorthand()]))
            } else if scanner.take("[") {
                result.append(Segment(isDescendant: false, selectors: try bracketed()))
            } else {
                scanner.position = before
                return result
            }
        }
    }

    private mutating func descendantSelectors() throws(LanguageProblem) -> [Selector] {
        scanner.take("[") ? try bracketed() : [try shorthand()]
    }

    private mutating func shorthand() throws(LanguageProblem) -> Selector {
        scanner.take("*") ? .wildcard : .name(try scanner.memberName())
    }

    private mutating func bracketed() throws(LanguageProblem) -> [Selector] {
        var result: [Selector] = []
        repeat {
            scanner.skipBlanks()
            result.append(try selector())
            scanner.skipBlanks()
        } while scanner.take(",")
        try scanner.expect("]")
        return result
    }

    private mutating func selector() throws(LanguageProblem) -> Selector {
        if let name = try scanner.string() { return .name(name) }
        if scanner.take("*") { return .wildcard }
        if scanner.take("?") {
            scanner.skipBlanks()
            return .filter(try logicalOr())
        }
        let start = try scanner.integer()
        let afterStart = scanner.position
        scanner.skipBlanks()
        guard scanner.take(":") else {
            scanner.position = afterStart
            guard let start else {
                throw scanner.failure("expected a name in quotes, an index, a slice, '*' or '?'")
            }
            return .index(start)
        }
        scanner.skipBlanks()
        let end = try scanner.integer()
        let afterEnd = scanner.position
        scanner.skipBlanks()
        guard scanner.take(":") else {
            scanner.position = afterEnd
            return .slice(start: start, end: end, step: 1)
        }
        let afterColon = scanner.position
        scanner.skipBlanks()
        let step = try scanner.integer()
        if step == nil { scanner.position = afterColon }
        return .slice(start: start, end: end, step: step ?? 1)
    }

    // MARK: - Filters

    private mutating func logicalOr() throws(LanguageProblem) -> Logical {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.depthMax else { throw scanner.failure("filters are nested too deeply") }
        var parts = [try logicalAnd()]
        while takeAfterBlanks("||") { parts.append(try logicalAnd()) }
        return parts.count == 1 ? parts[0] : .any(parts)
    }

    private mutating func logicalAnd() throws(LanguageProblem) -> Logical {
        var parts: [Logical] = []
        repeat {
            scanner.skipBlanks()
            parts.append(try basic())
        } while takeAfterBlanks("&&")
        return parts.count == 1 ? parts[0] : .all(parts)
    }

    private mutating func takeAfterBlanks(_ word: StaticString) -> Bool {
        let before = scanner.position
        scanner.skipBlanks()
        if scanner.take(word) { return true }
        scanner.position = before
        return false
    }

    private mutating func basic() throws(LanguageProblem) -> Logical {
        if scanner.take("!") {
            scanner.skipBlanks()
            if scanner.take("(") { return .not(try parenthesised()) }
            return .not(try test())
        }
        if scanner.take("(") { return try parenthesised() }
        let start = scanner.position
        let left = try term()
        let before = scanner.position
        scanner.skipBlanks()
        guard let comparison = comparison() else {
            scanner.position = before
            return try left.asTest(scanner)
        }
        let operand = try left.asOperand(scanner, at: start)
        scanner.skipBlanks()
        let place = scanner.position
        return .compare(operand, comparison, try term().asOperand(scanner, at: place))
    }

    private mutating func parenthesised() throws(LanguageProblem) -> Logical {
        let inner = try logicalOr()
        scanner.skipBlanks()
        try scanner.expect(")")
        return inner
    }

    private mutating func test() throws(LanguageProblem) -> Logical { try term().asTest(scanner) }

    private mutating func comparison() -> Comparison? {
        if scanner.take("==") { return .equal }
        if scanner.take("!=") { return .notEqual }
        if scanner.take("<=") { return .lessOrEqual }
        if scanner.take(">=") { return .greaterOrEqual }
        if scanner.take("<") { return .less }
        return scanner.take(">") ? .greater : nil
    }

    // MARK: - Terms

    /// A literal, a query or a function call.
    private mutating func term() throws(LanguageProblem) -> PathTerm {
        if let string = try scanner.string() { return .literal(.string(string)) }
        if scanner.take("$") { return .query(Query(isAbsolute: true, segments: try segments())) }
        if scanner.take("@") { return .query(Query(isAbsolute: false, segments: try segments())) }
        if let number = try scanner.number() { return .literal(.number(number)) }
        if let name = scanner.functionName() { return try call(name) }
        if scanner.take("true") { return .literal(.true) }
        if scanner.take("false") { return .literal(.false) }
        if scanner.take("null") { return .literal(.null) }
        throw scanner.failure("expected '@', '$', a literal or a function")
    }

    private mutating func call(_ name: String) throws(LanguageProblem) -> PathTerm {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.depthMax else { throw scanner.failure("functions are nested too deeply") }
        let start = scanner.position
        var arguments: [PathTerm] = []
        scanner.skipBlanks()
        if !scanner.take(")") {
            repeat {
                scanner.skipBlanks()
                arguments.append(try term())
                scanner.skipBlanks()
            } while scanner.take(",")
            try scanner.expect(")")
        }
        switch (name, arguments.count) {
        case ("length", 1): return .operand(.length(try arguments[0].asOperand(scanner, at: start)))
        case ("count", 1): return .operand(.count(try arguments[0].asNodes(scanner)))
        case ("value", 1): return .operand(.value(try arguments[0].asNodes(scanner)))
        case ("match", 2), ("search", 2):
            let subject = try arguments[0].asOperand(scanner, at: start)
            let pattern = try arguments[1].asOperand(scanner, at: start)
            return .logical(.matches(subject, try expression(pattern), isWhole: name == "match"))
        case ("length", _), ("count", _), ("value", _):
            throw scanner.failure("\(name)() takes one argument;")
        case ("match", _), ("search", _): throw scanner.failure("\(name)() takes two arguments;")
        default:
            let known = ["length", "count", "match", "search", "value"]
            let hint = Spelling.nearest(name, among: known).map { ", did you mean \($0)()?" } ?? ";"
            throw scanner.failure(
                "unknown function \(name)()\(hint) known: \(known.joined(separator: ", "))")
        }
    }

    private func expression(_ operand: Operand) throws(LanguageProblem) -> RegularExpression {
        guard case .literal(let literal) = operand else { return .computed(operand) }
        guard case .string(let text) = literal else { return .fixed(nil) }
        do {
            return .fixed(try IRegexp(text))
        } catch .syntax {
            return .fixed(nil)
        } catch {
            throw scanner.failure("\(error.message);")
        }
    }
}

/// What was read before its place decides what it may be (RFC 9535 §2.4.3).
private enum PathTerm {
    case literal(PathLiteral)
    case query(Query)
    /// A function that yields a value.
    case operand(Operand)
    /// A function that yields true or false.
    case logical(Logical)

    func asTest(_ scanner: PathScanner) throws(LanguageProblem) -> Logical {
        switch self {
        case .query(let query): return .exists(query)
        case .logical(let logical): return logical
        case .literal, .operand: throw scanner.failure("a value alone is no condition; compare it")
        }
    }

    func asOperand(_ scanner: PathScanner, at start: Int) throws(LanguageProblem) -> Operand {
        switch self {
        case .literal(let literal): return .literal(literal)
        case .operand(let operand): return operand
        case .query(let query):
            guard query.isSingular else {
                throw scanner.failure(
                    "only a path to a single value can stand here; this one may select more")
            }
            return .query(query)
        case .logical: throw scanner.failure("true or false cannot be compared or passed on")
        }
    }

    func asNodes(_ scanner: PathScanner) throws(LanguageProblem) -> Query {
        guard case .query(let query) = self else { throw scanner.failure("the function takes a path") }
        return query
    }
}
