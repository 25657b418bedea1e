import JSON
import Logging
@testable import Relay
import RelayTesting
import Rules
import ServiceLifecycle
import Testing

/// Replays in a journal that is nearly full: 8 MB here.
@Suite(.timeLimit(.minutes(1))) struct ReplayRoomTests {
    private static let batch = 20

    /// A journal without room for a replay, a lease of `audit`, for which all of it waits, and a replay of
    /// the last five batches to `crm`.
    private func full() async throws -> (fixture: OperatorFixture, lease: SinkLease, id: String) {
        let fixture = try await OperatorFixture(sizeMax: 8 << 20)
        try await fixture.journal.keep([SinkPolicy(name: "crm"), SinkPolicy(name: "audit")])
        let lease = try await fixture.journal.lease("audit")
        let route = Route(choices: [Route.Choice(sink: "audit", rule: "x")])
        var count = 0
        while try await fixture.inspection.hasRoomForReplays() {
            try #require(count < 10_000)
            fixture.clock.advance(by: .seconds(1))
            let events = try (count..<count + Self.batch).map { number in
                var event = LogEventFixture(
                    uuid: "event-\(number)", type: "user.lifecycle.create", userID: "user-\(number)")
                event.displayName = String(repeating: "x", count: 4_000)
                return Submission.RoutedEvent(
                    event: try event.event(receivedAt: fixture.clock.now), route: route)
            }
            _ = try await fixture.journal.append(Submission(events: events))
            count += Self.batch
        }
        try #require(count > 1_000)
        let since = Timestamp(nanoseconds: fixture.clock.now - 4_500_000_000).description
        let answer = try await fixture.ask("/replays", #"{"sink":"crm","since":"\#(since)"}"#)
        try #require(answer.status == 202, "\(String(decoding: answer.json.raw, as: UTF8.self))")
        return (fixture, lease, try #require(answer.json["id"]?.string))
    }

    private func settle(_ lease: SinkLease, _ fixture: OperatorFixture) async throws {
        let horizon = try await fixture.inspection.status().horizon
        try await fixture.journal.settle(lease, to: horizon.rawValue)
    }

    @Test func aReplayTakesNoRoomThatOthersNeed() async throws {
        let (fixture, lease, id) = try await full()
        let error = await #expect(throws: JournalError.self) {
            _ = try await fixture.hands.advanceReplays()
        }
        #expect(error == .cannotCommit(reason: Replay.Need.room.text))
        let waiting = try await fixture.ask("/replays/\(id)", method: "GET").json
        #expect(waiting["state"]?.string == "waits" && waiting["waitsFor"]?.string == "room")
        #expect(waiting["appended"]?.int == 0)
        try await fixture.append(20_000...20_000, to: ["audit"])
        #expect(try await fixture.sink("audit").detached == 0)

        // What every sink has makes room for it.
        try await settle(lease, fixture)
        #expect(try await fixture.inspection.hasRoomForReplays())
        try await waitUntil {
            do {
                return try await !fixture.hands.advanceReplays()
            } catch JournalError.cannotCommit {
                // Where none could be made, that is tried again after a few seconds.
                fixture.clock.advance(by: .seconds(6))
                _ = try await fixture.journal.retain()
                return false
            }
        }
        let done = try await fixture.ask("/replays/\(id)", method: "GET").json
        #expect(done["state"]?.string == "done" && done["waitsFor"]?.isNull == true)
        #expect(done["appended"]?.int == 5 * Self.batch && done["isWhole"]?.bool == true)
        #expect(try await fixture.sink("crm").waiting == 5 * Self.batch)
        #expect(try await fixture.inspection.status().sinks.allSatisfy { $0.detached == 0 })
    }

    /// It may wait for days.
    @Test func theRunnerSaysOnceWhyItWaits() async throws {
        let (fixture, lease, id) = try await full()
        let log = CapturedLog()
        let runner = ReplayRunner(fixture.hands, logger: Logger(label: "test") { _ in log })
        let group = ServiceGroup(configuration: .init(services: [.init(service: runner)], logger: .quiet))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            for _ in 0..<3 {
                try await fixture.clock.nextSleep(of: .seconds(5))
                fixture.clock.advance(by: .seconds(5))
            }
            try await settle(lease, fixture)
            try await waitUntil {
                fixture.clock.advance(by: .seconds(1))
                return try await fixture.inspection.replay(id: id)?.endedAt != nil
            }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
        #expect(log.lines.count { $0.contains("cannot go on") } == 1)
        #expect(try await fixture.sink("crm").waiting == 5 * Self.batch)
    }
}
