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
            […]} a path. Exit code 1 when a case does not hold.

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
        let configuration = needsConfig ? try ConfigurationFile.load(file.config) : nil
        let runner = RuleCaseRunner(router: configuration.map(Self.router))
        let results = lines.map { (line: $0.number, result: runner.run($0.bytes)) }
        let failures = results.filter { !$0.result.passes }

        if output.json {
            Terminal.write(Self.json(results))
        } else {
            for (line, result) in failures {
                let name = result.id.map { "\($0): " } ?? ""
                Terminal.write("\(cases):\(line): \(name)\(result.difference ?? "")")
            }
            Terminal.write("\(results.count - failures.count) passed, \(failures.count) failed")
        }
        if !failures.isEmpty { throw ExitStatus.problems.code }
    }

    /// Routes an event as the config's first hook would.
    private static func router(_ configuration: RelayConfiguration) -> RuleCaseRunner.Router {
        let table = RuleTable(configuration.rules)
        let hook = configuration.hooks.first
        return { (value) throws(RuleCaseFailure) in
            let event: Event
            do {
                event = try Event(
                    body: JSONDocument(Array(value.raw)), hook: hook?.name ?? "", org: hook?.org ?? "",
                    receivedAt: 0)
            } catch {
                throw RuleCaseFailure("the event would be quarantined: \(error)")
            }
            return table.route(event.routingFacts, event: event.body.root).choices.map(\.sink)
        }
    }

    private static func json(_ results: [(line: Int, result: RuleCaseResult)]) -> [UInt8] {
        var writer = JSONWriter()
        writer.array { list in
            for (line, result) in results {
                list.object { object in
                    object.member("line", line)
                    object.member("id", result.id)
                    object.member("passes", result.passes)
                    object.member("difference", result.difference)
                }
            }
        }
        return writer.bytes
    }
}

/// A file with one JSON text a line; blank lines don't count.
enum CaseFile {
    static func lines(_ bytes: [UInt8]) -> [(number: Int, bytes: [UInt8])] {
        bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated()
            .map { (number: $0.offset + 1, bytes: Array($0.element)) }
            .filter { line in line.bytes.contains { $0 > UInt8(ascii: " ") } }
    }
}
