import Config
import Foundation
import JSON
import Logging
import RelayTesting
import Rules
import Sinks
import Synchronization
import Testing
import UnixSignals

@testable import OktaRelay
@testable import Relay

/// What a reload does where one of its steps fails, and what comes in between two of them.
@Suite struct ConfigReloaderTests {
    @Test func nothingIsSwappedWhereANewSinkCannotBeLeased() async throws {
        let relay = try await ReloadedRelay(sinks: ["first"])
        try relay.write(sinks: ["first", "second"])
        await relay.journal.close()
        let kept = await relay.reload()
        #expect(kept.sinks == relay.initial.sinks)
        #expect(relay.live.current.rules.rules.map(\.sinks) == [["first"]])
        #expect(relay.fleet.sinks.map(\.name) == ["first"])
        await relay.factory.shutdown()
    }

    /// Sinks that change can take long, and all that time events go by the old rules; a request that took
    /// those may even end after the new ones are in force.
    @Test func aNewSinkWithABeginningMissesNothingOfTheReload() async throws {
        let relay = try await ReloadedRelay(sinks: ["first"])
        try await relay.receive("before")
        try relay.write(sinks: ["first", "late"], from: "7d")
        let slow = Mutex<Task<Void, any Error>?>(nil)
        relay.journal.whenLeased("late") {
            try? await relay.receive("between")
            let former = relay.live.current
            // Awaited below.
            let task = Task {
                while relay.live.current.rules.rules.first?.sinks.count == 1 { await Task.yield() }
                for _ in 0..<100 { await Task.yield() }
                try await relay.receive("slow", by: former)
            }
            slow.withLock { $0 = task }
        }
        #expect(await relay.reload().sinks.map(\.name) == ["first", "late"])
        try await slow.withLock { $0 }?.value
        while try await relay.hands.advanceReplays() {}
        try await relay.receive("after")
        let limit = ReadLimit(entries: 99, bytes: 1 << 20)
        let page = try await relay.journal.read("late", after: .zero, limit: limit)
        #expect(page.entries.map(\.event.id).sorted() == ["after", "before", "between", "slow"])
        await relay.journal.close()
        await relay.factory.shutdown()
    }

    // MARK: - Warnings

    private static func sink(_ name: String, waiting: Int = 0, delivered: Int = 0) -> SinkStatus {
        SinkStatus(
            name: name, cursor: .zero, waiting: waiting, oldestWaitingReceivedAt: waiting > 0 ? 1 : nil,
            delivered: delivered, superseded: 0, skipped: 0, retried: 0, parked: 0, dead: 0)
    }

