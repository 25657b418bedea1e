import Config
import Logging
@testable import Relay
import RelayTesting
import Rules
import Testing

/// What one worker of a sink hands to the next.
@Suite(.timeLimit(.minutes(1))) struct SinkShiftTests {
    /// A sink that is away and whose place is moved: it is not asked by all at once, and the log has it once.
    @Test func aSinkThatIsAwayStaysOnTrialAfterARestart() async throws {
        let journal = InMemoryJournal()
        let sink = ScriptedSink(limits: SinkWorkerTests.one)
        let clock = ManualClock()
        let log = CapturedLog()
        let shift = SinkShift(
            SinkFleet.Member(sink: sink), after: nil,
            SinkFleet.Surroundings(
                journal: journal, clock: clock, metrics: RelayMetrics(version: "1", startedAt: 0),
                board: SinkBoard(), stopTimeout: .seconds(10), logger: Logger(label: "test") { _ in log }))
        let away = ScriptedSink.Answer.fails(.unavailable(reason: "refused"))
        sink.answer(away, away, away, away, away)
        _ = try await journal.lease(sink.name)
        let route = Route(choices: [Route.Choice(sink: sink.name, rule: "rule")])
        let events = (1...4).map { number in
            let type = "user.account.update_profile"
            return EventSample(type: type, user: "u\(number)", second: Int64(number)).event
        }
        _ = try await journal.append(
            Submission(events: events.map { Submission.RoutedEvent(event: $0, route: route) }))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await shift.run() }
            for _ in 0..<4 { _ = await sink.nextBatch() }
            _ = await clock.nextSleep()
            _ = await shift.restart().value
            _ = await sink.nextBatch()
            // The trial has failed.
            _ = await clock.nextSleep()
            #expect(sink.batches.count == 5)
            #expect(log.lines.count { $0.hasPrefix("warning sink is unavailable") } == 1)
            tasks.cancelAll()
            try await tasks.waitForAll()
        }
    }
}
