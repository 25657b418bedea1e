import ArgumentParser
import Config
import JSON
import Relay

/// `status`: what came in, and where each sink stands.
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show what came in and where each sink stands.",
        discussion: """
            It reads the journal, whether or not a relay runs; the state of a running relay's sinks is \
            asked from its admin listener.

            Example:
              okta-relay status --config sinks.json
            """
    )

    @OptionGroup var file: ConfigOption
    @OptionGroup var output: OutputOption

    func run() async throws {
        let configuration = try ConfigurationFile.load(file.config)
        let status = try await Journals.ask(configuration) { journal throws(JournalError) in
            try await journal.status()
        }
        let report = StatusReport(
            journal: status,
            journalPath: configuration.journal.path,
            live: await LiveSinks(AdminClient(configuration.admin)),
            now: SystemClock().now
        )
        if output.json { Terminal.write(report.json) } else { Terminal.write(report.text) }
    }
}

/// The journal's counts with what a running relay says of its sinks.
struct StatusReport {
    let journal: JournalStatus
    let journalPath: String
    let live: LiveSinks
    /// Nanoseconds since 1970.
    let now: Int64

    var text: String {
        var table = TextTable([
            .left("SINK"), .left("STATE"), .right("WAITING"), .right("OLDEST"), .right("DELIVERED"),
            .right("SUPERSEDED"), .right("SKIPPED"), .right("RETRIED"), .right("PARKED"), .right("DEAD"),
            .right("GIVEN UP"),
        ])
        for sink in journal.sinks {
            table.add(
                sink.name, state(of: sink), String(sink.waiting),
                sink.oldestWaitingSince.map { Wording.duration(.nanoseconds(max(0, now - $0))) } ?? "-",
                String(sink.delivered), String(sink.superseded), String(sink.skipped), String(sink.retried),
                String(sink.parked), String(sink.dead), String(sink.detached))
        }
        let counts = [
            "\(journal.accepted) accepted", "\(journal.duplicates) duplicate", "\(journal.unrouted) unrouted",
            "\(journal.quarantined) quarantined",
        ]
        let expired = [
            Wording.count(journal.expired, "event"),
            "\(journal.deadLettersExpired) of dead letters", "\(journal.quarantineExpired) of the quarantine",
        ]
        let share =
            journal.sizeMaxBytes.map { max in
                ", uses \(journal.usedBytes * 100 / max) % of \(Wording.size(max))"
            } ?? ""
        return [
            "relay    \(live.summary)",
            "journal  \(journalPath), \(Wording.size(journal.sizeBytes))\(share)",
            "events   \(counts.joined(separator: ", "))",
            "expired  \(expired.joined(separator: ", "))",
            "",
            journal.sinks.isEmpty
                ? "no sink has been started yet" : table.text(isHeadingBold: Terminal.isInteractive),
        ].joined(separator: "\n")
    }

    /// What a running relay says, or else what the journal has the next one do.
    private func state(of sink: SinkStatus) -> String {
        live.states[sink.name].map(Self.words)
            ?? sink.hold.map { "\($0.kind.rawValue): \($0.reason)" } ?? "-"
    }

    /// The state as a person says it: a breaker is closed when all is well, which reads as its opposite.
    private static func words(_ live: LiveSinkState) -> String {
        let state =
            switch live.state {
            case .closed: "delivering"
            case .halfOpen: "probing"
            case .open: "unavailable"
            case .misconfigured, .paused, .tripped, .ended: live.state.rawValue
            }
        return live.reason.map { "\(state): \($0)" } ?? state
    }

    var json: [UInt8] {
        var writer = JSONWriter()
        writer.object { report in
            report.member("isRunning", live.isRunning)
            AdminJSON.write(status: journal, live: live.states, now: now, to: &report)
        }
        return writer.bytes
    }
}

/// What a running relay's admin listener says of its sinks.
struct LiveSinks {
    let isRunning: Bool
    /// For a person: whether a relay runs, and where.
    let summary: String
    /// By sink.
    let states: [String: LiveSinkState]

    init(isRunning: Bool, summary: String, states: [String: LiveSinkState]) {
        self.isRunning = isRunning
        self.summary = summary
        self.states = states
    }

    init(_ client: AdminClient) async {
        switch await client.get("/sinks") {
        case .document(let document, status: 200):
            self.init(isRunning: true, summary: "running, admin side at \(client.address)", document)
        case .document(_, let status):
            self.init(
                isRunning: true, summary: "asked at \(client.address), but it answered \(status)",
                states: [:])
        case .notRunning:
            self.init(
                isRunning: false, summary: "not running (nobody listens at \(client.address))", states: [:])
        case .refused(let reason):
            self.init(isRunning: true, summary: "asked at \(client.address), but \(reason)", states: [:])
        }
    }

    /// Reads the answer of `/sinks`; a sink whose state this version does not know is left out.
    init(isRunning: Bool, summary: String, _ document: JSONDocument) {
        var states: [String: LiveSinkState] = [:]
        for sink in document.root["sinks"]?.elements.map({ $0 }) ?? [] {
            guard let name = sink["name"]?.string,
                let state = sink["state"]?.string.flatMap({ BreakerState(rawValue: $0) })
            else { continue }
            states[name] = LiveSinkState(
                state: state,
                reason: sink["reason"]?.string,
                since: sink["since"]?.string.flatMap { Timestamp($0) }?.nanoseconds ?? 0,
                inFlight: sink["inFlight"]?.int ?? 0
            )
        }
        self.init(isRunning: isRunning, summary: summary, states: states)
    }
}