    /// What a warning advises must be possible.
    ///
    /// - Parameter heir: How many events wait for `crm2`, and how many it has had; empty where it is new.
    @Test(
        arguments: [
            (nil, [], #"name it as "renamedFrom" of a sink that has had no event yet"#),
            ("crm", [], nil),
            ("crm", [0, 0], nil),
            ("crm", [0, 1], "send them with `okta-relay replay --sink crm2 --since 1970-"),
            ("crm", [1, 0], #""crm2" does not take over from it"#),
        ] as [(String?, [Int], String?)])
    func eventsOfASinkThatIsGoneAreWarnedOfUntilAnotherTakesOver(
        _ renamedFrom: String?, _ heir: [Int], _ expected: String?
    ) throws {
        let folder = try TemporaryFolder()
        let path = folder.file("sinks.json")
        let text = ReloadedRelay.config(sinks: ["crm2"], renamedFrom: renamedFrom)
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        let configuration = try #require(ConfigLoader().load(path: path).configuration)
        let others = heir.isEmpty ? [] : [Self.sink("crm2", waiting: heir[0], delivered: heir[1])]
        let status = JournalStatus(
            accepted: 0, duplicates: 0, unrouted: 0, quarantined: 0, horizon: .zero, sizeBytes: 0,
            sinks: [Self.sink("crm", waiting: 2)] + others)
        let warnings = SinkWarnings.find(status, configuration, at: 2).filter { $0.sink == "crm" }
        #expect(warnings.count == (expected == nil ? 0 : 1))
        if let expected { #expect(warnings.first?.text.contains(expected) == true, "\(warnings)") }
    }
}

/// The parts of a relay that a reload exchanges, with nothing running.
private struct ReloadedRelay {
    let folder: TemporaryFolder
    let journal: InterposedJournal
    let initial: RelayConfiguration
    let live: LiveIntake
    let fleet: SinkFleet
    let factory: SinkFactory
    let hands: Operator
    private let reloader: ConfigReloader

    init(sinks: [String]) async throws {
        folder = try TemporaryFolder()
        let path = folder.file("sinks.json")
        try Self.config(sinks: sinks).write(toFile: path, atomically: true, encoding: .utf8)
        initial = try #require(ConfigLoader().load(path: path).configuration)
        let (clock, board) = (SystemClock(), SinkBoard())
        let journalPath = folder.file("journal.sqlite")
        let stored = try await SQLiteJournal(path: journalPath, retention: .seconds(86_400), clock: clock)
        journal = InterposedJournal(stored)
        let inspection = try SQLiteJournalInspection(path: journalPath)
        let metrics = RelayMetrics(version: "test", startedAt: 0)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let fleet = SinkFleet(
            SinkFleet.Surroundings(
                journal: journal, clock: clock, metrics: metrics, board: board, stopTimeout: .seconds(1),
                logger: logger))
        self.fleet = fleet
        factory = SinkFactory(clock: clock, logger: logger)
        try await fleet.add(try await factory.members(initial.enabledSinks))
        live = LiveIntake(initial.intakeSettings)
        hands = Operator(
            journal: stored, inspection: inspection, settings: initial.operatorSettings, clock: clock,
            logger: logger, restart: { await fleet.restart($0) })
        reloader = ConfigReloader(
            path: path, initial: initial, hangups: await UnixSignalsSequence(trapping: []), live: live,
            fleet: fleet, factory: factory,
            admin: AdminServer(
                initial.admin,
                sources: AdminSources(journal: inspection, board: board, sinks: { fleet.sinks }),
                metrics: metrics, readiness: Readiness(clock: clock), clock: clock, logger: logger),
            hands: hands, keep: { try await stored.keep($0) }, inspection: inspection, clock: clock,
            metrics: metrics, logger: logger)
    }

    /// - Parameters:
    ///   - from: Of the last sink.
    ///   - renamedFrom: Of the last sink.
    static func config(sinks: [String], from: String? = nil, renamedFrom: String? = nil) -> String {
        let all = sinks.map { name in
            var more = ""
            if name == sinks.last {
                more += from.map { #","from":"\#($0)""# } ?? ""
                more += renamedFrom.map { #","renamedFrom":"\#($0)""# } ?? ""
            }
            return #""\#(name)": {"type":"sqlite","path":"out.sqlite","table":"\#(name)"\#(more)}"#
        }
        let names = sinks.map { #""\#($0)""# }.joined(separator: ",")
        return """
            {"server":{"listen":"127.0.0.1:0"}, "admin":{"listen":"127.0.0.1:0","token":"t0ken-t0ken"},
             "hooks":[{"name":"okta","path":"/okta","secrets":["s3cret-s3cret"]}],
             "sinks":{\(all.joined(separator: ","))},
             "rules":[{"name":"r","events":["*"],"sinks":[\(names)]}]}
            """
    }

    func write(sinks: [String], from: String? = nil) throws {
        try Self.config(sinks: sinks, from: from)
            .write(toFile: folder.file("sinks.json"), atomically: true, encoding: .utf8)
    }

    func reload() async -> RelayConfiguration { await reloader.reload(initial) }

    /// Appends an event as a request does that came now, or when those settings were in force.
    func receive(_ id: String, by settings: IntakeSettings? = nil) async throws {
        let settings = settings ?? live.current
        let event = try LogEventFixture(uuid: id).event(receivedAt: SystemClock().now)
        let route = settings.rules.route(event.routingFacts, event: event.body.root)
        _ = try await journal.append(
            Submission(events: [Submission.RoutedEvent(event: event, route: route)]))
        withExtendedLifetime(settings) {}
    }
}

/// A journal with something that is done once, when a sink has been leased.
private final class InterposedJournal: Journal {
    private let journal: SQLiteJournal
    private let interludes = Mutex<[String: @Sendable () async -> Void]>([:])

    init(_ journal: SQLiteJournal) { self.journal = journal }

    func whenLeased(_ sink: String, _ body: @escaping @Sendable () async -> Void) {
        interludes.withLock { $0[sink] = body }
    }

    func lease(_ sink: String) async throws(JournalError) -> SinkLease {
        let lease = try await journal.lease(sink)
        await interludes.withLock { $0.removeValue(forKey: sink) }?()
        return lease
    }

    func append(
        _ submission: Submission, answer: @escaping @Sendable (Result<AppendReceipt, JournalError>) -> Void
    ) {
        journal.append(submission, answer: answer)
    }

    func read(
        _ sink: String, after offset: Offset, limit: ReadLimit
    ) async throws(JournalError) -> JournalPage {
        try await journal.read(sink, after: offset, limit: limit)
    }

    func read(_ sink: String, at offsets: [Offset]) async throws(JournalError) -> [JournalEntry] {
        try await journal.read(sink, at: offsets)
    }

    func states(
        _ sink: String, of subjects: [Subject]
    ) async throws(JournalError) -> [Subject: FoldState] {
        try await journal.states(sink, of: subjects)
    }

    func intend(_ sink: String, epoch: Int64, _ offsets: [Offset]) async throws(JournalError) {
        try await journal.intend(sink, epoch: epoch, offsets)
    }

    func settle(_ settlement: Settlement) async throws(JournalError) {
        try await journal.settle(settlement)
    }

    func news() -> AsyncStream<Void> { journal.news() }

    func close() async { await journal.close() }
}
