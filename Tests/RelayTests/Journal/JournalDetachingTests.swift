@testable import Relay
import RelayTesting
import Testing

/// What becomes of entries that a sink leaves waiting.
@Suite struct JournalDetachingTests {
    let fixture: JournalFixture

    init() throws { fixture = try JournalFixture() }

    @Test func aSinkBehindHoldsItsEntriesForMaxBehindAndThenGivesThemUp() async throws {
        let journal = try await fixture.open()
        try await journal.keep([SinkPolicy(name: "a"), SinkPolicy(name: "b", maxBehind: fixture.day * 40)])
        let a = try await journal.lease("a")
        let b = try await journal.lease("b")
        _ = try await journal.append(try fixture.submission(0..<5_000, to: ["a", "b"]))
        try await journal.settle(a, to: 5_000)
        fixture.clock.advance(by: fixture.day * 19)
        _ = try await journal.retain()
        #expect(!fixture.isLogged("stays behind"))
        fixture.clock.advance(by: fixture.day * 12)
        #expect(try await journal.retain().entries == 0)
        #expect(fixture.log.lines.count { $0.contains("stays behind") } == 1)
        #expect(try await fixture.sink("b")?.waiting == 5_000)

        fixture.clock.advance(by: fixture.day * 10)
        #expect(try await journal.retain().entries == 4_999)
        let given = try #require(try await fixture.sink("b"))
        #expect(given.waiting == 0 && given.detached == 5_000 && given.cursor == Offset(rawValue: 5_000))
        let ranges = try await fixture.detached()
        #expect(ranges.map(\.entries) == [5_000])
        #expect(ranges.first?.offsets == Offset(rawValue: 1)...Offset(rawValue: 5_000))
        #expect(ranges.first?.reason == "behind for longer than maxBehind")
        #expect(fixture.isLogged("given up"))
        // Its worker is told, and goes on where the journal put it.
        await #expect(throws: JournalError.moved) { try await journal.settle(b, to: 10) }
        #expect(try await journal.lease("b").cursor == Offset(rawValue: 5_000))
        #expect(try await fixture.sink("a")?.detached == 0)
        #expect(try await fixture.verify().problems == [])
        await journal.close()
    }

    @Test(arguments: [
        [], [SinkPolicy(name: "gone", isEnabled: false, maxBehind: .seconds(90 * 86_400))],
    ])
    func aRemovedOrDisabledSinkPinsNothingBeyondTheRetention(_ policies: [SinkPolicy]) async throws {
        let journal = try await fixture.open()
        try await journal.keep(policies)
        _ = try await journal.lease("gone")
        _ = try await journal.append(try fixture.submission(0..<10, to: ["gone"]))
        fixture.clock.advance(by: fixture.day * 29)
        #expect(try await journal.retain().entries == 0)
        fixture.clock.advance(by: fixture.day * 2)
        _ = try await journal.append(try fixture.submission(10..<11, to: []))
        #expect(try await journal.retain().entries == 10)
        #expect(try await fixture.sink("gone")?.detached == 10)
        await journal.close()
    }

    /// A command that opens a journal by itself knows no policies.
    @Test func nothingIsGivenUpBeforeThePoliciesAreKnown() async throws {
        let journal = try await fixture.open(sizeMax: 4 << 20)
        _ = try await journal.lease("a")
        _ = try await journal.append(try fixture.submission(0..<10, to: ["a"]))
        fixture.clock.advance(by: fixture.day * 4_000)
        _ = try await journal.retain()
        #expect(try await fixture.sink("a")?.waiting == 10)
        await journal.close()
    }

    /// Parked ones below and above the cursor, and those settled out of order, each count once.
    @Test func onlyWhatIsNotSettledIsGivenUp() async throws {
        let journal = try await fixture.open()
        try await journal.keep([SinkPolicy(name: "a")])
        let lease = try await journal.lease("a")
        _ = try await journal.append(try fixture.submission(0..<12, to: ["a"]))
        func parked(_ offset: Int64) -> ParkedDelivery {
            ParkedDelivery(offset: Offset(rawValue: offset), subject: nil, failures: [], notBefore: 0)
        }
        try await journal.settle(
            Settlement(
                sink: "a", epoch: lease.epoch, cursor: Offset(rawValue: 5),
                settledAbove: [7, 8, 11].map { Offset(rawValue: $0) }, outcomes: [.delivered: 6],
                parked: [parked(3), parked(8)]))
        fixture.clock.advance(by: fixture.day * 31)
        _ = try await journal.append(try fixture.submission(12..<14, to: ["a"]))
        _ = try await journal.retain()
        let sink = try #require(try await fixture.sink("a"))
        // 3, 6, 8, 9, 10 and 12.
        #expect(sink.detached == 6 && sink.parked == 0 && sink.waiting == 2)
        #expect(try fixture.kept() == [13, 14])
        #expect(try await fixture.verify().problems == [])
        await journal.close()
    }

