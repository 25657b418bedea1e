import ArgumentParser
import Config
import Relay
import Rules

/// `dead-letters`: deliveries that were given up on.
struct DeadLettersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dead-letters",
        abstract: "List, show, send again and discard deliveries that were given up on.",
        discussion: """
            Example:
              okta-relay dead-letters list --sink crm
              okta-relay dead-letters show 17
              okta-relay dead-letters redrive --sink crm --error "HTTP 422"
            """,
        subcommands: [List.self, Show.self, Redrive.self, Discard.self],
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
        @OptionGroup var filter: DeadLetterOptions
        @OptionGroup var page: PageOption
        @OptionGroup var output: OutputOption

        func run() async throws {
            let configuration = try ConfigurationFile.load(file.config)
            let filter = filter.filter(now: SystemClock().now)
            try await page.show(
                of: configuration, while: "looking through the dead letters", output,
                knowing: [.sink: filter.sink, .rule: filter.rule], as: \.table, by: \.id
            ) { journal, page throws(JournalError) in try await journal.deadLetters(filter, page) }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show one dead letter: its attempts, and the event while its bytes are kept.",
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

    struct Redrive: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Send dead letters again, each to its sink.",
            discussion: """
                Each becomes a delivery at the log's end and leaves the list; what fails again comes back as \
                a new dead letter. Those whose bytes are no longer kept stay. Exit code 1 where some stay.

                Example:
                  okta-relay dead-letters redrive 17 18
                  okta-relay dead-letters redrive --sink crm --since 2d --dry-run
                """
        )

        @OptionGroup var file: ConfigOption
        @OptionGroup var filter: DeadLetterOptions
        @OptionGroup var selection: SelectionOptions
        @OptionGroup var output: OutputOption

        func validate() throws { try selection.check(isFiltered: !filter.isEmpty) }

        func run() async throws {
            let summary = try await selection.change(
                filter, ConfigurationFile.load(file.config), verb: "redrive", done: "redriven")
            try selection.report(summary, asJSON: output.json)
        }
    }

    struct Discard: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take dead letters out for good.",
            discussion: """
                They are counted as dead all the same. That it was done is noted: see history --operations.

                Example:
                  okta-relay dead-letters discard --sink chat --until 30d
                """
        )

        @OptionGroup var file: ConfigOption
        @OptionGroup var filter: DeadLetterOptions
        @OptionGroup var selection: SelectionOptions
        @OptionGroup var output: OutputOption

        func validate() throws { try selection.check(isFiltered: !filter.isEmpty) }

        func run() async throws {
            let summary = try await selection.change(
                filter, ConfigurationFile.load(file.config), verb: "discard", done: "discarded")
            try selection.report(summary, asJSON: output.json)
        }
    }
}

extension SelectionOptions {
    /// Does something to dead letters.
    fileprivate func change(
        _ filter: DeadLetterOptions, _ configuration: RelayConfiguration, verb: String, done: String
    ) async throws -> OperationSummary {
        let now = SystemClock().now
        let total = try await OperatorLink.open(configuration) { link in
            let steps = OperationSteps(
                link: link, path: "/dead-letters/\(verb)", label: done, isDryRun: dryRun)
            return try await steps.run { body in
                filter.write(to: &body, now: now)
                write(to: &body)
            }
        }
        return OperationSummary(total: total, isDryRun: dryRun, verb: done, noun: "dead letter")
    }
}

extension [DeadLetterRecord] {
    var table: TextTable {
        var table = TextTable([
            .right("ID"), .left("DIED"), .left("SINK"), .left("EVENT TYPE"), .left("EVENT"),
            .right("ATTEMPTS"), .left("KEPT"), .left("LAST ERROR"),
        ])
        for record in self {
            table.add(
                String(record.id), Wording.time(record.diedAt), record.sink, record.eventType, record.eventID,
                String(record.attemptCount), record.isExpired ? "expired" : "yes",
                record.failures.last?.reason ?? "-")
        }
        return table
    }
}

extension DeadLetterRecord {
    var text: String {
        var attempts = TextTable([
            .right("ATTEMPT"), .left("AT"), .right("TOOK"), .right("STATUS"), .left("ERROR"),
        ])
        for failure in failures {
            attempts.add(
                String(failure.number), Wording.time(failure.at), failure.took.map(Wording.duration) ?? "-",
                failure.status.map { String($0) } ?? "-", failure.reason)
        }
        let leftOut =
            attemptsLeftOut > 0
            ? """


            \(Wording.count(attemptsLeftOut, "attempt")) of \(attemptCount) \
            \(attemptsLeftOut == 1 ? "is" : "are") not kept any more, or with another event that went along
            """ : ""
        let event = body.map { String(decoding: $0, as: UTF8.self) } ?? "its bytes are no longer kept"
        return """
            dead letter  \(id), since \(Wording.time(diedAt))
            sink         \(sink), by rule \(rule)
            event        \(eventID), \(eventType)
            user         \(userID ?? "-")

            \(attempts.text())\(leftOut)

            \(event)
            """
    }
}
