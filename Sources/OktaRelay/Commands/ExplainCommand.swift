import ArgumentParser
import Config
import JSON
import Relay
import Rules

/// `explain`: which rules an event matches, which not and why, and where it would go.
struct ExplainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract:
            "Show which rules an event matches, why others do not, and what each sink would get.",
        discussion: """
            The file holds one LogEvent or a whole event-hook envelope; - reads standard input. For each \
            sink the row or the request is shown as it would be for an event that is the newest of its \
            user, with secrets as ***. Nothing is sent and nothing is written.

            Example:
              okta-relay explain event.json --config sinks.json
            """
    )

    @OptionGroup var file: ConfigOption
    @OptionGroup var output: OutputOption

    @Option(help: ArgumentHelp("The hook it came in through; without it, the first one.", valueName: "name"))
    var hook: String?

    @Argument(help: ArgumentHelp("The event.", valueName: "event.json"))
    var event: String

    func run() async throws {
        let configuration = try ConfigurationFile.load(file.config)
        let hook = try chosenHook(configuration)
        let bodies = try EventFile.bodies(event)
        let table = RuleTable(configuration.rules)
        let disabled = Set(configuration.sinks.filter { !$0.isEnabled }.map(\.name))
        let previews = SinkPreviews(configuration)
        var explanations: [Explanation] = []
        for body in bodies {
            do {
                let event = try Event(
                    body: body, hook: hook.name, org: hook.org, receivedAt: SystemClock().now)
                explanations.append(
                    Explanation(event, hook: hook, table: table, disabled: disabled, previews: previews))
            } catch {
                Terminal.note("\(self.event): an element would be quarantined: \(error.rawValue)")
            }
        }
        await previews.shutdown()
        if output.json {
            var writer = JSONWriter()
            writer.array { list in
                for explanation in explanations { list.object { explanation.write(to: &$0) } }
            }
            Terminal.write(writer.bytes)
        } else {
            Terminal.write(explanations.map(\.text).joined(separator: "\n\n"))
        }
        if explanations.count < bodies.count { throw ExitStatus.problems.code }
    }

    private func chosenHook(_ configuration: RelayConfiguration) throws -> HookConfiguration {
        guard let hook else {
            guard let first = configuration.hooks.first else {
                throw Terminal.failure("\(file.config) has no hook", .problems)
            }
            return first
        }
        guard let named = configuration.hooks.first(where: { $0.name == hook }) else {
            let names = configuration.hooks.map(\.name).joined(separator: ", ")
            throw Terminal.failure("there is no hook \(hook); the config has \(names)", .problems)
        }
        return named
    }
}
