import JSON

/// One line of a file of rule tests, read strictly: a line that says anything else than one of the forms is
/// no case, for a misspelt expectation would pass as one that holds.
enum RuleCase {
    case match(pattern: JSONValue, event: JSONValue, isExpected: Bool)
    case matches(patterns: [JSONValue], event: JSONValue, expected: [Int])
    case validPattern(JSONValue, isExpected: Bool)
    case sinks(event: JSONValue, expected: [String], hook: String?)
    case selects(path: String, document: JSONValue, admissible: [JSONValue])
    case validPath(String, isExpected: Bool)

    /// Members that any line may have: what it is called, and what is said about it.
    ///
    /// The others are what the suite of RFC 9535 adds to its cases.
    private static let remarks = ["id", "comment", "tags", "result_paths", "results_paths"]
    private static let known =
        ["pattern", "patterns", "event", "match", "matches", "valid", "sinks", "hook", "path", "document"]
        + ["result", "results"] + remarks

    init(_ line: JSONValue) throws(RuleCaseFailure) {
        let members = try Self.members(line)
        guard line["id"].map({ $0.kind == .string || $0.kind == .number }) ?? true else {
            throw .malformed("\"id\" is a text or a number")
        }
        switch members.intersection(["pattern", "patterns", "path", "sinks"]).sorted() {
        case ["pattern"] where members.contains("valid"):
            try Self.only(["pattern", "valid"], in: members)
            self = .validPattern(try Self.member("pattern", line), isExpected: try Self.bool("valid", line))
        case ["pattern"]:
            try Self.only(["pattern", "event", "match"], in: members)
            self = .match(
                pattern: try Self.member("pattern", line), event: try Self.member("event", line),
                isExpected: try Self.bool("match", line))
        case ["patterns"]:
            try Self.only(["patterns", "event", "matches"], in: members)
            let patterns = try Self.list("patterns", line, "patterns")
            self = .matches(
                patterns: patterns, event: try Self.member("event", line),
                expected: try Self.indices(line, below: patterns.count))
        case ["sinks"]:
            try Self.only(["event", "sinks", "hook"], in: members)
            self = .sinks(
                event: try Self.member("event", line), expected: try Self.names("sinks", line),
                hook: try line["hook"].map(Self.name))
        case ["path"] where members.contains("valid"):
            try Self.only(["path", "document", "valid"], in: members)
            self = .validPath(try Self.path(line), isExpected: try Self.bool("valid", line))
        case ["path"]:
            try Self.only(
                ["path", "document", members.contains("results") ? "results" : "result"], in: members)
            self = .selects(
                path: try Self.path(line), document: try Self.member("document", line),
                admissible: try Self.admissible(line))
        case []:
            throw .malformed(
                "it has none of the forms pattern/event/match, patterns/event/matches, pattern/valid, "
                    + "event/sinks, path/document/result, path/valid")
        case let subjects:
            throw .malformed("one case has one of \(subjects.joined(separator: ", "))")
        }
    }

    // MARK: - Members

    /// The names of a line's members, each of which must be known and stand once.
    private static func members(_ line: JSONValue) throws(RuleCaseFailure) -> Set<String> {
        guard line.kind == .object else { throw .malformed("the line is not an object") }
        var names: Set<String> = []
        for (key, _) in line.members {
            let name = key.string ?? ""
            guard known.contains(name) else {
                let hint = Spelling.nearest(name, among: known).map { ", did you mean \"\($0)\"?" } ?? ""
                throw .malformed("unknown member \"\(name)\"\(hint)")
            }
            guard names.insert(name).inserted else { throw .malformed("\"\(name)\" stands here twice") }
        }
        return names
    }

    private static func only(_ form: [String], in members: Set<String>) throws(RuleCaseFailure) {
        let others = members.subtracting(form).subtracting(remarks).sorted()
        guard let other = others.first else { return }
        throw .malformed("\"\(other)\" does not go with \(form.joined(separator: ", "))")
    }

    private static func member(_ name: String, _ line: JSONValue) throws(RuleCaseFailure) -> JSONValue {
        guard let value = line[name] else { throw .malformed("it needs \"\(name)\"") }
        return value
    }

    private static func bool(_ name: String, _ line: JSONValue) throws(RuleCaseFailure) -> Bool {
        guard let value = try member(name, line).bool else {
            throw .malformed("\"\(name)\" is true or false")
        }
        return value
    }

    private static func list(
        _ name: String, _ line: JSONValue, _ what: String
    ) throws(RuleCaseFailure) -> [JSONValue] {
        let value = try member(name, line)
        guard value.kind == .array else { throw .malformed("\"\(name)\" is a list of \(what)") }
        return Array(value.elements)
    }

    private static func names(_ name: String, _ line: JSONValue) throws(RuleCaseFailure) -> [String] {
        var names: [String] = []
        for element in try list(name, line, "names") {
            guard let text = element.string else { throw .malformed("\"\(name)\" is a list of names") }
            names.append(text)
        }
        return names
    }

    private static func name(_ hook: JSONValue) throws(RuleCaseFailure) -> String {
        guard let name = hook.string else { throw .malformed("\"hook\" is a name") }
        return name
    }

    private static func indices(_ line: JSONValue, below count: Int) throws(RuleCaseFailure) -> [Int] {
        var indices: [Int] = []
        for element in try list("matches", line, "indices") {
            guard let index = element.int, index >= 0 else {
                throw .malformed("\"matches\" is a list of indices, whole numbers from 0")
            }
            guard index < count else {
                throw .malformed("\"matches\" has the index \(index), but there are \(count) patterns")
            }
            indices.append(index)
        }
        return indices
    }

    private static func path(_ line: JSONValue) throws(RuleCaseFailure) -> String {
        guard let text = try member("path", line).string else { throw .malformed("\"path\" is a text") }
        return text
    }

    private static func admissible(_ line: JSONValue) throws(RuleCaseFailure) -> [JSONValue] {
        guard line["results"] != nil else {
            let result = try member("result", line)
            guard result.kind == .array else { throw .malformed("\"result\" is the list of selected values") }
            return [result]
        }
        let results = try list("results", line, "results")
        guard !results.isEmpty, results.allSatisfy({ $0.kind == .array }) else {
            throw .malformed("\"results\" is a list of admissible results, each a list of values")
        }
        return results
    }
}
