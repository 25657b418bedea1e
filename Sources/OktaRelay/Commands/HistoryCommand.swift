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
            settled, as delivered, superseded or skipped; and what of the user's is a dead letter or waits. \
            What waits is looked through for the user, the newest first, up to a bound: the answer tells for \
            which sinks that was not all, and which sinks were not given events that may have been the \
            user's. Of each kind, removals, dead letters and what waits, it shows the newest, as many as \
            --limit says, and tells where there are more. Exit code 1 where nothing is known of the user.

            Example:
              okta-relay history --user 00u1abcd2EFGHIJKL3x4
              okta-relay history --user 00u1abcd2EFGHIJKL3x4 --sink crm --since 30d
              okta-relay history --operations --sink crm --limit 20
            """
    )

    @OptionGroup var file: ConfigOption
    @OptionGroup var size: LimitOption
    @OptionGroup var output: OutputOption

    @Option(help: ArgumentHelp("The user's id at Okta.", valueName: "id"))
    var user: String?

    @Option(help: ArgumentHelp("Only in this org, as the hooks name it.", valueName: "name"))
    var org: String?

    @Option(help: ArgumentHelp("Only this sink's.", valueName: "name"))
    var sink: String?

    @OptionGroup var time: TimeOption

    @Option(help: ArgumentHelp("The next page, as the end of one says.", valueName: "place"))
    var before: String?

    @Flag(help: "What operators did, newest first.")
    var operations = false

    func validate() throws {
        guard operations != (user != nil) else {
            throw ValidationError("name either --user or --operations")
        }
        try refuseEmpty([("--user", user), ("--org", org), ("--sink", sink)])
        guard user != nil || org == nil else { throw ValidationError("--org goes with --user") }
        guard let before else { return }
        guard operations ? Int64(before) != nil : HistoryPlace(before) != nil else {
            throw ValidationError("--before is what the end of a page names, as it is there")
        }
    }

    func run() async throws {
        let configuration = try ConfigurationFile.load(file.config)
        if let user { try await show(user, configuration) } else { try await showOperations(configuration) }
    }

    private func show(_ user: String, _ configuration: RelayConfiguration) async throws {
        let now = SystemClock().now
        let filter = HistoryFilter(
            user: user, org: org, sink: sink, since: time.since?.nanoseconds(now: now),
            until: time.until?.nanoseconds(now: now))
        var bar = ProgressBar("history")
        defer { bar.finish() }
        bar.show("looking through what waits")
        let history = try await Journals.ask(configuration) { journal throws(JournalError) in
            try await journal.history(
                filter, before: before.flatMap { HistoryPlace($0) }, limit: size.limit,
                lookedAtMax: WaitingLook.eventsMax)
        }
        bar.finish()
        if history.records.isEmpty {
            try await Journals.know([.sink: sink, .org: org], configuration)
        }
        if output.json { Terminal.write(history.json) } else { Terminal.write(history.text(of: user)) }
        if history.records.isEmpty { throw ExitStatus.problems.code }
    }

    private func showOperations(_ configuration: RelayConfiguration) async throws {
        let now = SystemClock().now
        let filter = OperationFilter(
            sink: sink, since: time.since?.nanoseconds(now: now), until: time.until?.nanoseconds(now: now))
        let records = try await Journals.ask(configuration) { journal throws(JournalError) in
            try await journal.operations(
                filter, PageRequest(before: before.flatMap { Int64($0) }, limit: size.limit).andOneMore)
        }
        if records.isEmpty { try await Journals.know([.sink: sink], configuration) }
        let shown = size.page(of: records)
        if output.json { Terminal.write(shown.json) } else { Terminal.write(shown.table) }
        size.noteNextPage(after: records.map(\.id))
    }
}

extension UserHistory {
    /// The records, and how far they can be relied on.
    func text(of user: String) -> String {
        var lines = [
            records.isEmpty
                ? "nothing was found of \(user): no receipt of a removal, no dead letter, nothing that waits"
                : records.table.text(isHeadingBold: Terminal.isInteractive)
        ]
        if let next { lines.append("there is more: --before \(next) shows it") }
        if let receiptsSince {
            lines.append("receipts of before \(Wording.time(receiptsSince)) are not kept any more")
        }
        lines.append("looked through, of what waits: \(Wording.count(waiting.lookedAt, "event"))")
        for sink in waiting.notLookedAt {
            lines.append("older events wait for \(sink) that were not looked at: some may be theirs")
        }
        for entries in givenUp {
            let (since, until) = (entries.replaySpan.lowerBound, entries.replaySpan.upperBound)
            lines.append(
                """
                \(entries.sink) was not given \(Wording.count(entries.entries, "event")) of \
                \(Wording.time(since)) to \(Wording.time(until)): some may be theirs
                """)
        }
        return lines.joined(separator: "\n")
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
                String(record.entries), record.detail ?? "unreadable")
        }
        return table
    }
}
