import ArgumentParser
import Config
import Relay

/// `receipts`: what sinks have settled.
struct ReceiptsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "receipts",
        abstract: "List what sinks have settled, newest first.",
        discussion: """
            A receipt tells of one delivery what the destination answered, or why it was skipped; there is \
            one where there is such a thing to tell, and for each deactivation and deletion. --settlements \
            lists what each transaction settled instead: how many deliveries, and how they ended. Both \
            outlive the events, for as long as journal.receipts says.

            Example:
              okta-relay receipts --sink crm --outcome skipped
              okta-relay receipts --settlements --sink users --since 1h
            """
    )

    @OptionGroup var file: ConfigOption
    @OptionGroup var page: PageOption
    @OptionGroup var output: OutputOption

    @Option(help: ArgumentHelp("Only this sink's.", valueName: "name"))
    var sink: String?

    @Option(help: "Only what ended so: delivered, superseded or skipped.")
    var outcome: SettledOutcome?

    @Option(help: ArgumentHelp("Only of this event, by Okta's uuid.", valueName: "uuid"))
    var event: String?

    @Option(help: ArgumentHelp("Only of removals of this user, by the id at Okta.", valueName: "id"))
    var user: String?

    @OptionGroup var time: TimeOption

    @Flag(help: "What each transaction settled, in numbers.")
    var settlements = false

    func validate() throws {
        try refuseEmpty([("--sink", sink), ("--event", event), ("--user", user)])
        guard settlements, event != nil || user != nil else { return }
        throw ValidationError("--event and --user are about single deliveries, and go without --settlements")
    }

    func run() async throws {
        let configuration = try ConfigurationFile.load(file.config)
        let now = SystemClock().now
        let filter = ReceiptFilter(
            sink: sink, outcome: outcome, eventID: event, user: user,
            since: time.since?.nanoseconds(now: now), until: time.until?.nanoseconds(now: now))
        let work = "looking through the receipts"
        if settlements {
            try await page.show(
                of: configuration, while: work, output, knowing: [.sink: sink], as: \.table, by: \.id
            ) { journal, page throws(JournalError) in try await journal.settlements(filter, page) }
        } else {
            try await page.show(
                of: configuration, while: work, output, knowing: [.sink: sink], as: \.table, by: \.id
            ) { journal, page throws(JournalError) in try await journal.receipts(filter, page) }
        }
    }
}

extension [SettlementRecord] {
    fileprivate var table: TextTable {
        var table = TextTable([
            .right("ID"), .left("AT"), .left("SINK"), .right("FIRST"), .right("LAST"), .right("DELIVERED"),
            .right("SUPERSEDED"), .right("SKIPPED"), .right("DEAD"),
        ])
        for record in self {
            table.add(
                String(record.id), Wording.time(record.at), record.sink, "\(record.first)", "\(record.last)",
                String(record.delivered), String(record.superseded), String(record.skipped),
                String(record.dead))
        }
        return table
    }
}

extension [ReceiptRecord] {
    fileprivate var table: TextTable {
        var table = TextTable([
            .right("ID"), .left("AT"), .left("SINK"), .left("OUTCOME"), .left("EVENT"), .left("WHAT"),
            .left("USER"), .left("ANSWER"),
        ])
        for record in self {
            table.add(
                String(record.id), Wording.time(record.at), record.sink,
                record.outcome?.rawValue ?? "unreadable", record.eventID ?? "-", record.operation ?? "-",
                record.userID ?? "-", record.detail ?? "-")
        }
        return table
    }
}
