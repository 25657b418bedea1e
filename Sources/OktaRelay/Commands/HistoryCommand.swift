import ArgumentParser
import Config
import JSON
import Relay

/// `history`: what became of a user's removals, and what operators did.
struct HistoryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history",
        abstract: "Show whether and when a user was removed from each sink, or what operators did.",
        discussion: """
            It reads the receipts, which outlive the events: each deactivation and deletion that a sink has \
            settled, and what of the user's is a dead letter or waits for another attempt. Exit code 1 where \
            nothing is known of the user.

            Example:
              okta-relay history --user 00u1abcd2EFGHIJKL3x4
              okta-relay history --operations --limit 20
            """
    )

    @OptionGroup var file: ConfigOption
    @OptionGroup var page: PageOption
    @OptionGroup var output: OutputOption

    @Option(help: ArgumentHelp("The user's id at Okta.", valueName: "id"))
    var user: String?

    @Option(help: ArgumentHelp("Only in this org, as the hooks name it.", valueName: "name"))
    var org: String?

    @Flag(help: "What operators did, newest first.")
    var operations = false

    func validate() throws {
        guard operations != (user != nil) else {
            throw ValidationError("name either --user or --operations")
        }
        guard user != nil || org == nil else { throw ValidationError("--org goes with --user") }
        guard operations || page.before == nil else {
            throw ValidationError("--before goes with --operations")
        }
    }

    func run() async throws {
        let configuration = try ConfigurationFile.load(file.config)
        if let user { try await show(user, configuration) } else { try await showOperations(configuration) }
    }

    private func show(_ user: String, _ configuration: RelayConfiguration) async throws {
        let records = try await Journals.ask(configuration) { journal throws(JournalError) in
            try await journal.history(user: user, org: org, limit: page.limit)
        }
        if output.json { Terminal.write(records.json) } else { Terminal.write(records.table) }
        if records.isEmpty {
            throw Terminal.failure(
                "nothing is known of \(user): no removal was settled, and nothing of theirs is dead or waits",
                .problems)
        }
    }

    private func showOperations(_ configuration: RelayConfiguration) async throws {
        let records = try await Journals.ask(configuration) { journal throws(JournalError) in
            try await journal.operations(page.request)
        }
        if output.json { Terminal.write(records.json) } else { Terminal.write(records.table) }
        page.noteNextPage(after: records.map(\.id))
    }
}

extension [HistoryRecord] {
    fileprivate var table: TextTable {
        var table = TextTable([
            .left("AT"), .left("SINK"), .left("OUTCOME"), .left("WHAT"), .left("ORG"), .left("EVENT"),
            .left("ANSWER"),
        ])
        for record in self {
            table.add(
                Wording.time(record.at), record.sink, record.outcome.word,
                record.operation ?? record.eventType ?? "-", record.org, record.eventID, record.detail ?? "-")
        }
        return table
    }
}

extension [OperationRecord] {
    fileprivate var table: TextTable {
        var table = TextTable([
            .right("ID"), .left("AT"), .left("COMMAND"), .left("SINK"), .right("ENTRIES"), .left("DETAIL"),
        ])
        for record in self {
            table.add(
                String(record.id), Wording.time(record.at), record.command, record.sink ?? "-",
                String(record.entries), record.detail)
        }
        return table
    }
}
