import ArgumentParser
import Config
import JSON
import Relay

extension ReplayCommand {
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List replays, newest first, and how far each is.",
            discussion: """
                It reads the journal, whether or not a relay runs. One that waits has a sink that is not \
                delivered to, or waits for room: in a journal or on a disk that is nearly full, a replay \
                appends nothing for which others would lose events.

                Example:
                  okta-relay replay list
                  okta-relay replay list --sink crm --state under-way
                """
        )

        @OptionGroup var file: ConfigOption
        @OptionGroup var size: LimitOption
        @OptionGroup var output: OutputOption

        @Option(help: ArgumentHelp("Only this sink's.", valueName: "name"))
        var sink: String?

        @Option(help: ArgumentHelp("Only those of this state, as the list shows it.", valueName: "state"))
        var state: Replay.State?

        @Option(help: ArgumentHelp("Only those behind this one: the next page.", valueName: "id"))
        var before: String?

        func validate() throws { try refuseEmpty([("--sink", sink), ("--before", before)]) }

        func run() async throws {
            let configuration = try ConfigurationFile.load(file.config)
            let delivered = Set(configuration.enabledSinks.map(\.name))
            let prospects = try await Journals.ask(configuration) { journal throws(JournalError) in
                ReplayProspects(delivered: delivered, hasRoom: try await journal.hasRoomForReplays())
            }
            let filter = ReplayListFilter(sink: sink, state: state, prospects: prospects)
            let (replays, isKnown) = try await Journals.ask(configuration) { journal throws(JournalError) in
                let replays = try await journal.replays(filter, before: before, limit: size.limit + 1)
                guard replays.isEmpty, let before else { return (replays, true) }
                return (replays, try await journal.replay(id: before) != nil)
            }
            guard isKnown else { throw Terminal.failure("there is no replay \(before ?? "")", .problems) }
            if replays.isEmpty { try await Journals.know([.sink: sink], configuration) }
            let shown = size.page(of: replays)
            if output.json {
                Terminal.write(shown.json(prospects))
            } else {
                Terminal.write(shown.table(prospects))
            }
            if shown.contains(where: { $0.need(prospects) == .room }) {
                Terminal.note("waiting for room: \(Replay.Need.room.text)")
            }
            size.noteNextPage(after: replays.map(\.id))
        }
    }

    struct Cancel: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "End a replay where it stands.",
            discussion: """
                It sends no further events again. Those that it has appended already are delivered; sinks \
                seek gives them up. --dry-run tells how many they are.

                Example:
                  okta-relay replay cancel replay-2026-11-23T08:15:00.000Z --dry-run
                  okta-relay replay cancel replay-2026-11-23T08:15:00.000Z
                """
        )

        @OptionGroup var file: ConfigOption
        @OptionGroup var output: OutputOption

        @Argument(help: "Its id, from the list.")
        var id: String

        @Flag(help: "Change nothing, and count what it has appended so far.")
        var dryRun = false

        func run() async throws {
            let answer = try await OperatorLink.open(ConfigurationFile.load(file.config)) { link in
                try await link.post("/replays/\(id.percentEncoded)/cancel") { body in
                    if dryRun { body.member("dryRun", true) }
                }
            }
            guard !output.json else { return Terminal.write(answer.raw) }
            let events = Wording.count(answer["appended"]?.int ?? 0, "event")
            let verb = dryRun ? "would be" : "is"
            Terminal.write(
                "\(id) \(verb) cancelled; \(events) of it go to \(answer["sink"]?.string ?? "its sink")")
        }
    }
}

extension [Replay] {
    func table(_ prospects: ReplayProspects) -> TextTable {
        var table = TextTable([
            .left("ID"), .left("SINK"), .left("STATE"), .left("FOR"), .right("DONE"), .right("EVENTS"),
            .left("SINCE"), .left("UNTIL"), .left("ENDED"),
        ])
        for replay in self {
            table.add(
                replay.id, replay.request.sink, replay.state(prospects).rawValue,
                replay.need(prospects)?.rawValue ?? "-", "\(Int(replay.share * 100)) %",
                String(replay.appended), Wording.time(replay.request.since),
                replay.request.until.map(Wording.time) ?? "-", replay.endedAt.map(Wording.time) ?? "-")
        }
        return table
    }
}
