import Config
import GRDB
import Logging
@testable import Relay
import RelayTesting
import Rules
import ServiceLifecycle
import Testing

/// What is with a sink while its place is moved ends as it ends: it is settled, and comes no second time.
@Suite(.timeLimit(.minutes(1))) struct MovedSinkTests {
    private static let limits = SinkLimits(
        batchEventsMax: 1, concurrency: 8, foldsUsers: false, keepsState: false)
    private let fixture: JournalFixture

    init() throws { fixture = try JournalFixture() }

    private func append(_ users: [String], _ journal: SQLiteJournal) async throws {
        let route = Route(choices: [Route.Choice(sink: "sink", rule: "rule")])
        let events = try users.map { user in
            let made = LogEventFixture(uuid: "of \(user)", type: "user.lifecycle.deactivate", userID: user)
            return Submission.RoutedEvent(event: try made.event(receivedAt: fixture.clock.now), route: route)
        }
        _ = try await journal.append(Submission(events: events))
    }

    /// Runs a worker while the body runs, and then until it has settled what it had begun.
    private func work(
        for sink: ScriptedSink, _ journal: SQLiteJournal, _ body: @Sendable () async throws -> Void
    ) async throws {
        let stage = try await SinkWorkerTests.Stage(sink, journal)
        try await stage.run(body)
    }

    private func until(_ isSo: (SinkStatus) -> Bool) async throws {
        try await waitUntil { try await fixture.sink("sink").map(isSo) ?? true }
    }

    private func count(_ table: String) throws -> Int {
        try fixture.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM \(table)") ?? 0 }
    }

    /// What another worker is given.
    private func delivered(_ journal: SQLiteJournal, after user: String) async throws -> [Delivery] {
        let sink = ScriptedSink(limits: Self.limits, mustNotRepeat: true)
        try await work(for: sink, journal) {
            var batch = await sink.nextBatch()
            while let id = batch.first?.event.user?.id, id != user { batch = await sink.nextBatch() }
        }
        return sink.batches.flatMap(\.self)
    }

    /// Eight creations are answered after a person has moved the sink back.
    @Test func whatIsAnsweredAfterASeekIsNeitherUnknownNorSentAgain() async throws {
        let journal = try await fixture.open()
        let sink = ScriptedSink(limits: Self.limits, mustNotRepeat: true)
        let users = (1...8).map { "u\($0)" }
        sink.answer(.each(.delivered))
        for _ in users { sink.answer(.waits) }
        try await work(for: sink, journal) {
            try await append(["u0"], journal)
            _ = await sink.nextBatch()
            try await until { $0.delivered == 1 }
            try await append(users, journal)
            for _ in users { _ = await sink.nextBatch() }
            let report = try await journal.seek("sink", to: .zero, reason: "test")
            #expect(report?.repeated == 1)
            sink.release()
        }
        let status = try #require(try await fixture.sink("sink"))
        #expect(status.delivered == 9 && status.waiting == 1 && status.dead == 0)
        #expect(try count("intents") == 0 && count("receipts") == 9)
        let again = try await delivered(journal, after: "u0")
        #expect(again.map(\.offset.rawValue) == [1] && again.allSatisfy { !$0.isOutcomeUnknown })
        #expect(try await fixture.sink("sink")?.waiting == 0)
        #expect(try await fixture.verify().problems == [])
        await journal.close()
    }

    /// One event that has waited for too long is given up while others are with the sink.
    @Test func givingUpOneEventRepeatsNoOther() async throws {
        let journal = try await fixture.open()
        try await journal.keep([SinkPolicy(name: "sink", maxBehind: .seconds(3_600))])
        let sink = ScriptedSink(limits: Self.limits, mustNotRepeat: true)
        let users = (1...4).map { "u\($0)" }
        sink.answer(.each(.retry(after: .seconds(86_400), reason: "busy")))
        for _ in users { sink.answer(.waits) }
        try await work(for: sink, journal) {
            try await append(["u0"], journal)
            _ = await sink.nextBatch()
            try await until { $0.parked == 1 }
            fixture.clock.advance(by: .seconds(3_000))
            try await append(users, journal)
            for _ in users { _ = await sink.nextBatch() }
            // Only the first is too old now; the journal may find that before it is asked.
            fixture.clock.advance(by: .seconds(1_000))
            _ = try await journal.retain()
            #expect(try await fixture.sink("sink")?.detached == 1)
            sink.release()
        }
        let status = try #require(try await fixture.sink("sink"))
        #expect(status.delivered == 4 && status.waiting == 0 && status.parked == 0)
        // What tells the history of removals is there.
        #expect(try count("intents") == 0 && count("receipts") == 4)
        try await append(["u5"], journal)
        #expect(try await delivered(journal, after: "u5").map(\.event.user?.id) == ["u5"])
        #expect(try await fixture.verify().problems == [])
        await journal.close()
    }

    /// What is given up while it is with the sink, and gets through, counts as both.
    @Test func whatGetsThroughAlthoughItWasGivenUpCountsTwice() async throws {
        let journal = try await fixture.open()
        let sink = ScriptedSink(limits: Self.limits, mustNotRepeat: true)
        sink.answer(.waits, .waits)
        try await work(for: sink, journal) {
            try await append(["u1", "u2"], journal)
            for _ in 0..<2 { _ = await sink.nextBatch() }
            #expect(try await journal.seek("sink", to: Offset(rawValue: 1), reason: "test")?.givenUp == 1)
            sink.release()
        }
        let status = try #require(try await fixture.sink("sink"))
        #expect(status.delivered == 2 && status.detached == 1 && status.waiting == 0)
        #expect(status.cursor == Offset(rawValue: 2))
        #expect(try await fixture.verify().problems == [])
        await journal.close()
    }

    /// Two creations are given up while they are with the sink, then wanted again, and nobody knows what
    /// became of them.
    @Test func whatIsGivenUpAndWantedAgainStaysUnknown() async throws {
        let journal = try await fixture.open()
        let lease = try await journal.lease("sink")
        try await append(["u1", "u2"], journal)
        try await journal.intend("sink", epoch: lease.epoch, [Offset(rawValue: 1), Offset(rawValue: 2)])
        _ = try await journal.seek("sink", to: Offset(rawValue: 2), reason: "test")
        _ = try await journal.seek("sink", to: .zero, reason: "test")
        let again = try await delivered(journal, after: "u2")
        #expect(again.count == 2 && again.allSatisfy(\.isOutcomeUnknown))
        #expect(try count("intents") == 0)
        await journal.close()
    }

    /// Two creations are given up while they are with the sink; one gets no answer, and then both are wanted
    /// again.
    @Test func whatDiedAfterItWasGivenUpStaysUnknown() async throws {
        let journal = try await fixture.open()
        let lease = try await journal.lease("sink")
        try await append(["u1", "u2"], journal)
        let offsets = [Offset(rawValue: 1), Offset(rawValue: 2)]
        try await journal.intend("sink", epoch: lease.epoch, offsets)
        _ = try await journal.seek("sink", to: offsets[1], reason: "test")
        let letter = DeadLetter(offset: offsets[0], subject: nil, failures: [])
        let settlement = Settlement(
            sink: "sink", epoch: lease.epoch, cursor: offsets[0], deadLetters: [letter], ended: [offsets[0]])
        guard case .held(let recorded) = try await journal.record(settlement) else {
            Issue.record("the place was moved")
            return
        }
        #expect(recorded.deadLetters.isEmpty && recorded.ended.isEmpty)
        _ = try await journal.seek("sink", to: .zero, reason: "test")
        let again = try await delivered(journal, after: "u2")
        #expect(again.count == 2 && again.allSatisfy(\.isOutcomeUnknown))
        #expect(try count("intents") == 0)
        #expect(try await fixture.verify().problems == [])
        await journal.close()
    }

    /// Refuses what it is given, for good, once it is let.
    private final class RefusingSink: Sink {
        let name = "sink"
        let limits = MovedSinkTests.limits
        let hasBegun = OneShot<Void>()
        let goesOn = OneShot<Void>()

        func prepare() async throws(SinkError) {}
        func probe() async throws(SinkError) {}
        func shutdown() async {}

        func deliver(_ batch: [Delivery]) async throws(SinkError) -> [Receipt] {
            hasBegun.resolve(())
            await goesOn.value
            return batch.map { Receipt(offset: $0.offset, .rejected(reason: "HTTP 400")) }
        }
    }

    /// A person pauses the sink in the moment in which its limits would stop it: the pause stands, and
    /// nobody is told anything else.
    @Test(arguments: [true, false])
    func limitsThatAPauseOverrulesAreNotToldOf(_ isPaused: Bool) async throws {
        let (journal, log, board) = (InMemoryJournal(), CapturedLog(), SinkBoard())
        let metrics = RelayMetrics(version: "1", startedAt: 0)
        let sink = ScriptedSink(limits: Self.limits)
        sink.answer(.waits)
        let wire = DeliveryPolicy(limits: [.delete: RateLimit(count: 1, period: .seconds(3_600))])
        let worker = SinkWorker(
            sink: sink, journal: journal, lease: try await journal.lease("sink"), policy: wire,
            clock: fixture.clock, metrics: metrics, board: board, stopTimeout: .seconds(10),
            logger: Logger(label: "test") { _ in log })
        let route = Route(choices: [Route.Choice(sink: "sink", rule: "rule")])
        let events = ["u1", "u2"].map { user in
            EventSample(type: "user.lifecycle.delete.initiated", user: user, second: 1).event
        }
        _ = try await journal.append(
            Submission(events: events.map { Submission.RoutedEvent(event: $0, route: route) }))
        async let end = worker.serve()
        _ = await sink.nextBatch()
        if isPaused { journal.hold("sink", SinkHold(kind: .paused, reason: "not now", since: 7)) }
        sink.release()
        if !isPaused {
            try await waitUntil { board.snapshot["sink"]?.state == .tripped }
            worker.stop()
        }
        #expect(await end == (isPaused ? .moved : .stopped))
        #expect(log.lines.contains { $0.contains("limits have stopped") } == !isPaused)
        #expect((board.snapshot["sink"]?.state == .tripped) == !isPaused)
        let text = metrics.render(status: nil, isReady: true, now: 0)
        #expect(text.contains(#"sink="sink",state="tripped"} 1"#) == !isPaused)
        #expect(try await journal.lease("sink").hold?.kind == (isPaused ? .paused : .tripped))
        #expect(sink.batches.count == 1)
    }

    /// No dead letter is made of what was given up, so none is told of.
    @Test func whatWasGivenUpIsNotToldOfAsADeadLetter() async throws {
        let journal = InMemoryJournal()
        let sink = RefusingSink()
        let log = CapturedLog()
        let lease = try await journal.lease("sink")
        let worker = SinkWorker(
            sink: sink, journal: journal, lease: lease, policy: DeliveryPolicy(), clock: fixture.clock,
            metrics: RelayMetrics(version: "1", startedAt: 0), board: SinkBoard(), stopTimeout: .seconds(10),
            logger: Logger(label: "test") { _ in log })
        let route = Route(choices: [Route.Choice(sink: "sink", rule: "rule")])
        let event = DeliveryFixture.event(of: "u1")
        _ = try await journal.append(
            Submission(events: [Submission.RoutedEvent(event: event, route: route)]))
        async let end = worker.serve()
        await sink.hasBegun.value
        journal.move("sink", to: Offset(rawValue: 1))
        sink.goesOn.resolve(())
        #expect(await end == .moved)
        #expect(try await journal.status().sinks.first?.dead == 0)
        #expect(!log.lines.contains { $0.contains("dead-lettered") })
    }
}
