import Config
import Foundation
import JSON
import RelayTesting
import Rules
import ServiceLifecycle
import Sinks
import Synchronization
import Testing
import UnixSignals

@testable import OktaRelay
@testable import Relay

/// The parts of a relay that a reload exchanges; the sinks' workers run only in ``run(_:)``.
struct ReloadedRelay {
    let folder: TemporaryFolder
    let journal: InterposedJournal
    let inspection: SQLiteJournalInspection
    let initial: RelayConfiguration
    let live: LiveIntake
    let board = SinkBoard()
    let metrics = RelayMetrics(version: "test", startedAt: 0)
    let fleet: SinkFleet
    let factory: SinkFactory
    let hands: Operator
    private let reloader: ConfigReloader

    init(sinks: [String], clock: any RelayClock = SystemClock()) async throws {
        folder = try TemporaryFolder()
        let path = folder.file("sinks.json")
        try Self.config(sinks: sinks).write(toFile: path, atomically: true, encoding: .utf8)
        initial = try #require(ConfigLoader().load(path: path).configuration)
        let journalPath = folder.file("journal.sqlite")
        let stored = try await SQLiteJournal(path: journalPath, retention: .seconds(86_400), clock: clock)
        let journal = InterposedJournal(stored)
        self.journal = journal
        inspection = try SQLiteJournalInspection(path: journalPath)
        let fleet = SinkFleet(
            SinkFleet.Surroundings(
                journal: journal, clock: clock, metrics: metrics, board: board, stopTimeout: .seconds(1),
                logger: .quiet))
        self.fleet = fleet
        factory = SinkFactory(clock: clock, logger: .quiet)
        try await stored.keep(initial.sinkPolicies)
        await fleet.add(try await factory.members(initial.enabledSinks))
        live = LiveIntake(initial.intakeSettings)
        hands = Operator(
            journal: stored, inspection: inspection, settings: initial.operatorSettings, clock: clock,
            logger: .quiet, restart: { await fleet.restart($0) })
        reloader = ConfigReloader(
            path: path, initial: initial, hangups: await UnixSignalsSequence(trapping: []), live: live,
            fleet: fleet, factory: factory,
            admin: AdminServer(
                initial.admin,
                sources: AdminSources(journal: inspection, board: board, sinks: { fleet.sinks }),
                metrics: metrics, readiness: Readiness(clock: clock), clock: clock, logger: .quiet),
            hands: hands, keep: { try await journal.keep($0, starts: $1) }, inspection: inspection,
            clock: clock, metrics: metrics, logger: .quiet)
    }

    /// Has the workers run for as long as the body takes.
    func run(_ body: () async throws -> Void) async throws {
        let group = ServiceGroup(services: [fleet], logger: .quiet)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            do {
                try await body()
            } catch {
                tasks.cancelAll()
                throw error
            }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
        await journal.close()
        await factory.shutdown()
    }

    /// - Parameters:
    ///   - from: Of the last sink.
    ///   - renamedFrom: Of the last sink.
    static func config(
        sinks: [String], from: String? = nil, renamedFrom: String? = nil, isLastEnabled: Bool = true
    ) -> String {
        let all = sinks.map { name in
            var more = ""
            if name == sinks.last {
                more += from.map { #","from":"\#($0)""# } ?? ""
                more += renamedFrom.map { #","renamedFrom":"\#($0)""# } ?? ""
                more += isLastEnabled ? "" : #","enabled":false"#
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

    func write(
        sinks: [String], from: String? = nil, renamedFrom: String? = nil, isLastEnabled: Bool = true
    ) throws {
        try Self.config(sinks: sinks, from: from, renamedFrom: renamedFrom, isLastEnabled: isLastEnabled)
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

    /// Waits until so many events were delivered to a sink in all.
    func delivered(_ count: Int, to sink: String) async throws {
        try await waitUntil {
            try await inspection.status().sinks.first { $0.name == sink }?.delivered == count
        }
    }

    func isShown(_ sink: String) -> Bool {
        metrics.render(status: nil, isReady: true, now: 0).contains(#"sink="\#(sink)""#)
    }
}

/// A journal during whose calls something else happens, or that refuses them; once.
final class InterposedJournal: Journal {
    enum Call: Hashable {
        case keep
        case lease(String)
    }

    private let journal: SQLiteJournal
    private let interludes = Mutex<[Call: @Sendable () async -> Void]>([:])
    private let refused = Mutex<Set<Call>>([])

    init(_ journal: SQLiteJournal) { self.journal = journal }

    /// What happens when the journal has kept something, or has leased a sink.
    func during(_ call: Call, _ body: @escaping @Sendable () async -> Void) {
        interludes.withLock { $0[call] = body }
    }

    func refuseOnce(_ call: Call) { refused.withLock { _ = $0.insert(call) } }

    private func begin(_ call: Call) throws(JournalError) {
        guard refused.withLock({ $0.remove(call) }) != nil else { return }
        throw .unusable(reason: "no space left on the disk")
    }

    func keep(
        _ policies: [SinkPolicy], starts: [ReplayRequest]
    ) async throws(JournalError) -> [String: String] {
        try begin(.keep)
        let renamed = try await journal.keep(policies, starts: starts)
        await interludes.withLock { $0.removeValue(forKey: .keep) }?()
        return renamed
    }

    func lease(_ sink: String) async throws(JournalError) -> SinkLease {
        try begin(.lease(sink))
        let lease = try await journal.lease(sink)
        await interludes.withLock { $0.removeValue(forKey: .lease(sink)) }?()
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

    func record(_ settlement: Settlement) async throws(JournalError) -> SettleResult {
        try await journal.record(settlement)
    }

    func news() -> AsyncStream<Void> { journal.news() }

    func close() async { await journal.close() }
}
