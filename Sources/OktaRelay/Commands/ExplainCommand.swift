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
            "Show which rules an event matches, and the first condition that fails in those it does not.",
        discussion: """
            The file holds one LogEvent or a whole event-hook envelope; - reads standard input. Nothing \
            is sent and nothing is written.

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
        var explanations: [Explanation] = []
        for body in bodies {
            do {
                let event = try Event(
                    body: body, hook: hook.name, org: hook.org, receivedAt: SystemClock().now)
                explanations.append(Explanation(event, hook: hook, table: table, disabled: disabled))
            } catch {
                Terminal.note("\(self.event): an element would be quarantined: \(error.rawValue)")
            }
        }
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

/// What becomes of one event.
struct Explanation {
    /// One rule's verdict.
    struct Verdict: Equatable {
        let rule: String
        /// Nil where it matches.
        let mismatch: String?
        let sinks: [String]
    }

    let event: Event
    let isAccepted: Bool
    let verdicts: [Verdict]
    let route: Route
    /// The sinks of the route that are disabled, which get nothing.
    let disabled: Set<String>

    init(_ event: Event, hook: HookConfiguration, table: RuleTable, disabled: Set<String> = []) {
        self.disabled = disabled
        self.event = event
        isAccepted = hook.events?.contains { $0.matches(event.type) } ?? true
        let facts = event.routingFacts
        verdicts = table.rules.map { rule in
            Verdict(
                rule: rule.name, mismatch: table.explain(rule, facts, event: event.body.root),
                sinks: rule.sinks)
        }
        route = isAccepted ? table.route(facts, event: event.body.root) : Route(choices: [])
    }

    var text: String {
        let meaning = event.meaning
        var lines = [
            "event      \(event.id), \(event.type)",
            "user       \(event.user?.id ?? "none")",
            "operation  \(meaning.operation.rawValue)"
                + (meaning.isEffective ? "" : " (with this outcome it has no effect)"),
            "",
        ]
        if !isAccepted { lines.append("quarantined: the hook does not accept this event type") }
        var rules = TextTable([.left("RULE"), .left("MATCHES"), .left("WHY NOT")])
        for verdict in verdicts {
            rules.add(verdict.rule, verdict.mismatch == nil ? "yes" : "no", verdict.mismatch ?? "")
        }
        lines.append(rules.text())
        lines.append("")
        if route.isUnrouted {
            lines.append("goes nowhere: it would be kept as unrouted")
        } else {
            var sinks = TextTable([.left("SINK"), .left("BY RULE"), .left("NOTE")])
            for choice in route.choices {
                sinks.add(
                    choice.sink, choice.rule, disabled.contains(choice.sink) ? "disabled: gets nothing" : "")
            }
            lines.append(sinks.text())
        }
        return lines.joined(separator: "\n")
    }

    func write(to writer: inout JSONWriter) {
        writer.member("id", event.id)
        writer.member("eventType", event.type)
        writer.member("userID", event.user?.id)
        writer.member("operation", event.meaning.operation.rawValue)
        writer.member("accepted", isAccepted)
        writer.name("rules")
        writer.array { list in
            for verdict in verdicts {
                list.object { rule in
                    rule.member("rule", verdict.rule)
                    rule.member("matches", verdict.mismatch == nil)
                    if let mismatch = verdict.mismatch { rule.member("why", mismatch) }
                }
            }
        }
        writer.name("sinks")
        writer.array { list in
            for choice in route.choices {
                list.object { sink in
                    sink.member("sink", choice.sink)
                    sink.member("rule", choice.rule)
                    sink.member("enabled", !disabled.contains(choice.sink))
                }
            }
        }
    }
}
