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
        let root: JSONValue
        do {
            root = try JSONDocument(line).root
        } catch {
            return RuleCaseResult(id: nil, difference: "the line is not JSON: \(error)")
        }
        let id = root["id"].flatMap { $0.string ?? String(decoding: $0.raw, as: UTF8.self) }
        do throws(RuleCaseFailure) {
            try run(root)
            return RuleCaseResult(id: id, difference: nil)
        } catch {
            return RuleCaseResult(id: id, difference: error.description)
        }
    }

    private func run(_ line: JSONValue) throws(RuleCaseFailure) {
        guard line.kind == .object else { throw RuleCaseFailure("the line is not an object") }
        if let path = line["path"] { return try runPath(path, line) }
        if let patterns = line["patterns"] { return try runPatterns(patterns, line) }
        if let pattern = line["pattern"] { return try runPattern(pattern, line) }
        if let event = line["event"], let sinks = line["sinks"] {
            return try runSinks(event, sinks, hook: line["hook"])
        }
        throw RuleCaseFailure(
            "the line has none of the forms pattern/event/match, patterns/event/matches, pattern/valid, "
                + "event/sinks, path/document/result")
    }

    // MARK: - Patterns

    private func runPattern(_ pattern: JSONValue, _ line: JSONValue) throws(RuleCaseFailure) {
        if let valid = line["valid"] {
            return try checkValidity(expected: valid) { () throws(LanguageProblems) in
                _ = try Pattern(pattern)
            }
        }
        guard let event = line["event"], let expected = line["match"]?.bool else {
            throw RuleCaseFailure("a line with \"pattern\" needs \"event\" and \"match\", or \"valid\"")
        }
        let compiled = try compile(pattern)
        guard compiled.matches(event) != expected else { return }
        throw RuleCaseFailure(
            expected
                ? "expected a match: \(compiled.firstMismatch(in: event)?.description ?? "unknown")"
                : "expected no match, but the event matches")
    }

    private func runPatterns(_ patterns: JSONValue, _ line: JSONValue) throws(RuleCaseFailure) {
        guard let event = line["event"], let expected = line["matches"], expected.kind == .array else {
            throw RuleCaseFailure(
                "a line with \"patterns\" needs \"event\" and \"matches\", a list of indices")
        }
        var rules: [Rule] = []
        for element in patterns.elements {
            let pattern = try compile(element)
            let name = String(rules.count)
            rules.append(
                Rule(
                    name: name, events: [], outcome: .any, conditions: .init(pattern: pattern), sinks: [name])
            )
        }
        let facts = RoutingFacts(hook: "", eventType: "", operation: .none, isEffective: true)
        let matches = RuleTable(rules).route(facts, event: event).choices.map(\.rule)
        let wanted = expected.elements.map { String(decoding: $0.raw, as: UTF8.self) }
        try compare("matches", wanted: wanted, found: matches)
    }

    private func compile(_ pattern: JSONValue) throws(RuleCaseFailure) -> Pattern {
        do {
            return try Pattern(pattern)
        } catch {
            throw RuleCaseFailure("the pattern is not valid: \(error)")
        }
    }

    private func checkValidity(
        expected: JSONValue, _ compile: () throws(LanguageProblems) -> Void
    ) throws(RuleCaseFailure) {
        guard let expected = expected.bool else { throw RuleCaseFailure("\"valid\" is true or false") }
        do {
            try compile()
        } catch {
            guard expected else { return }
            throw RuleCaseFailure("expected to be valid: \(error)")
        }
        guard expected else { throw RuleCaseFailure("expected to be refused, but it is valid") }
    }

    // MARK: - Sinks

    private func runSinks(
        _ event: JSONValue, _ sinks: JSONValue, hook: JSONValue?
    ) throws(RuleCaseFailure) {
        guard let router else { throw RuleCaseFailure("\"sinks\" needs a config") }
        let wanted = sinks.elements.compactMap(\.string)
        guard sinks.kind == .array, wanted.count == sinks.elements.reduce(0, { count, _ in count + 1 }) else {
            throw RuleCaseFailure("\"sinks\" is a list of names")
        }
        if let hook, hook.kind != .string { throw RuleCaseFailure("\"hook\" is a name") }
        try compare("sinks", wanted: wanted, found: try router(event, hook?.string))
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

    private func runPath(_ path: JSONValue, _ line: JSONValue) throws(RuleCaseFailure) {
        guard let text = path.string else { throw RuleCaseFailure("\"path\" is a string") }
        if let valid = line["valid"] {
            return try checkValidity(expected: valid) { () throws(LanguageProblems) in
                do throws(LanguageProblem) { _ = try JSONPath(text) } catch {
                    throw LanguageProblems([error])
                }
            }
        }
        let results = line["results"].map { Array($0.elements) } ?? line["result"].map { [$0] } ?? []
        guard let document = line["document"], !results.isEmpty else {
            throw RuleCaseFailure(
                "a line with \"path\" needs \"document\" and \"result\" or \"results\", or \"valid\"")
        }
        let nodes: [JSONValue]
        do {
            nodes = try JSONPath(text).nodes(in: document)
        } catch let problem as LanguageProblem {
            throw RuleCaseFailure("the path is not valid: \(problem)")
        } catch {
            throw RuleCaseFailure("the path selects too much")
        }
        for result in results {
            let wanted = Array(result.elements)
            if wanted.count == nodes.count, zip(wanted, nodes).allSatisfy({ JSONEquality.areEqual($0, $1) }) {
                return
            }
        }
        let found = nodes.map { String(decoding: $0.raw, as: UTF8.self) }.joined(separator: ",")
        let wanted = results.map { String(decoding: $0.raw, as: UTF8.self) }.joined(separator: " or ")
        throw RuleCaseFailure("expected \(wanted), found [\(found)]")
    }
}

/// What came of one line.
public struct RuleCaseResult: Sendable, Equatable {
    /// The line's own name, where it has one.
    public let id: String?
    /// What differs from what was expected; nil where the case passes.
    public let difference: String?

    public init(id: String?, difference: String?) {
        self.id = id
        self.difference = difference
    }

    /// Whether the case holds.
    public var passes: Bool { difference == nil }
}

/// Why a case does not hold.
public struct RuleCaseFailure: Error, Equatable, Sendable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}
