import Config
@testable import Relay
import RelayTesting
import Rules
import ServiceLifecycle
import Testing

/// The shell around the machine, with a clock that the test moves.
@Suite(.timeLimit(.minutes(1))) struct SinkWorkerTests {
    static let one = SinkLimits(batchEventsMax: 1, concurrency: 4, foldsUsers: false, keepsState: false)

    /// A worker that runs, and what it runs on.
    struct Stage {
        let sink: ScriptedSink
        let journal: any Journal
        let clock = ManualClock()
        let board = SinkBoard()
        let group: ServiceGroup

        init(
            _ sink: ScriptedSink, _ journal: any Journal, policy: DeliveryPolicy = DeliveryPolicy()
        ) async throws {
            self.sink = sink
            self.journal = journal
            let worker = SinkWorker(
                sink: sink, journal: journal, lease: try await journal.lease(sink.name),
                policy: policy, clock: clock, metrics: RelayMetrics(version: "1", startedAt: 0),
                board: board, stopTimeout: .seconds(10), logger: .quiet)
            group = ServiceGroup(
                configuration: ServiceGroupConfiguration(
                    services: [
                        ServiceGroupConfiguration.ServiceConfiguration(
                            service: worker, successTerminationBehavior: .gracefullyShutdownGroup)
                    ],
                    logger: .quiet
                )
            )
        }

        func append(_ users: String...) async throws {
            let route = Route(choices: [Route.Choice(sink: sink.name, rule: "rule")])
            let events = users.enumerated().map { index, user in
                let type = "user.account.update_profile"
                return EventSample(type: type, user: user, second: Int64(index)).event
            }
            _ = try await journal.append(
                Submission(events: events.map { Submission.RoutedEvent(event: $0, route: route) }))
        }

        /// Runs the worker while the body runs, then stops it gracefully.
        func run(_ body: @Sendable () async throws -> Void) async throws {
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { try await group.run() }
                try await body()
                await group.triggerGracefulShutdown()
                try await tasks.waitForAll()
            }
        }
    }

    @Test(arguments: [false, true])
    func anUnavailableSinkIsTriedAgainAndGetsEverything(onDisk: Bool) async throws {
        let folder = try TemporaryFolder()
        let journal: any Journal =
            onDisk
            ? try await SQLiteJournal(
                path: folder.file("j"), retention: .seconds(86_400 * 3_650), clock: SystemClock())
            : InMemoryJournal()
        let sink = ScriptedSink(limits: Self.one)
        let stage = try await Stage(sink, journal)
        sink.answer(.fails(.unavailable(reason: "refused", retryAfter: .seconds(5))))
        try await stage.append("u1")
        try await stage.run {
            _ = await sink.nextBatch()
            _ = await stage.clock.nextSleep()
            stage.clock.advance(by: .seconds(6))
            #expect(await sink.nextBatch().map(\.attempt) == [1])
        }
        #expect(sink.batches.count == 2 && sink.hasShutDown)
        let lease = try await journal.lease(sink.name)
        let page = try await journal.read(
            sink.name, after: lease.cursor, limit: ReadLimit(entries: 9, bytes: 1 << 20))
        #expect(page.entries.isEmpty && lease.parked.isEmpty)
        await journal.close()
    }

    @Test func aRetryComesAfterItsDelay() async throws {
        let sink = ScriptedSink(limits: Self.one)
        let stage = try await Stage(sink, InMemoryJournal())
        sink.answer(.each(.retry(after: .seconds(30), reason: "busy")))
        try await stage.append("u1")
        try await stage.run {
            _ = await sink.nextBatch()
            #expect(await stage.clock.nextSleep() >= .seconds(29))
            stage.clock.advance(by: .seconds(31))
            #expect(await sink.nextBatch().map(\.attempt) == [2])
        }
    }

    @Test func aGracefulStopLetsADeliveryFinish() async throws {
        let sink = ScriptedSink(limits: Self.one)
        let journal = InMemoryJournal()
        let stage = try await Stage(sink, journal)
        sink.answer(.waits)
        try await stage.append("u1")
        try await stage.run {
            _ = await sink.nextBatch()
            await stage.group.triggerGracefulShutdown()
            // The worker has asked for its deadline: the stop has come through.
            _ = await stage.clock.nextSleep()
            sink.release()
        }
        #expect(try await journal.status().sinks.first?.waiting == 0)
    }

    @Test func aStopDoesNotWaitPastItsDeadline() async throws {
        let sink = ScriptedSink(limits: Self.one)
        let journal = InMemoryJournal()
        let stage = try await Stage(sink, journal)
        sink.answer(.waits)
        try await stage.append("u1")
        try await stage.run {
            _ = await sink.nextBatch()
            await stage.group.triggerGracefulShutdown()
            _ = await stage.clock.nextSleep()
            stage.clock.advance(by: .seconds(11))
        }
        #expect(sink.hasShutDown)
        #expect(try await journal.status().sinks.first?.waiting == 1)
    }

    @Test func aWorkerThatIsShutOutEnds() async throws {
        let sink = ScriptedSink(limits: Self.one)
        let journal = InMemoryJournal()
        let stage = try await Stage(sink, journal)
        _ = try await journal.lease(sink.name)
        try await stage.append("u1")
        try await stage.run { _ = await sink.nextBatch() }
        #expect(sink.batches.count == 1 && sink.hasShutDown)
    }

    @Test func aClosedJournalDoesNotMakeTheWorkerSpin() async throws {
        let sink = ScriptedSink(limits: Self.one)
        let journal = InMemoryJournal()
        let stage = try await Stage(sink, journal)
        sink.answer(.waits)
        try await stage.append("u1")
        try await stage.run {
            _ = await sink.nextBatch()
            await journal.close()
            sink.release()
        }
        #expect(stage.board.snapshot[sink.name]?.reason == JournalError.closed.reason)
    }

    // MARK: - What must not be repeated

    /// Ends a worker that has this answer to its one delivery, and looks how the next one gets it.
    private func isUnknownToTheNext(
        _ journal: any Journal, after answer: ScriptedSink.Answer, at end: @Sendable (Stage) async -> Void
    ) async throws -> Bool? {
        let first = ScriptedSink(limits: Self.one, mustNotRepeat: true)
        first.answer(answer)
        let stage = try await Stage(first, journal)
        try await stage.append("u1")
        try await stage.run {
            _ = await first.nextBatch()
            await end(stage)
        }
        let second = ScriptedSink(limits: Self.one, mustNotRepeat: true)
        let next = try await Stage(second, journal)
        let isUnknown = OneShot<Bool?>()
        try await next.run { isUnknown.resolve(await second.nextBatch().first?.isOutcomeUnknown) }
        await journal.close()
        return await isUnknown.value
    }

    private func journal(onDisk: Bool, _ folder: TemporaryFolder) async throws -> any Journal {
        guard onDisk else { return InMemoryJournal() }
        return try await SQLiteJournal(
            path: folder.file("j"), retention: .seconds(86_400 * 3_650), clock: SystemClock())
    }

    @Test(arguments: [false, true])
    func whatWasInFlightWhenAWorkerEndedIsUnknownToTheNext(onDisk: Bool) async throws {
        let folder = try TemporaryFolder()
        let isUnknown = try await isUnknownToTheNext(journal(onDisk: onDisk, folder), after: .waits) {
            stage in
            await stage.group.triggerGracefulShutdown()
            _ = await stage.clock.nextSleep()
            stage.clock.advance(by: .seconds(11))
        }
        #expect(isUnknown == true)
    }

    @Test(arguments: [false, true])
    func whatNeverReachedTheSinkIsNotUnknown(onDisk: Bool) async throws {
        let folder = try TemporaryFolder()
        let refused = ScriptedSink.Answer.fails(.unavailable(reason: "refused"))
        let isUnknown = try await isUnknownToTheNext(journal(onDisk: onDisk, folder), after: refused) {
            stage in
            // The breaker is open, so the failure has been taken in.
            _ = await stage.clock.nextSleep()
        }
        #expect(isUnknown == false)
    }

    /// A stop need not wait for its turn, and it is not recorded as sent.
    @Test func whatWaitedForItsTurnIsNotUnknown() async throws {
        let journal = InMemoryJournal()
        let first = ScriptedSink(limits: Self.one, mustNotRepeat: true)
        first.deferTurns(.everybody(.seconds(3_600)))
        let stage = try await Stage(first, journal)
        try await stage.append("u1")
        try await stage.run { #expect(await stage.clock.nextSleep() == .seconds(3_600)) }
        #expect(first.batches.isEmpty)
        let second = ScriptedSink(limits: Self.one, mustNotRepeat: true)
        let next = try await Stage(second, journal)
        try await next.run { #expect(await second.nextBatch().first?.isOutcomeUnknown == false) }
    }

    @Test func aTurnThatHasComeIsTaken() async throws {
        let sink = ScriptedSink(limits: Self.one)
        let stage = try await Stage(sink, InMemoryJournal())
        sink.deferTurns(.everybody(.seconds(20)))
        try await stage.append("u1")
        try await stage.run {
            #expect(await stage.clock.nextSleep() == .seconds(20))
            stage.clock.advance(by: .seconds(20))
            #expect(await sink.nextBatch().map(\.attempt) == [1])
        }
    }

    /// Times that are far away are not slept for once for each that is near.
    @Test func aWorkerSleepsOnce() async throws {
        let sink = ScriptedSink(limits: Self.one)
        let stage = try await Stage(sink, InMemoryJournal())
        let later = ScriptedSink.Answer.each(.retry(after: .seconds(3_600), reason: "busy"))
        sink.answer(later, later)
        try await stage.append("u1", "u2")
        try await stage.run {
            for _ in 0..<2 { _ = await sink.nextBatch() }
            sink.deferTurns(.everybody(.seconds(1)), times: 1_001)
            try await stage.append("u3")
            for _ in 0..<1_000 {
                try await stage.clock.nextSleep(of: .seconds(1))
                stage.clock.advance(by: .seconds(1))
            }
            try await stage.clock.nextSleep(of: .seconds(1))
            #expect(stage.clock.sleepers == 1)
        }
    }

    /// Nothing was sent, so it is no failure of the event's.
    @Test func whatCouldNotBeIntendedWasNotSent() async throws {
        let journal = InMemoryJournal()
        await journal.close()
        let sink = ScriptedSink(limits: Self.one, mustNotRepeat: true)
        let runner = AttemptRunner(sink: sink, journal: journal, epoch: 1, clock: ManualClock())
        let entry = JournalEntry(offset: .zero, event: DeliveryFixture.event(of: "u1"), rule: "rule")
        let attempt = DeliveryAttempt(id: 1, offsets: [.zero], numbers: [.zero: 1])
        let ended = await runner.run(attempt, [entry])
        guard case .refused = ended.result else {
            Issue.record("\(ended)")
            return
        }
        #expect(ended.journalError == .closed && sink.batches.isEmpty)
    }

    @Test func nothingIsSentThatCouldNotBeIntended() async throws {
        let journal = InMemoryJournal()
        let sink = ScriptedSink(limits: Self.one, mustNotRepeat: true)
        let stage = try await Stage(sink, journal)
        _ = try await journal.lease(sink.name)
        try await stage.append("u1")
        try await stage.run { try await waitUntil { sink.hasShutDown } }
        #expect(sink.batches.isEmpty)
    }

    @Test func aStatefulSinkSeesItsLastReceiptsState() async throws {
        let limits = SinkLimits(batchEventsMax: 1, concurrency: 4, foldsUsers: false, keepsState: true)
        let sink = ScriptedSink(limits: limits) { delivery in
            var state = FoldState()
            state.values["last"] = "\(delivery.offset)"
            return state
        }
        let stage = try await Stage(sink, InMemoryJournal())
        try await stage.append("u1", "u1", "u1")
        try await stage.run {
            var told: [String?] = []
            for _ in 0..<3 { told.append(await sink.nextBatch().first?.state?.values["last"]) }
            #expect(told == [nil, "1", "2"])
        }
    }
}
