import ArgumentParser

/// The `okta-relay` executable: every command is one file in `Commands`, and `OktaRelay+build.swift` puts the
/// relay together that `serve` runs.
@main
struct OktaRelayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "okta-relay",
        abstract:
            "Keeps other user stores in step with Okta: receives event hooks, delivers to SQL and HTTP.",
        discussion: """
            A first try, with the SQLite example:
              okta-relay serve --init --config sinks.example.json

            Exit codes of every command: 0 it went well, 1 it found problems (a mistake in the config, an \
            event that was not acknowledged, a record that is not there), 2 it could not do its work (a \
            file that cannot be read, a relay that cannot start), 64 it was called wrongly.
            """,
        subcommands: [
            ServeCommand.self, CheckCommand.self, ExplainCommand.self, SimulateCommand.self,
            TestRulesCommand.self, StatusCommand.self, SinksCommand.self, EventsCommand.self,
            DeadLettersCommand.self, QuarantineCommand.self, ReplayCommand.self, HistoryCommand.self,
            ReceiptsCommand.self, JournalCommand.self, SchemaCommand.self,
        ]
    )
}

/// `--config`, where a command needs the config file.
struct ConfigOption: ParsableArguments {
    @Option(name: [.customShort("c"), .long], help: ArgumentHelp("The config file.", valueName: "file"))
    var config = "sinks.json"
}

/// `--json`, where a command prints something that scripts may want.
struct OutputOption: ParsableArguments {
    @Flag(help: "Write JSON, for scripts.")
    var json = false
}

/// `--limit`, where a command lists records newest first.
struct LimitOption: ParsableArguments {
    @Option(help: ArgumentHelp("Records to list, 1 to 1000.", valueName: "count"))
    var limit = 50

    func validate() throws {
        guard (1...1_000).contains(limit) else { throw ValidationError("--limit is 1 to 1000, not \(limit)") }
    }
}

/// `--limit` and `--before`, where records have numbers.
struct PageOption: ParsableArguments {
    @OptionGroup var size: LimitOption

    @Option(help: ArgumentHelp("Only records with a smaller id: the next page.", valueName: "id"))
    var before: Int64?

    var limit: Int { size.limit }
}