    /// Its events came in long before it was appended, and whether anything comes after it does not matter.
    @Test(arguments: ["replay", "redrive"]) func whatIsSentAgainIsAsOldAsItsJob(_ verb: String) async throws {
        let journal = try await fixture.open()
        try await journal.keep([SinkPolicy(name: "a")])
        let lease = try await journal.lease("a")
        let old = fixture.clock.now - (fixture.day * 90).nanoseconds
        _ = try await journal.append(try fixture.submission(0..<1, to: ["a"], at: old))
        try await journal.settle(lease, to: 1)
        let id = "\(verb)-\(Timestamp(nanoseconds: fixture.clock.now))"
        let events = try fixture.submission(1..<5, to: ["a"], replay: id, at: old).events
        if verb == "replay" {
            // A replay may wait and take its time: its entries are no older than its end.
            let replay = try await journal.begin(
                ReplayRequest(sink: "a", filter: ReplayFilter(), since: 0, until: nil, after: .zero))
            #expect(replay.id == id)
            fixture.clock.advance(by: fixture.day * 40)
            _ = try await journal.advance(
                replay, by: ReplayStep(events: Array(events.prefix(2)), end: .zero, isLast: false))
            _ = try await journal.retain()
            #expect(try await fixture.sink("a")?.waiting == 2, "it is not over")
            let inspection = try SQLiteJournalInspection(path: fixture.path, clock: fixture.clock)
            let sink = try await inspection.status().sinks.first { $0.name == "a" }
            #expect(sink?.oldestWaitingSince == fixture.clock.now)
            _ = try await journal.advance(
                replay,
                by: ReplayStep(events: Array(events.suffix(2)), end: Offset(rawValue: 1), isLast: true))
        } else {
            _ = try await journal.append(Submission(events: events))
        }
        let told = try #require(try await fixture.sink("a"))
        #expect(told.oldestWaitingSince == fixture.clock.now && told.oldestWaitingReceivedAt == old)
        fixture.clock.advance(by: fixture.day * 29)
        _ = try await journal.retain()
        #expect(try await fixture.sink("a")?.waiting == 4)
        fixture.clock.advance(by: fixture.day * 2)
        _ = try await journal.retain()
        #expect(try await fixture.sink("a")?.detached == 4)
        // A replay of the range has to reach back to when they came in.
        #expect(try await fixture.detached().first?.firstReceivedAt == old)
        await journal.close()
    }

    /// Its sink takes nothing, so it never ends; what follows its entries tells how old they are.
    @Test func aReplayThatIsNeverOverHoldsUpNobodysGivingUp() async throws {
        let journal = try await fixture.open()
        try await journal.keep([SinkPolicy(name: "a"), SinkPolicy(name: "off", isEnabled: false)])
        for sink in ["a", "off"] { _ = try await journal.lease(sink) }
        let replay = try await journal.begin(
            ReplayRequest(sink: "off", filter: ReplayFilter(), since: 0, until: nil, after: .zero))
        _ = try await journal.append(try fixture.submission(0..<1, to: ["a"]))
        let again = try fixture.submission(1..<3, to: ["off"], replay: replay.id).events
        _ = try await journal.advance(replay, by: ReplayStep(events: again, end: .zero, isLast: false))
        _ = try await journal.append(try fixture.submission(3..<5, to: ["a"]))
        fixture.clock.advance(by: fixture.day * 31)
        _ = try await journal.append(try fixture.submission(5..<6, to: ["a", "off"]))
        _ = try await journal.retain()
        let (a, off) = (try await fixture.sink("a"), try await fixture.sink("off"))
        #expect(a?.detached == 3 && a?.waiting == 1)
        #expect(off?.detached == 2 && off?.waiting == 1)
        #expect(try await fixture.verify().problems == [])
        await journal.close()
    }

    /// What was stamped by a clock that had gone back must not take younger entries with it.
    @Test func aClockThatWasWrongGivesNothingUpEarly() async throws {
        let journal = try await fixture.open()
        try await journal.keep([SinkPolicy(name: "a")])
        _ = try await journal.lease("a")
        _ = try await journal.append(try fixture.submission(0..<3, to: ["a"]))
        _ = try await journal.append(try fixture.submission(3..<6, to: ["a"], at: 1))
        _ = try await journal.append(try fixture.submission(6..<9, to: ["a"]))
        fixture.clock.advance(by: fixture.day)
        _ = try await journal.retain()
        #expect(try await fixture.sink("a")?.waiting == 9)
        await journal.close()
    }

    /// What came behind, by a clock that was right, tells how old the rest is; there is more than two steps
    /// look at.
    @Test func aClockThatWasAheadHasNothingKeptForLonger() async throws {
        let journal = try await fixture.open()
        try await journal.keep([SinkPolicy(name: "a")])
        _ = try await journal.lease("a")
        let ahead = fixture.clock.now + (fixture.day * 400).nanoseconds
        _ = try await journal.append(try fixture.submission(0..<9_000, to: ["a"], at: ahead))
        _ = try await journal.append(try fixture.submission(9_000..<9_003, to: ["a"]))
        fixture.clock.advance(by: fixture.day * 29)
        #expect(try await journal.retain().entries == 0)
        #expect(try await fixture.sink("a")?.waiting == 9_003)
        #expect(fixture.isLogged("stays behind"))
        fixture.clock.advance(by: fixture.day * 2)
        #expect(try await journal.retain().entries == 9_002)
        #expect(try await fixture.sink("a")?.detached == 9_003)
        #expect(try await fixture.detached().map(\.entries) == [9_003])
        await journal.close()
    }

