import Config
import Relay
import RelayTesting
import Rules
import ServiceLifecycle
import Testing

/// A bad import deletes 5,000 users while the CRM is away: the wire of another sink trips, a person looks,
/// and what was meant goes through.
@Suite(.timeLimit(.minutes(2))) struct MassDeletionTests {
    private static let users = 5_000

    private let folder: TemporaryFolder
    private let journal: SQLiteJournal
    private let board = SinkBoard()
    private let crm = ScriptedSink(name: "crm", limits: Self.limits)
    private let directory = ScriptedSink(name: "directory", limits: Self.limits)

    private static let limits = SinkLimits(
        batchEventsMax: 1, concurrency: 8, foldsUsers: false, keepsState: false)

    init() async throws {
        folder = try TemporaryFolder()
        journal = try await SQLiteJournal(
            path: folder.file("journal.sqlite"), retention: .seconds(86_400 * 3_650), clock: SystemClock())
    }

    @Test func theWireStopsItAndAPersonLetsItPass() async throws {
        crm.failPreparations(
            contentsOf: Array(
                repeating: .unavailable(reason: "HTTP 503", retryAfter: .seconds(600)), count: 9))
        let fleet = SinkFleet(
            SinkFleet.Surroundings(
                journal: journal, clock: SystemClock(),
                metrics: RelayMetrics(version: "test", startedAt: 0), board: board,
                stopTimeout: .seconds(10), logger: .quiet))
        let wire = DeliveryPolicy(limits: [.delete: RateLimit(count: 100, period: .seconds(3_600))])
        try await journal.keep([SinkPolicy(name: "crm"), SinkPolicy(name: "directory")])
        await fleet.add([
            SinkFleet.Member(sink: crm, policy: wire), SinkFleet.Member(sink: directory, policy: wire),
        ])
        let group = ServiceGroup(services: [fleet], logger: .quiet)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            try await deleteAll()
            try await reached(.tripped)
            // A deletion makes more than one event; what counts is users.
            #expect(deletedUsers == 100)
            let reason = try #require(board.snapshot["directory"]?.reason)
            #expect(reason.hasPrefix("100 of operation delete") && reason.contains("100/h"))
            #expect(board.snapshot["crm"]?.state == .open && crm.batches.isEmpty)

            // It stays so, across a restart too, until somebody says otherwise.
            await fleet.restart(["directory"])
            try await reached(.tripped)
            #expect(deletedUsers == 100)

            #expect(try await journal.resume("directory")?.ended?.kind == .tripped)
            await fleet.restart(["directory"])
            try await deliveries(Self.users + 400)
            #expect(deletedUsers == Self.users)
            try await reached(.closed)
            #expect(board.snapshot["crm"]?.state == .open)
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
        let status = try await SQLiteJournalInspection(path: folder.file("journal.sqlite")).status()
        #expect(status.sinks.first { $0.name == "directory" }?.waiting == 0)
        #expect(status.sinks.first { $0.name == "directory" }?.delivered == Self.users + 400)
        #expect(status.sinks.first { $0.name == "crm" }?.waiting == Self.users + 400)
        await journal.close()
    }

    private var deletedUsers: Int {
        Set(directory.batches.flatMap { $0.compactMap(\.event.subject) }).count
    }

    /// Waits until the directory has been given that many events.
    private func deliveries(_ count: Int) async throws {
        var given = 0
        while given < count {
            let batch = await directory.nextBatch()
            try Task.checkCancellation()
            given += batch.count
        }
    }

    private func reached(_ state: BreakerState) async throws {
        try await waitUntil { board.snapshot["directory"]?.state == state }
    }

    private func deleteAll() async throws {
        let route = Route(choices: ["crm", "directory"].map { Route.Choice(sink: $0, rule: "all") })
        let types = ["user.lifecycle.delete.initiated", "user.lifecycle.delete.completed"]
        var submission = Submission()
        for user in 0..<Self.users {
            for type in user < 400 ? types : [types[0]] {
                let event = EventSample(type: type, user: "u\(user)", second: 1).event
                submission.events.append(Submission.RoutedEvent(event: event, route: route))
            }
        }
        _ = try await journal.append(submission)
    }
}
