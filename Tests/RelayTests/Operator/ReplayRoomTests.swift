import Foundation
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
            try await appendBatch(count, route, fixture)
            count += Self.batch
        }
        try #require(count > 700)
        return (fixture, lease, try await begin(fixture))
    }

    /// Appends large events of a second, a batch of them.
    private func appendBatch(_ first: Int, _ route: Route, _ fixture: OperatorFixture) async throws {
        fixture.clock.advance(by: .seconds(1))
        let events = try (first..<first + Self.batch).map { number in
            var event = LogEventFixture(
                uuid: "event-\(number)", type: "user.lifecycle.create", userID: "user-\(number)")
            event.displayName = String(repeating: "x", count: 4_000)
            return Submission.RoutedEvent(
                event: try event.event(receivedAt: fixture.clock.now), route: route)
        }
        _ = try await fixture.journal.append(Submission(events: events))
    }

    /// Begins a replay of the last five batches to `crm`; its id.
    private func begin(_ fixture: OperatorFixture) async throws -> String {
        let since = Timestamp(nanoseconds: fixture.clock.now - 4_500_000_000).description
        let answer = try await fixture.ask("/replays", #"{"sink":"crm","since":"\#(since)"}"#)
        try #require(answer.status == 202, "\(String(decoding: answer.json.raw, as: UTF8.self))")
        return try #require(answer.json["id"]?.string)
    }

    /// A journal of a few megabytes on a disk, of which every sink has everything; its log is cut.
    private func small(on disk: ScratchDisk) async throws -> OperatorFixture {
        let folder = try TemporaryFolder()
        try FileManager.default.createSymbolicLink(
            atPath: folder.file("journal.sqlite"), withDestinationPath: disk.file("journal.sqlite"))
        let first = try await OperatorFixture(in: folder)
        for batch in 0..<20 { try await appendBatch(batch * Self.batch, Route(choices: []), first) }
        await first.journal.close()
        return try await OperatorFixture(in: folder, clock: first.clock)
    }

    /// Others have filled the disk, and no room is made before it is full.
    @Test(.enabled(if: ScratchDisk.isAvailable, "\(ScratchDisk.whyNot)"))
    func aReplayLeavesWhatIsLeftOfTheDisk() async throws {
        let disk = try ScratchDisk(megabytes: 48)
        let fixture = try await small(on: disk)
        #expect(try await fixture.inspection.hasRoomForReplays())
        // Less than the step and half of the reserve of 3 MiB.
        try disk.fill(leaving: 3 << 19)
        let id = try await begin(fixture)
        #expect(try await !fixture.inspection.hasRoomForReplays())
        let error = await #expect(throws: JournalError.self) {
            _ = try await fixture.hands.advanceReplays()
        }
        #expect(error == .cannotCommit(reason: Replay.Need.room.text))
        #expect(try await fixture.inspection.replay(id: id)?.appended == 0)
        try await fixture.append(20_000...20_000, to: ["audit"])

        try disk.makeSpace()
        #expect(try await fixture.inspection.hasRoomForReplays())
        while try await fixture.hands.advanceReplays() {}
        #expect(try await fixture.inspection.replay(id: id)?.appended == 5 * Self.batch)
        await fixture.journal.close()
    }

    /// What is free then is the reserve's, for what makes room.
    @Test(.enabled(if: ScratchDisk.isAvailable, "\(ScratchDisk.whyNot)"))
    func withoutTheReserveThereIsNoRoom() async throws {
        let disk = try ScratchDisk(megabytes: 48)
        let fixture = try await small(on: disk)
        try disk.fill()
        var count = 1_000
        while (try? await appendBatch(count, Route(choices: []), fixture)) != nil {
            try #require(count < 10_000)
            count += Self.batch
        }
        #expect(!FileManager.default.fileExists(atPath: disk.file("journal.sqlite.reserve")))
        #expect(try await !fixture.inspection.hasRoomForReplays())
        try disk.makeSpace()
        try await appendBatch(count, Route(choices: []), fixture)
        #expect(try await fixture.inspection.hasRoomForReplays())
        await fixture.journal.close()
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