    /// Nothing that was deleted comes back when it is set right.
    @Test func aClockThatIsSetForwardTakesNothingForOldForADay() async throws {
        let journal = try await fixture.open()
        try await journal.keep([SinkPolicy(name: "a")])
        _ = try await journal.lease("a")
        _ = try await journal.append(try fixture.submission(0..<10, to: ["a"]))
        func isKept() async throws -> Bool {
            let deleted = try await journal.retain().entries
            return try await fixture.sink("a")?.waiting == 10 && deleted == 0
        }
        let year = fixture.day * 365
        fixture.clock.set(by: year)
        #expect(try await isKept())
        #expect(fixture.log.lines.count { $0.contains("was set forward") } == 1)
        fixture.clock.advance(by: .seconds(86_000))
        #expect(try await isKept())
        // Set forward once more, it is doubted from there.
        fixture.clock.set(by: year)
        #expect(try await isKept())
        fixture.clock.advance(by: .seconds(1_000))
        #expect(try await isKept())
        fixture.clock.set(by: .zero - year)
        fixture.clock.advance(by: .seconds(86_000))
        #expect(try await isKept())
        fixture.clock.set(by: .zero - year)
        fixture.clock.advance(by: fixture.day)
        #expect(try await isKept())
        #expect(fixture.log.lines.count { $0.contains("was set forward") } == 1)
        // One that stays where it was set is right.
        fixture.clock.set(by: year)
        #expect(try await isKept())
        fixture.clock.advance(by: fixture.day)
        #expect(try await !isKept())
        #expect(try await fixture.sink("a")?.detached == 10)
        await journal.close()
    }

    /// One of its entries, and thousands of others' before it: more than a step looks at.
    @Test func aSinkWithFewEventsIsFoundBehindManyOfOthers() async throws {
        let journal = try await fixture.open()
        try await journal.keep([SinkPolicy(name: "a", maxBehind: fixture.day), SinkPolicy(name: "b")])
        _ = try await journal.lease("a")
        _ = try await journal.append(try fixture.submission(0..<9_000, to: []))
        _ = try await journal.append(try fixture.submission(9_000..<9_001, to: ["a"]))
        _ = try await journal.append(try fixture.submission(9_001..<18_001, to: []))
        fixture.clock.advance(by: fixture.day * 2)
        _ = try await journal.retain()
        #expect(try await fixture.sink("a")?.detached == 1)
        #expect(
            try await fixture.detached().first?.offsets == Offset(rawValue: 9_001)...Offset(rawValue: 9_001))
        await journal.close()
    }

    /// Steps of one outage are one range.
    @Test func anOutageThatGoesOnIsOneRange() async throws {
        let journal = try await fixture.open()
        try await journal.keep([SinkPolicy(name: "a", maxBehind: .seconds(3_600))])
        _ = try await journal.lease("a")
        for hour in 0..<6 {
            let ids = hour * 10..<hour * 10 + 10
            _ = try await journal.append(try fixture.submission(ids, to: ["a"]))
            fixture.clock.advance(by: .seconds(3_700))
            _ = try await journal.retain()
        }
        let ranges = try await fixture.detached("a")
        #expect(ranges.map(\.entries) == [60])
        #expect(ranges.first?.offsets == Offset(rawValue: 1)...Offset(rawValue: 60))
        await journal.close()
    }

    /// Near the maximum a step gives up what a step can delete, however few events that is; and it is told at
    /// once, or at a stop where something was told just before.
    @Test func largeEventsAreGivenUpAFewAtATime() async throws {
        let journal = try await fixture.open(sizeMax: 32 << 20)
        try await journal.keep([SinkPolicy(name: "a")])
        _ = try await journal.lease("a")
        _ = try await journal.retain()
        func told() -> Int {
            fixture.log.lines.count {
                $0.contains("events that waited for a sink for too long, or without room, were given up")
            }
        }
        var (count, given) = (0, 0)
        for burst in 1...2 {
            let before = given
            while given == before, count < 1_000 {
                let next = try fixture.submission(count..<count + 10, to: ["a"], bytes: 100_000)
                _ = try await journal.append(next)
                count += 10
                given = try await fixture.sink("a")?.detached ?? 0
            }
            #expect(given > before && given < before + 170)
            // The writer looks whether something is to be told after some commits at the latest.
            for _ in 0..<200 where told() == 0 { try await journal.committer.commit { _ in } }
            #expect(told() == 1, "burst \(burst)")
            given = try await fixture.sink("a")?.detached ?? 0
        }
        await journal.close()
        #expect(told() == 2)
    }
}
