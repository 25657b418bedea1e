import ArgumentParser
import Config
import Relay
import Rules

/// `events`: what came in, and where it went.
struct EventsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events",
        abstract: "List and show the events that came in.",
        discussion: """
            Example:
              okta-relay events list --unrouted --since 1d
              okta-relay events show 17 --raw > event.json
              okta-relay explain event.json
            """,
        subcommands: [List.self, Show.self],
        defaultSubcommand: List.self
    )

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List events, newest first, with the sinks that they were routed to.",
            discussion: """
                Example:
                  okta-relay events list --type "user.lifecycle.*" --limit 20
                """
        )

        @OptionGroup var file: ConfigOption
        @OptionGroup var page: PageOption
        @OptionGroup var output: OutputOption

        @Flag(help: "Only those that went to no sink: no rule matched, or one stopped them.")
        var unrouted = false

        @Option(help: ArgumentHelp("Only this hook's.", valueName: "name"))
        var hook: String?

        @Option(
            help: ArgumentHelp("Only this event type; * stands for any run of characters.", valueName: "type")
        )
        var type: String?

        @Option(help: ArgumentHelp("Only the event with this uuid of Okta's.", valueName: "uuid"))
        var event: String?

        @OptionGroup var time: TimeOption

        func validate() throws { try refuseEmpty([("--hook", hook), ("--type", type), ("--event", event)]) }

        func run() async throws {
            let configuration = try ConfigurationFile.load(file.config)
            let now = SystemClock().now
            let filter = EventFilter(
                isUnrouted: unrouted, hook: hook, eventType: type.map { EventTypePattern($0) },
                eventID: event, since: time.since?.nanoseconds(now: now),
                until: time.until?.nanoseconds(now: now))
            try await page.show(
                of: configuration, while: "looking through the events", output, knowing: [.hook: hook],
                as: \.table, by: \.id
            ) { journal, page throws(JournalError) in try await journal.events(filter, page) }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show one event, as Okta sent it.",
            discussion: """
                Example:
                  okta-relay events show 17
                """
        )

        @OptionGroup var file: ConfigOption
        @OptionGroup var output: OutputOption

        @Flag(help: "The event's own bytes and nothing else.")
        var raw = false

        @Argument(help: "Its id, from the list.")
        var id: Int64

        func run() async throws {
            let configuration = try ConfigurationFile.load(file.config)
            let found = try await Journals.ask(configuration) { journal throws(JournalError) in
                try await journal.event(id: id)
            }
            guard let record = found else {
                throw Terminal.failure("there is no event \(id), or it is not kept any more", .problems)
            }
            if raw {
                guard let body = record.body else {
                    throw Terminal.failure("the bytes of event \(id) are no longer kept", .problems)
                }
                Terminal.write(exactly: body)
            } else if output.json {
                Terminal.write(record.json)
            } else {
                Terminal.write(record.text)
            }
        }
    }
}

extension [EventRecord] {
    fileprivate var table: TextTable {
        var table = TextTable([
            .right("ID"), .left("RECEIVED"), .left("HOOK"), .left("EVENT TYPE"), .left("EVENT"),
            .left("ROUTED TO"),
        ])
        for record in self {
            table.add(
                String(record.id), Wording.time(record.receivedAt), record.hook, record.eventType,
                record.eventID, record.routeText)
        }
        return table
    }
}

extension EventRecord {
    fileprivate var routeText: String {
        route.isEmpty ? "nowhere" : route.map { "\($0.sink) (\($0.rule))" }.joined(separator: ", ")
    }

    fileprivate var text: String {
        """
        event      \(eventID), \(eventType)
        received   \(Wording.time(receivedAt)), by hook \(hook)
        routed to  \(routeText)

        \(body.map { String(decoding: $0, as: UTF8.self) } ?? "its bytes are no longer kept")
        """
    }
}
