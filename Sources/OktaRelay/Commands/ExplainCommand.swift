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

            With --journal, today's rules are held against the events of the journal instead, beside a \
            running relay too: which would newly go to a sink, and which no longer; with --rule, also which \
            that rule would newly match, and which no longer, wherever they go. Disabled sinks take part.

            Example:
              okta-relay explain event.json --config sinks.json
              okta-relay explain --journal --since 7d --rule "staff to the CRM"
            """
    )

    @OptionGroup var file: ConfigOption
    @OptionGroup var output: OutputOption

    @Option(help: ArgumentHelp("The hook it came in through; without it, the first one.", valueName: "name"))
    var hook: String?

    @Flag(help: "Compare today's rules with the routes of the events in the journal.")
    var journal = false

    @Option(help: ArgumentHelp("With --journal: how far back; all that is kept.", valueName: "age"))
    var since: String?

    @Option(help: ArgumentHelp("With --journal: only this rule.", valueName: "name"))
    var rule: String?

    @Argument(help: ArgumentHelp("The event.", valueName: "event.json"))
    var event: String?

    func validate() throws {
        guard journal != (event != nil) else {
            throw ValidationError("name either the file of an event or --journal")
        }
        guard journal || (since == nil && rule == nil) else {
            throw ValidationError("--since and --rule go with --journal")
        }
        guard !journal || hook == nil else { throw ValidationError("--hook goes with an event's file") }
        if let since, DurationText.parse(since) == nil {
            throw ValidationError("--since is an age: \(DurationText.advice)")
        }
    }

    func run() async throws {
        let configuration = try ConfigurationFile.load(file.config)
        guard let event else { return try await compare(configuration) }
        try await explain(event, configuration)
    }

    // MARK: - The journal

    private func compare(_ configuration: RelayConfiguration) async throws {
        let clock = SystemClock()
        let age = since.flatMap(DurationText.parse)
        let start = age.map { clock.now - $0.nanoseconds } ?? 0
        let rule = rule
        let comparison = try await Journals.ask(configuration) { (journal) throws(JournalError) in
            try await Self.compare(RouteComparison(configuration, rule: rule), with: journal, since: start)
        }
        let names = configuration.rules.map(\.name)
        if let rule, !names.contains(rule), comparison.rows().isEmpty {
            let names = names.joined(separator: ", ")
            throw Terminal.failure("there is no rule \(rule); the config has \(names)", .problems)
        }
        if output.json {
            var writer = JSONWriter()
            writer.object { comparison.write(to: &$0) }
            Terminal.write(writer.bytes)
        } else {
            Terminal.write(comparison.text)
        }
    }

    /// Goes through the journal page by page.
    static func compare(
        _ empty: RouteComparison, with journal: any JournalInspection, since start: Int64
    ) async throws(JournalError) -> RouteComparison {
        var comparison = empty
        var bar = ProgressBar("comparing")
        var position = Offset.zero
        var horizon: Offset?
        while true {
            let page = try await journal.storedEvents(
                after: position, through: horizon ?? Offset(rawValue: .max), since: start)
            for event in page.events { comparison.add(event) }
            // A relay that runs goes on appending; what comes in meanwhile is left alone.
            let last = horizon ?? page.horizon
            horizon = last
            position = page.end
            guard position < last else { break }
            bar.show(Double(position.rawValue) / Double(max(last.rawValue, 1)))
        }
        bar.finish()
        return comparison
    }

    // MARK: - One file

    private func explain(_ file: String, _ configuration: RelayConfiguration) async throws {
        let hook = try chosenHook(configuration)
        let bodies = try EventFile.bodies(file)
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
                Terminal.note("\(file): an element would be quarantined: \(error.rawValue)")
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
