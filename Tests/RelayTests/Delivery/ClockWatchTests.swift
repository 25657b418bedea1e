import Config
@testable import Relay
import RelayTesting
import Rules
import Testing

/// A wall clock that is set, and how a worker notices.
@Suite(.timeLimit(.minutes(1))) struct ClockWatchTests {
    private let clock = ManualClock()

    @Test func itTellsOnceHowFarTheClockWasSet() {
        var watch = ClockWatch(clock)
        clock.advance(by: .seconds(86_400))
        #expect(watch.read() == (clock.now, nil))
        for step in [Duration.seconds(-7_200), .seconds(30 * 86_400), .seconds(-1)] {
            clock.set(by: step)
            #expect(watch.read() == (clock.now, step.nanoseconds))
            #expect(watch.read() == (clock.now, nil))
        }
    }

    /// A clock that is slewed goes its own way for days.
    @Test func whatIsTooLittleIsAddedUp() {
        var watch = ClockWatch(clock)
        clock.set(by: .milliseconds(600))
        #expect(watch.read().step == nil)
        clock.set(by: .milliseconds(600))
        #expect(watch.read().step == Duration.milliseconds(1_200).nanoseconds)
    }

    /// A retry began while the clock knew no date.
    @Test func aWorkerTakesItsRetriesAlong() async throws {
        let journal = InMemoryJournal(clock: clock)
        let sink = ScriptedSink(limits: SinkWorkerTests.one)
        sink.answer(.each(.retry(after: .seconds(30), reason: "busy")))
        let worker = SinkWorker(
            sink: sink, journal: journal, lease: try await journal.lease("sink"), policy: DeliveryPolicy(),
            clock: clock, metrics: RelayMetrics(version: "1", startedAt: 0), board: SinkBoard(),
            stopTimeout: .seconds(10), logger: .quiet)
        func append(_ user: String) async throws {
            let route = Route(choices: [Route.Choice(sink: "sink", rule: "rule")])
            let type = "user.account.update_profile"
            let event = EventSample(type: type, user: user, second: 0).event
            _ = try await journal.append(
                Submission(events: [Submission.RoutedEvent(event: event, route: route)]))
        }
        let giveUpAt = clock.now + Duration.seconds(33 * 86_400).nanoseconds
        try await append("u1")
        async let end = worker.serve()
        _ = await sink.nextBatch()
        // It has begun to wait for the retry.
        _ = await clock.nextSleep()
        clock.set(by: .seconds(30 * 86_400))
        try await append("u2")
        #expect(await sink.nextBatch().map(\.event.user?.id) == ["u2"])
        worker.stop()
        #expect(await end == .stopped)
        let lease = try await journal.lease("sink")
        #expect(lease.parked.map(\.giveUpAt) == [giveUpAt - lease.stoodStill])
    }
}
