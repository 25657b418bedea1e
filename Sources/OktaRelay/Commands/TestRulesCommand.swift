import ArgumentParser
import Config
import JSON
import Relay
import Rules

/// `test`: runs a file of cases that people keep for their own rules.
struct TestRulesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "test",
        abstract: "Run your own test cases for rules, patterns and paths.",
        discussion: """
            A case is one line of JSON. {"id": "leavers", "event": {…}, "sinks": ["crm"]} says where an \
            event must go by the config's rules; {"id": "eng", "pattern": {…}, "event": {…}, "match": \
            true} tries a pattern by itself, {"id": "login", "path": "$.…", "document": {…}, "result": \
            […]} a path; "hook" names the hook that an event comes through. docs/RULES.md has all forms. \
            A cases file of - reads standard input. Exit code 1 when a case does not hold.

            Example:
              okta-relay test rules-tests.jsonl --config sinks.json
            """
    )

    @OptionGroup var file: ConfigOption
    @OptionGroup var output: OutputOption

    @Argument(help: ArgumentHelp("The cases, one a line.", valueName: "cases.jsonl"))
    var cases: String

    func run() async throws {
        let lines = CaseFile.lines(try ConfigurationFile.read(cases))
        let needsConfig = lines.contains { (try? JSONDocument($0.bytes))?.root["sinks"] != nil }
        // A CI machine has none of the secrets, and rules need none.
        let configuration =
            needsConfig ? try ConfigurationFile.load(file.config, toleratesUnset: true) : nil
        let runner = RuleCaseRunner(router: configuration.map(Self.router))
        let results = await Self.run(lines, with: runner)
        let failures = results.filter { !$0.result.passes }

        if output.json {
            Terminal.write(Self.json(results))
        } else {
            for (line, result) in failures {
                let name = result.id.map { "\($0): " } ?? ""
                Terminal.write("\(cases):\(line): \(name)\(result.failure?.description ?? "")")
            }
            Terminal.write(Self.summary(results.map(\.result)))
        }
        if !failures.isEmpty || results.isEmpty { throw ExitStatus.problems.code }
    }

    /// A file without a case has proved nothing, and fails too.
    static func summary(_ results: [RuleCaseResult]) -> String {
        guard !results.isEmpty else { return "no cases: nothing was tried" }
        let failures = results.compactMap(\.failure)
        let malformed = failures.count(where: \.isMalformed)
        return "\(results.count - failures.count) passed, \(failures.count) failed"
            + (malformed == 0 ? "" : " (\(malformed) of them are not cases)")
    }

    /// Runs the lines on all processors; the results come in the lines' order.
    private static func run(
        _ lines: [CaseFile.Line], with runner: RuleCaseRunner
    ) async -> [(line: Int, result: RuleCaseResult)] {
        let starts = Array(stride(from: 0, to: lines.count, by: 500))
        return await withTaskGroup(of: (start: Int, results: [RuleCaseResult]).self) { group in
            for start in starts {
                let part = lines[start..<min(start + 500, lines.count)]
                group.addTask { (start, part.map { runner.run($0.bytes) }) }
            }
            var bar = ProgressBar("testing")
            var parts: [Int: [RuleCaseResult]] = [:]
            for await part in group {
                parts[part.start] = part.results
                bar.show(Double(parts.count) / Double(starts.count))
            }
            bar.finish()
            let results = starts.flatMap { parts[$0] ?? [] }
            return zip(lines, results).map { (line: $0.number, result: $1) }
        }
    }

    /// Routes an event as the config's hooks would.
    static func router(_ configuration: RelayConfiguration) -> RuleCaseRunner.Router {
        let table = RuleTable(configuration.rules)
        let hooks = configuration.hooks
        return { (value, name) throws(RuleCaseFailure) in
            guard let hook = name == nil ? hooks.first : hooks.first(where: { $0.name == name }) else {
                let names = hooks.map(\.name).joined(separator: ", ")
                throw RuleCaseFailure("there is no such hook; the config has \(names)")
            }
            let event: Event
            do {
                event = try Event(
                    body: JSONDocument(Self.withUUID(value)), hook: hook.name, org: hook.org, receivedAt: 0)
            } catch let defect as EventDefect {
                throw RuleCaseFailure("the event would be quarantined: \(defect.rawValue)")
            } catch {
                throw RuleCaseFailure("the event would be quarantined: \(error)")
            }
            guard hook.events?.contains(where: { $0.matches(event.type) }) ?? true else { return [] }
            return table.route(event.routingFacts, event: event.body.root).choices.map(\.sink)
        }
    }

    /// The event's text; who writes a case by hand may leave the `uuid` out.
    private static func withUUID(_ event: JSONValue) -> [UInt8] {
        guard event.kind == .object, event["uuid"] == nil else { return Array(event.raw) }
        let isEmpty = event.members.first { _ in true } == nil
        return Array("{\"uuid\":\"test\"\(isEmpty ? "" : ",")".utf8) + event.raw.dropFirst()
    }

    private static func json(_ results: [(line: Int, result: RuleCaseResult)]) -> [UInt8] {
        var writer = JSONWriter()
        writer.array { list in
            for (line, result) in results {
                list.object { object in
                    object.member("line", line)
                    object.member("id", result.id)
                    object.member("passes", result.passes)
                    object.member("difference", result.failure?.description)
                    object.member("malformed", result.failure?.isMalformed ?? false)
                }
            }
        }
        return writer.bytes
    }
}

/// A file with one JSON text a line; blank lines don't count.
enum CaseFile {
    struct Line: Sendable {
        /// From 1.
        let number: Int
        let bytes: [UInt8]
    }

    static func lines(_ bytes: [UInt8]) -> [Line] {
        bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated()
            .compactMap { index, line in
                guard line.contains(where: { $0 > UInt8(ascii: " ") }) else { return nil }
                return Line(number: index + 1, bytes: Array(line))
            }
    }
}
