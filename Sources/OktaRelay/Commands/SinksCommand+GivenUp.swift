import ArgumentParser
import Config
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
                again; --since and --until go by the same times, of which a range has to have some. Ranges \
                are kept as long as receipts, those of sinks that are gone, too.

                Example:
                  okta-relay sinks given-up crm
                  okta-relay sinks given-up --since 30d --reason maxSize
                  okta-relay replay --sink crm --since 2026-11-01T09:00:00Z --until 2026-11-03T07:30:00Z
                """
        )

        @OptionGroup var file: ConfigOption
        @OptionGroup var page: PageOption
        @OptionGroup var output: OutputOption

        @Argument(help: ArgumentHelp("Only this sink's.", valueName: "name"))
        var name: String?

        @Option(help: ArgumentHelp("Only those whose reason has this in it.", valueName: "text"))
        var reason: String?

        @OptionGroup var time: TimeOption

        func validate() throws { try refuseEmpty([("the sink's name", name), ("--reason", reason)]) }

        func run() async throws {
            let configuration = try ConfigurationFile.load(file.config)
            let now = SystemClock().now
            let filter = DetachedFilter(
                sink: name, reason: reason, since: time.since?.nanoseconds(now: now),
                until: time.until?.nanoseconds(now: now))
            try await page.show(
                of: configuration, while: nil, output, knowing: [.sink: name], as: \.table, by: \.id
            ) { journal, page throws(JournalError) in try await journal.detached(filter, page) }
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
