import ArgumentParser
import Config
import Foundation
import Relay

/// `quarantine`: what came in authenticated and could not be accepted as an event.
struct QuarantineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quarantine",
        abstract: "List, show and resubmit what came in authenticated and could not be accepted.",
        discussion: """
            Example:
              okta-relay quarantine list
              okta-relay quarantine show 3
              okta-relay quarantine resubmit --reason "event type not accepted"
            """,
        subcommands: [List.self, Show.self, Resubmit.self],
        defaultSubcommand: List.self
    )

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List quarantined inputs, newest first.",
            discussion: """
                --type and --user go by the bytes: what is not JSON, or expired, has neither.

                Example:
                  okta-relay quarantine list --json
                  okta-relay quarantine list --type "user.lifecycle.*"
                """
        )

        @OptionGroup var file: ConfigOption
        @OptionGroup var filter: QuarantineOptions
        @OptionGroup var page: PageOption
        @OptionGroup var output: OutputOption

        func run() async throws {
            let configuration = try ConfigurationFile.load(file.config)
            let filter = filter.filter(now: SystemClock().now)
            try await page.show(
                of: configuration, while: filter.looksAtBytes ? "looking through the bytes" : nil, output,
                knowing: [.hook: filter.hook], as: \.table, by: \.id
            ) { journal, page throws(JournalError) in try await journal.quarantine(filter, page) }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show one quarantined input with its bytes as they came.",
            discussion: """
                With --raw only the bytes are written, to a file for example.

                Example:
                  okta-relay quarantine show 3 --raw > input.json
                """
        )

        @OptionGroup var file: ConfigOption
        @OptionGroup var output: OutputOption

        @Flag(help: "Write the bytes alone.")
        var raw = false

        @Argument(help: "Its id, from the list.")
        var id: Int64

        func run() async throws {
            let configuration = try ConfigurationFile.load(file.config)
            let found = try await Journals.ask(configuration) { journal throws(JournalError) in
                try await journal.quarantined(id: id)
            }
            guard let record = found else {
                throw Terminal.failure("there is no quarantined input \(id)", .problems)
            }
            if raw {
                guard let bytes = record.bytes else {
                    throw Terminal.failure("the bytes of \(id) are no longer kept", .problems)
                }
                Terminal.write(exactly: bytes)
            } else if output.json {
                Terminal.write(record.json)
            } else {
                Terminal.write(record.text)
            }
        }
    }

    struct Resubmit: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Put quarantined inputs through today's hooks and rules again.",
            discussion: """
                What is accepted now leaves the quarantine and is routed like an event that has just come; \
                what the journal knows already is not delivered twice. The rest stays, with today's reason. \
                Exit code 1 where some stay.

                Example:
                  okta-relay quarantine resubmit 3
                  okta-relay quarantine resubmit --hook okta --since 1d --dry-run
                """
        )

        @OptionGroup var file: ConfigOption
        @OptionGroup var filter: QuarantineOptions
        @OptionGroup var selection: SelectionOptions
        @OptionGroup var output: OutputOption

        func validate() throws { try selection.check(isFiltered: !filter.isEmpty) }

        func run() async throws {
            let now = SystemClock().now
            let total = try await OperatorLink.open(ConfigurationFile.load(file.config)) { link in
                let steps = OperationSteps(
                    link: link, path: "/quarantine/resubmit", label: "resubmitting",
                    isDryRun: selection.dryRun)
                return try await steps.run { body in
                    filter.write(to: &body, now: now)
                    selection.write(to: &body)
                }
            }
            let summary = OperationSummary(
                total: total, isDryRun: selection.dryRun, verb: "accepted", noun: "quarantined input")
            try selection.report(summary, asJSON: output.json)
        }
    }
}

extension [QuarantineRecord] {
    var table: TextTable {
        var table = TextTable([
            .right("ID"), .left("RECEIVED"), .left("HOOK"), .left("REASON"), .right("SIZE"),
        ])
        for record in self {
            table.add(
                String(record.id), Wording.time(record.receivedAt), record.hook, record.reason,
                record.isExpired ? "expired" : Wording.size(record.sizeBytes))
        }
        return table
    }
}

extension QuarantineRecord {
    var text: String {
        """
        quarantined  \(id), received \(Wording.time(receivedAt)) by hook \(hook)
        reason       \(reason)
        size         \(Wording.size(sizeBytes))

        \(bytes.map { String(decoding: $0, as: UTF8.self) } ?? "its bytes are no longer kept")
        """
    }
}
