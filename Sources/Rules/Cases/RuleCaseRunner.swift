public import JSON

/// Runs one line of a file of rule tests, as people keep them for their own rules.
///
/// A line is an object with an `id` and one of these forms:
///
/// ```
/// {"id": …, "pattern": …, "event": …, "match": true|false}
/// {"id": …, "patterns": […], "event": …, "matches": [indices]}    all loaded into one table
/// {"id": …, "pattern": …, "valid": true|false}
/// {"id": …, "event": …, "sinks": ["crm", …]}                      against a config's table; "hook" may name
///                                                                 the hook that it comes through
/// {"id": …, "path": "$…", "document": …, "result": […]}           or "results": a list of admissible ones
/// {"id": …, "path": "$…", "valid": true|false}
/// ```
///
/// A line that is none of them, or says more than its form, fails as malformed.
///
/// Pure: a runner may run lines on any number of threads.
public struct RuleCaseRunner: Sendable {
    /// Names the sinks of an event by the table of a config, or says why it cannot.
    ///
    /// Without the name of a hook the event comes in through the first one.
    public typealias Router =
        @Sendable (_ event: JSONValue, _ hook: String?) throws(RuleCaseFailure) -> [String]

    private let router: Router?

    /// A runner; without a router, lines of the form `event` and `sinks` fail with the reason.
    public init(router: Router? = nil) { self.router = router }

    /// Runs one line.
    public func run(_ line: [UInt8]) -> RuleCaseResult {
        guard !line.starts(with: [0xEF, 0xBB, 0xBF]) else {
            return RuleCaseResult(
                id: nil, .malformed("the file starts with a byte order mark; save it as UTF-8 without one"))
        }
        let root: JSONValue
        do {
            root = try JSONDocument(line).root
        } catch {
            return RuleCaseResult(id: nil, .malformed("the line is not JSON: \(error)"))
        }
        let id = root["id"].flatMap { $0.string ?? $0.numberText }
        do throws(RuleCaseFailure) {
            try run(RuleCase(root))
            return RuleCaseResult(id: id, nil)
        } catch {
            return RuleCaseResult(id: id, error)
        }
    }

    private func run(_ test: RuleCase) throws(RuleCaseFailure) {
        switch test {
        case .match(let pattern, let event, let isExpected):
            try runPattern(try compile(pattern), event, isExpected)
        case .matches(let patterns, let event, let expected): try runPatterns(patterns, event, expected)
        case .validPattern(let pattern, let isExpected):
            try checkValidity(isExpected) { () throws(LanguageProblems) in _ = try Pattern(pattern) }
        case .sinks(let event, let expected, let hook):
            guard let router else { throw .malformed("\"sinks\" needs a config") }
            try compare("sinks", wanted: expected, found: try router(event, hook))
        case .selects(let path, let document, let admissible): try runPath(path, document, admissible)
        case .validPath(let path, let isExpected):
            try checkValidity(isExpected) { () throws(LanguageProblem) in _ = try JSONPath(path) }
        }
    }

    private func checkValidity<Problem: Error>(
        _ isExpected: Bool, _ compile: () throws(Problem) -> Void
    ) throws(RuleCaseFailure) {
        do {
            try compile()
        } catch {
            guard isExpected else { return }
            throw RuleCaseFailure("expected to be valid: \(error)")
        }
        guard isExpected else { throw RuleCaseFailure("expected to be refused, but it is valid") }
    }

    // MARK: - Patterns

    private func runPattern(
        _ pattern: Pattern, _ event: JSONValue, _ isExpected: Bool
    ) throws(RuleCaseFailure) {
        guard pattern.matches(event) != isExpected else { return }
        throw RuleCaseFailure(
            isExpected
                ? "expected a match: \(pattern.firstMismatch(in: event)?.description ?? "unknown")"
                : "expected no match, but the event matches")
    }

    private func runPatterns(
        _ patterns: [JSONValue], _ event: JSONValue, _ expected: [Int]
    ) throws(RuleCaseFailure) {
        var rules: [Rule] = []
        for pattern in patterns {
            let name = String(rules.count)
            let conditions = Rule.Conditions(pattern: try compile(pattern, name))
            rules.append(Rule(name: name, events: [], outcome: .any, conditions: conditions, sinks: [name]))
        }
        let facts = RoutingFacts(hook: "", eventType: "", operation: .none, isEffective: true)
        let matches = RuleTable(rules).route(facts, event: event).choices.map(\.rule)
        try compare("matches", wanted: expected.map(String.init), found: matches)
    }

    private func compile(_ pattern: JSONValue, _ index: String? = nil) throws(RuleCaseFailure) -> Pattern {
        do {
            return try Pattern(pattern)
        } catch {
            throw RuleCaseFailure("\(index.map { "pattern \($0)" } ?? "the pattern") is not valid: \(error)")
        }
    }

    private func compare(_ what: String, wanted: [String], found: [String]) throws(RuleCaseFailure) {
        let missing = wanted.filter { !found.contains($0) }
        let extra = found.filter { !wanted.contains($0) }
        guard !missing.isEmpty || !extra.isEmpty else { return }
        let parts =
            (missing.isEmpty ? [] : ["missing \(missing.joined(separator: ", "))"])
            + (extra.isEmpty ? [] : ["unexpected \(extra.joined(separator: ", "))"])
        throw RuleCaseFailure("\(what): \(parts.joined(separator: "; "))")
    }

    // MARK: - Paths

    private func runPath(
        _ path: String, _ document: JSONValue, _ admissible: [JSONValue]
    ) throws(RuleCaseFailure) {
        let nodes: [JSONValue]
        do {
            nodes = try JSONPath(path).nodes(in: document)
        } catch let problem as LanguageProblem {
            throw RuleCaseFailure("the path is not valid: \(problem)")
        } catch {
            throw RuleCaseFailure("the path \(error)")
        }
        for result in admissible {
            let wanted = Array(result.elements)
            if wanted.count == nodes.count, zip(wanted, nodes).allSatisfy({ JSONEquality.areEqual($0, $1) }) {
                return
            }
        }
        let found = nodes.map { String(decoding: $0.raw, as: UTF8.self) }.joined(separator: ",")
        let wanted = admissible.map { String(decoding: $0.raw, as: UTF8.self) }.joined(separator: " or ")
        throw RuleCaseFailure("expected \(wanted), found [\(found)]")
    }
}

/// What came of one line.
public struct RuleCaseResult: Sendable, Equatable {
    /// The line's own name, where it has one.
    public let id: String?
    /// Why the case does not hold; nil where it does.
    public let failure: RuleCaseFailure?

    init(id: String?, _ failure: RuleCaseFailure?) {
        self.id = id
        self.failure = failure
    }

    /// Whether the case holds.
    public var passes: Bool { failure == nil }
}

/// Why a case does not hold.
public struct RuleCaseFailure: Error, Equatable, Sendable, CustomStringConvertible {
    /// What differs from what was expected, or what is wrong with the line.
    public let description: String
    /// Whether the line is no case at all, so that nothing was tried.
    public let isMalformed: Bool

    public init(_ description: String) {
        self.description = description
        isMalformed = false
    }

    private init(malformed: String) {
        description = "not a case: \(malformed)"
        isMalformed = true
    }

    static func malformed(_ what: String) -> RuleCaseFailure { RuleCaseFailure(malformed: what) }
}
