import ArgumentParser
import Config
import JSON
import Relay

extension ReplayCommand {
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List replays, newest first, and how far each is.",
            discussion: """
                It reads the journal, whether or not a relay runs; the newest 100. One that waits has a sink \
                that is not delivered to.

                Example:
                  okta-relay replay list
                """
        )

        @OptionGroup var file: ConfigOption
        @OptionGroup var output: OutputOption

        func run() async throws {
            let configuration = try ConfigurationFile.load(file.config)
            let replays = try await Journals.ask(configuration) { journal throws(JournalError) in
                try await journal.replays()
            }
            guard !output.json else { return Terminal.write(replays.json) }
            Terminal.write(replays.table(delivered: Set(configuration.enabledSinks.map(\.name))))
        }
    }

    struct Cancel: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "End a replay where it stands.",
            discussion: """
                It sends no further events again. Those that it has appended already are delivered; sinks \
                seek gives them up.

                Example:
                  okta-relay replay cancel replay-2026-11-23T08:15:00.000Z
                """
        )

        @OptionGroup var file: ConfigOption
        @OptionGroup var output: OutputOption

        @Argument(help: "Its id, from the list.")
        var id: String

        func run() async throws {
            let answer = try await OperatorLink.open(ConfigurationFile.load(file.config)) { link in
                try await link.post("/replays/\(id.percentEncoded)/cancel")
            }
            guard !output.json else { return Terminal.write(answer.raw) }
            let events = Wording.count(answer["appended"]?.int ?? 0, "event")
            Terminal.write(
                "\(id) is cancelled; \(events) of it go to \(answer["sink"]?.string ?? "its sink")")
        }
    }
}

extension [Replay] {
    /// - Parameter delivered: The sinks that are delivered to.
    func table(delivered: Set<String>) -> TextTable {
        var table = TextTable([
            .left("ID"), .left("SINK"), .left("STATE"), .right("DONE"), .right("EVENTS"), .left("SINCE"),
            .left("UNTIL"), .left("ENDED"),
        ])
        for replay in self {
            let state =
                switch (replay.endedAt, replay.isCancelled) {
                case (_, true): "cancelled"
                case (nil, _): delivered.contains(replay.request.sink) ? "under way" : "waits"
                case (_?, false): "done"
                }
            table.add(
                replay.id, replay.request.sink, state, "\(Int(replay.share * 100)) %",
                String(replay.appended),
                Wording.time(replay.request.since), replay.request.until.map(Wording.time) ?? "-",
                replay.endedAt.map(Wording.time) ?? "-")
        }
        return table
    }
}
