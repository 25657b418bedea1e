import Config
import Foundation
import RelayTesting
import Rules
import Sinks
import Synchronization
import Testing

@testable import OktaRelay
@testable import Relay

/// What a reload does where one of its steps fails, and what comes in between two of them.
@Suite(.timeLimit(.minutes(1))) struct ConfigReloaderTests {
    @Test func nothingIsSwappedWhereTheJournalIsClosed() async throws {
        let relay = try await ReloadedRelay(sinks: ["first"])
        try relay.write(sinks: ["first", "second"])
        await relay.journal.close()
        let kept = await relay.reload()
        #expect(kept.sinks == relay.initial.sinks)
        #expect(relay.live.current.rules.rules.map(\.sinks) == [["first"]])
        #expect(relay.fleet.sinks.map(\.name) == ["first"])
        await relay.factory.shutdown()
    }

    /// What the file said that was refused must not bind the one that is taken over.
    @Test func aReloadThatIsRefusedLeavesTheJournalAsItWas() async throws {
        let relay = try await ReloadedRelay(sinks: ["first"])
        try await relay.receive("before")
        try relay.write(sinks: ["first", "second", "late"], from: "7d")
        relay.journal.refuseOnce(.keep)
        #expect(await relay.reload().sinks == relay.initial.sinks)
        #expect(try await relay.inspection.status().sinks.map(\.name) == ["first"])
        #expect(try await relay.inspection.unfinishedReplays().isEmpty)

        try relay.write(sinks: ["first", "late"])
        #expect(await relay.reload().sinks.map(\.name) == ["first", "late"])
        #expect(try await relay.inspection.status().sinks.map(\.name) == ["first", "late"])
        #expect(try await relay.inspection.unfinishedReplays().isEmpty)
        await relay.journal.close()
        await relay.factory.shutdown()
    }

    /// Sinks that change can take long, and all that time events go by the old rules; a request that took
    /// those may even end after the new ones are in force.
    @Test func aNewSinkWithABeginningMissesNothingOfTheReload() async throws {
        let relay = try await ReloadedRelay(sinks: ["first"])
        try await relay.receive("before")
        try relay.write(sinks: ["first", "late"], from: "7d")
        let slow = Mutex<Task<Void, any Error>?>(nil)
        relay.journal.during(.keep) {
            try? await relay.receive("between")
            let former = relay.live.current
            // Awaited, or cancelled, below.
            let task = Task {
                try await waitUntil { relay.live.current.rules.rules.first?.sinks.count != 1 }
                for _ in 0..<100 { await Task.yield() }
                try await relay.receive("slow", by: former)
            }
            slow.withLock { $0 = task }
        }
        #expect(await relay.reload().sinks.map(\.name) == ["first", "late"])
        let task = slow.withLock { $0 }
        try await withTaskCancellationHandler {
            try await task?.value
        } onCancel: {
            task?.cancel()
        }
        while try await relay.hands.advanceReplays() {}
        try await relay.receive("after")
        let limit = ReadLimit(entries: 99, bytes: 1 << 20)
        let page = try await relay.journal.read("late", after: .zero, limit: limit)
        #expect(page.entries.map(\.event.id).sorted() == ["after", "before", "between", "slow"])
        await relay.journal.close()
        await relay.factory.shutdown()
    }

    /// Whoever pauses a sink while a reload takes it in is not told so for nothing.
    @Test func aPauseDuringTheReloadThatBringsASinkIsKept() async throws {
        let relay = try await ReloadedRelay(sinks: ["first"])
        try await relay.run {
            try relay.write(sinks: ["first", "second"])
            relay.journal.during(.keep) { _ = try? await relay.hands.pause("second", reason: "not yet") }
            #expect(await relay.reload().sinks.map(\.name) == ["first", "second"])
            try await relay.receive("1")
            try await relay.delivered(1, to: "first")
            try await waitUntil { relay.board.snapshot["second"]?.state == .paused }
            let status = try await relay.inspection.status().sinks.first { $0.name == "second" }
            #expect(status?.delivered == 0 && status?.waiting == 1)
        }
    }

    // MARK: - Other names

    /// The sink goes on by its former name, and later the file is taken over.
    @Test func aRenameThatIsRefusedChangesNothing() async throws {
        let relay = try await ReloadedRelay(sinks: ["former"])
        try await relay.run {
            try relay.write(sinks: ["new", "heir"], renamedFrom: "former")
            relay.journal.refuseOnce(.keep)
            #expect(await relay.reload().sinks == relay.initial.sinks)
            #expect(relay.fleet.delivering == ["former"] && relay.isShown("former"))
            try await relay.receive("1")
            try await relay.delivered(1, to: "former")
            try await waitUntil { relay.board.snapshot["former"]?.state == .closed }

            #expect(Set(await relay.reload().sinks.map(\.name)) == ["new", "heir"])
            #expect(relay.fleet.delivering == ["new", "heir"] && !relay.isShown("former"))
            try await relay.receive("2")
            try await relay.delivered(2, to: "heir")
            try await relay.delivered(1, to: "new")
            #expect(try await relay.inspection.status().sinks.map(\.name) == ["heir", "new"])
        }
    }

    /// What was stored is carried out: it has its place, and its lease when the journal gives it.
    @Test(arguments: ["former", nil])
    func aSinkThatIsStoredIsDeliveredToWhateverTheJournalRefusesThen(_ renamedFrom: String?) async throws {
        let clock = ManualClock()
        let relay = try await ReloadedRelay(sinks: ["former"], clock: clock)
        try await relay.run {
            try relay.write(sinks: ["heir"], renamedFrom: renamedFrom)
            relay.journal.refuseOnce(.lease("heir"))
            #expect(await relay.reload().sinks.map(\.name) == ["heir"])
            try await relay.receive("1")
            try await withThrowingTaskGroup(of: Bool.self) { group in
                group.addTask {
                    try await relay.delivered(1, to: "heir")
                    return true
                }
                group.addTask {
                    while !Task.isCancelled { clock.advance(by: await clock.nextSleep()) }
                    return false
                }
                while try await group.next() == false {}
                group.cancelAll()
            }
            #expect(relay.fleet.delivering == ["heir"])
        }
    }

    /// A worker that is there would lease the former name anew.
    @Test(arguments: [true, false]) func aSinkHasNoWorkerWhileItIsRenamed(_ isEnabled: Bool) async throws {
        let relay = try await ReloadedRelay(sinks: ["first", "former"])
        try await relay.run {
            try relay.write(sinks: ["first", "heir"], renamedFrom: "former", isLastEnabled: isEnabled)
            relay.journal.during(.keep) { #expect(relay.fleet.delivering == ["first"]) }
            _ = await relay.reload()
            #expect(try await relay.inspection.status().sinks.map(\.name) == ["first", "heir"])
            #expect(relay.fleet.delivering == (isEnabled ? ["first", "heir"] : ["first"]))
        }
    }

    // MARK: - Warnings

    private static func sink(_ name: String, waiting: Int = 0, delivered: Int = 0) -> SinkStatus {
        SinkStatus(
            name: name, cursor: .zero, waiting: waiting, oldestWaitingReceivedAt: waiting > 0 ? 1 : nil,
            delivered: delivered, superseded: 0, skipped: 0, retried: 0, parked: 0, dead: 0)
    }

    /// What a replay has sent again came in long before.
    @Test(
        arguments: [
            (16, "1 event waits for the sink \"crm2\", the oldest for 16 d: after 30 d they are given up"),
            (1, nil),
        ] as [(Int64, String?)])
    func aSinkThatStaysBehindIsWarnedOfByHowLongItsEventsWait(_ days: Int64, _ expected: String?) throws {
        let folder = try TemporaryFolder()
        let path = folder.file("sinks.json")
        try ReloadedRelay.config(sinks: ["crm2"]).write(toFile: path, atomically: true, encoding: .utf8)
        let configuration = try #require(ConfigLoader().load(path: path).configuration)
        let day: Int64 = 86_400_000_000_000
        let sink = SinkStatus(
            name: "crm2", cursor: .zero, waiting: 1, oldestWaitingReceivedAt: 1,
            oldestWaitingSince: (100 - days) * day, delivered: 0, superseded: 0, skipped: 0, retried: 0,
            parked: 0, dead: 0)
        let status = JournalStatus(
            accepted: 0, duplicates: 0, unrouted: 0, quarantined: 0, horizon: .zero, sizeBytes: 0,
            sinks: [sink])
        #expect(SinkWarnings.find(status, configuration, at: 100 * day).first?.text == expected)
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
