import ArgumentParser
import Config
import Relay

/// `dead-letters`: deliveries that were given up on.
struct DeadLettersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dead-letters",
        abstract: "List and show deliveries that were given up on.",
        discussion: """
            Example:
              okta-relay dead-letters list --sink crm
              okta-relay dead-letters show 17
            """,
        subcommands: [List.self, Show.self],
        defaultSubcommand: List.self
    )

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List dead letters, newest first.",
            discussion: """
                Example:
                  okta-relay dead-letters list --sink crm --limit 20
                """
        )

        @OptionGroup var file: ConfigOption
        @OptionGroup var page: PageOption
        @OptionGroup var output: OutputOption

        @Option(help: ArgumentHelp("Only this sink's.", valueName: "name"))
        var sink: String?

        func run() async throws {
            let configuration = try ConfigurationFile.load(file.config)
            if let sink, !configuration.sinks.contains(where: { $0.name == sink }) {
                Terminal.note(
                    "there is no sink \(sink) in \(file.config); looking in the journal all the same")
            }
            let records = try await Journals.ask(configuration) { journal throws(JournalError) in
                try await journal.deadLetters(sink: sink, page.request)
            }
            if output.json { Terminal.write(records.json) } else { Terminal.write(records.table) }
            page.noteNextPage(after: records.map(\.id))
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show one dead letter: every attempt, and the event while its bytes are kept.",
            discussion: """
                Example:
                  okta-relay dead-letters show 17
                """
        )

        @OptionGroup var file: ConfigOption
        @OptionGroup var output: OutputOption

        @Argument(help: "Its id, from the list.")
        var id: Int64

        func run() async throws {
            let configuration = try ConfigurationFile.load(file.config)
            let found = try await Journals.ask(configuration) { journal throws(JournalError) in
                try await journal.deadLetter(id: id)
            }
            guard let record = found else {
                throw Terminal.failure("there is no dead letter \(id)", .problems)
            }
            if output.json { Terminal.write(record.json) } else { Terminal.write(record.text) }
        }
    }
}

extension [DeadLetterRecord] {
    var table: TextTable {
        var table = TextTable([
            .right("ID"), .left("DIED"), .left("SINK"), .left("EVENT TYPE"), .left("EVENT"),
            .right("ATTEMPTS"),
            .left("LAST ERROR"),
        ])
        for record in self {
            table.add(
                String(record.id), Wording.time(record.diedAt), record.sink, record.eventType, record.eventID,
                String(record.failures.count), record.failures.last?.reason ?? "-")
        }
        return table
    }
}

extension DeadLetterRecord {
    var text: String {
        var attempts = TextTable([.right("ATTEMPT"), .left("AT"), .left("ERROR")])
        for failure in failures {
            attempts.add(String(failure.number), Wording.time(failure.at), failure.reason)
        }
        let event = body.map { String(decoding: $0, as: UTF8.self) } ?? "its bytes are no longer kept"
        return """
            dead letter  \(id), since \(Wording.time(diedAt))
            sink         \(sink), by rule \(rule)
            event        \(eventID), \(eventType)

            \(attempts.text())

            \(event)
            """
    }
}
