import ArgumentParser
import Config
import JSON
import Relay

extension SinksCommand {
    /// `sinks given-up`: what sinks will never get.
    struct GivenUp: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "given-up",
            abstract: "List what sinks will never get, newest first: ranges with their reason and times.",
            discussion: """
                A sink that stays behind too long gives up its oldest events, and so does one that is moved \
                on or dropped. SINCE and UNTIL are what a replay has to be given to send all of a range \
                again. Ranges are kept as long as receipts, those of sinks that are gone, too.

                Example:
                  okta-relay sinks given-up crm
                  okta-relay replay --sink crm --since 2026-11-01T09:00:00Z --until 2026-11-03T07:30:00Z
                """
        )

        @OptionGroup var file: ConfigOption
        @OptionGroup var page: PageOption
        @OptionGroup var output: OutputOption

        @Argument(help: ArgumentHelp("Only this sink's.", valueName: "name"))
        var name: String?

        func run() async throws {
            let configuration = try ConfigurationFile.load(file.config)
            let ranges = try await Journals.ask(configuration) { journal throws(JournalError) in
                try await journal.detached(sink: name, page.request)
            }
            if let name, ranges.isEmpty { try await Journals.know(name, configuration) }
            if output.json { Terminal.write(ranges.json) } else { Terminal.write(ranges.table) }
            page.noteNextPage(after: ranges.map(\.id))
        }
    }
}

extension [DetachedRange] {
    var table: TextTable {
        var table = TextTable([
            .right("ID"), .left("AT"), .left("SINK"), .right("EVENTS"), .right("OFFSETS"), .left("SINCE"),
            .left("UNTIL"), .left("REASON"),
        ])
        for range in self {
            table.add(
                String(range.id), Wording.time(range.at), range.sink, String(range.entries),
                "\(range.offsets.lowerBound)-\(range.offsets.upperBound)",
                Wording.time(range.replaySpan.lowerBound), Wording.time(range.replaySpan.upperBound),
                range.reason)
        }
        return table
    }
}

/// What a resume did, for a person.
struct ResumeText {
    let text: String

    /// - Parameter answer: The admin API's to a resume.
    init(_ sink: String, _ answer: JSONValue) {
        guard let hold = answer["was"]?.string else {
            text = "\(sink) was not held"
            return
        }
        let isExempt = answer["exemptTo"].map { !$0.isNull } ?? false
        let waited = isExempt ? "passes whatever its limits" : "is counted by its limits"
        text = "\(sink) was \(hold), and goes on; what waited \(waited)"
    }
}

/// What a resume would let go on, for a person.
struct WaitingText {
    let text: String

    /// - Parameter answer: The admin API's to a resume that is only tried.
    init(_ sink: String, _ answer: JSONValue) {
        guard let hold = answer["was"]?.string else {
            text = "\(sink) is not held"
            return
        }
        let (waiting, lookedAt) = (answer["waiting"]?.int ?? 0, answer["lookedAt"]?.int ?? 0)
        var lines = ["\(sink) is \(hold): \(TextTable.printable(answer["reason"]?.string ?? "-"))"]
        let effect = hold == SinkHold.Kind.tripped.rawValue ? "pass whatever" : "be counted by"
        lines.append("would \(effect) its limits: \(Wording.count(waiting, "event"))")
        for (operation, count) in answer["operations"]?.members.map({ $0 }) ?? [] {
            lines.append("  \(operation.string ?? ""): \(count.int ?? 0)")
        }
        if lookedAt < waiting { lines.append("only the oldest \(lookedAt) of them were looked at") }
        text = lines.joined(separator: "\n")
    }
}
