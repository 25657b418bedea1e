import Config
import Foundation
import GRDB
@testable import Relay
import RelayTesting
import Testing

/// Making room in a journal whose log takes many steps to look through: 16 MB, more than 20,000 entries.
@Suite struct JournalReliefTests {
    /// Filled once, for that takes a while.
    private static let full = Result {
        let tests = try JournalReliefTests(JournalFixture())
        while !tests.writer.space.isNearLimit { try tests.append() }
        try #require(tests.writer.lastOffset > 20_000)
        tests.writer.close()
        return tests.fixture
    }

    let fixture: JournalFixture
    let writer: JournalWriter

    init() throws {
        let fixture = try JournalFixture()
        try FileManager.default.copyItem(atPath: Self.full.get().path, toPath: fixture.path)
        try self.init(fixture)
        while !writer.space.isNearLimit { try append() }
    }

    private init(_ fixture: JournalFixture) throws {
        self.fixture = fixture
        writer = try JournalWriter(
            JournalFile.openForWriting(fixture.path, logger: fixture.logger), clock: fixture.clock,
            limits: JournalConfiguration(
                path: fixture.path, retention: .seconds(30 * 86_400), sizeMax: 16 << 20),
            logger: fixture.logger, publish: { _, _ in }, checkpointIsDue: { _ in })
        try writer.transaction {
            for sink in ["fast", "slow"] { _ = try writer.lease(sink) }
            _ = try writer.keep([SinkPolicy(name: "fast"), SinkPolicy(name: "slow")])
        }
    }

    /// Appends 500 events, which `fast` has at once; of ten such, one is for it alone.
    private func append() throws {
        try append(aloneCount: writer.lastOffset % 5_000 == 0 ? 500 : 0)
    }

    /// - Parameters:
    ///   - aloneCount: How many of them are for `fast` alone.
    ///   - isForFastAtOnce: Whether `fast` has them at once.
    private func append(aloneCount: Int, isForFastAtOnce: Bool = true) throws {
        let first = Int(writer.lastOffset)
        let middle = first + aloneCount
        let next = Submission(
            events: try fixture.submission(first..<middle, to: ["fast"]).events
                + fixture.submission(middle..<first + 500, to: ["fast", "slow"]).events)
        try writer.transaction {
            let digests = next.events.map { EventDigest(org: $0.event.org, eventID: $0.event.id) }
            _ = try writer.append(next, digests: digests)
        }
        if isForFastAtOnce { try settle("fast", to: writer.lastOffset) }
        writer.measure()
    }

    private func settle(_ sink: String, to end: Int64, parking offset: Offset? = nil) throws {
        try writer.transaction {
            let lease = try writer.lease(sink)
            let first = lease.cursor.rawValue
            // What is for `fast` alone.
            let others = sink == "fast" ? [] : (first..<end).filter { $0 / 500 % 10 == 0 }
            let all = (first..<end).filter { !others.contains($0) }.map { Offset(rawValue: $0 + 1) }
            let ended = all.filter { $0 != offset }
            let parked = all.filter { $0 == offset }.map {
                ParkedDelivery(offset: $0, subject: nil, failures: [], notBefore: 0)
            }
            _ = try writer.settle(
                Settlement(
                    sink: sink, epoch: lease.epoch, cursor: Offset(rawValue: end),
                    outcomes: [.delivered: ended.count], parked: parked, ended: ended), at: 1)
        }
    }

    private func steps() -> Int {
        var steps = 0
        while steps < 500, writer.relieve(at: fixture.clock.now) { steps += 1 }
        return steps
    }

    private func givenUp() async throws -> Int { try #require(try await fixture.sink("slow")?.detached) }

    /// What it takes to look at all of it once.
    private var wholeLog: Int { Int(writer.lastOffset) / JournalRetention.looksMax }

    private func close() async throws {
        #expect(try await fixture.verify().problems == [])
        writer.close()
    }

    /// What was looked at and stays is not looked at again for each few events that go.
    @Test func theLogIsLookedThroughOnceAMinute() async throws {
        #expect(steps() > wholeLog)
        let before = try await givenUp()
        for _ in 0..<8 {
            try append()
            #expect(steps() <= 5)
        }
        #expect(try await givenUp() > before + 2_000)
        fixture.clock.advance(by: .seconds(61))
        for _ in 0..<2 { try append() }
        #expect(steps() > wholeLog / 2)
        let runs = try fixture.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM seen_runs") }
        #expect(try #require(runs) < 12)
        try await close()
    }

    /// What it settles goes, oldest first, and nothing is looked at that it has not.
    @Test func aSinkThatIsSlowHasNothingLookedAtTwice() async throws {
        _ = steps()
        for _ in 0..<8 {
            let place = try #require(try await fixture.sink("slow")?.cursor.rawValue)
            try settle("slow", to: place + 400)
            let first = try fixture.kept()[0]
            try append()
            #expect(steps() <= 7)
            #expect(try fixture.kept()[0] >= first)
        }
        try await close()
    }

    /// As a writer does that is never idle: it makes room behind its commits alone.
    @Test func aSinkThatIsSlowerThanWhatComesFillsNoJournal() async throws {
        _ = steps()
        let before = try await givenUp()
        for _ in 0..<40 {
            let place = try #require(try await fixture.sink("slow")?.cursor.rawValue)
            try settle("slow", to: place + 3)
            try append(aloneCount: 170)
            writer.afterWriting(1 << 20)
            #expect(writer.space.share < 0.95)
        }
        #expect(try await givenUp() > before)
        try await close()
    }

    /// What lies behind a delivery that waits for a retry goes before that is given up.
    @Test func aRetryIsNotGivenUpForWhatIsSettledBehindIt() async throws {
        _ = steps()
        let before = try await givenUp()
        let place = try #require(try await fixture.sink("slow")?.cursor.rawValue)
        let offset = Offset(rawValue: place + 600)
        try settle("slow", to: writer.lastOffset, parking: offset)
        for _ in 0..<6 {
            try append()
            try settle("slow", to: writer.lastOffset)
            _ = steps()
        }
        #expect(try await givenUp() == before)
        #expect(try fixture.kept().first == offset.rawValue)
        try await close()
    }

    /// Who is moved back wants again what lies before all that was looked at, and is not passed over it.
    @Test func whoIsMovedBackIsGivenUpFromThere() async throws {
        _ = steps()
        try settle("slow", to: writer.lastOffset)
        try append()
        _ = steps()
        let before = try await givenUp()
        let target = try fixture.kept()[0] + 200
        writer.retention.stage = .detaching(after: 0, from: target + 7)
        try moveBack("slow", to: target)
        #expect(writer.retention.stage == .detaching(after: 0, from: 0))
        for _ in 0..<6 {
            try append()
            _ = steps()
        }
        #expect(try await givenUp() > before)
        let sink = try #require(try await fixture.sink("slow"))
        // All that is kept and was for it waits, and nothing else does.
        let kept = try fixture.kept().filter { $0 > sink.cursor.rawValue && ($0 - 1) / 500 % 10 != 0 }
        #expect(sink.waiting == kept.count)
        try await close()
    }

    /// Each has a row with all of its attempts.
    @Test func oneStepGivesUpFiveHundredParkedOnesForTheirAge() async throws {
        try writer.transaction {
            let lease = try writer.lease("slow")
            let parked = (1...1_300).map {
                ParkedDelivery(offset: Offset(rawValue: 500 + $0), subject: nil, failures: [], notBefore: 0)
            }
            _ = try writer.settle(
                Settlement(sink: "slow", epoch: lease.epoch, cursor: Offset(rawValue: 1_800), parked: parked),
                at: 1)
        }
        fixture.clock.advance(by: fixture.day * 31)
        var stage = JournalRetention.Stage.detaching(after: 1, from: 0)
        for expected in [500, 1_000] {
            stage = try writer.detachOld(after: 1, from: 0, at: fixture.clock.now)
            #expect(stage == .detaching(after: 1, from: 0))
            #expect(try await givenUp() == expected)
        }
        while stage == .detaching(after: 1, from: 0) {
            stage = try writer.detachOld(after: 1, from: 0, at: fixture.clock.now)
        }
        #expect(try await fixture.sink("slow")?.waiting == 0)
        try await close()
    }

    @Test func onceASinkIsBackTheOldestGoFirst() async throws {
        _ = steps()
        let (first, before) = (try fixture.kept()[0], try await givenUp())
        try settle("slow", to: writer.lastOffset)
        for _ in 0..<6 {
            try append()
            try settle("slow", to: writer.lastOffset)
            _ = steps()
        }
        let kept = try fixture.kept()
        #expect(Array(kept.suffix(3_000)) == Array(writer.lastOffset - 2_999...writer.lastOffset))
        #expect(kept[0] > first + 2_000)
        #expect(try await givenUp() == before)
        try await close()
    }

    /// Nothing is pinned by a sink that is disabled: what another waits for stays, however old it is.
    @Test func whatWaitsForADisabledSinkGoesBeforeWhatWaitsForAnother() async throws {
        let retries = (1...6_000).map { Offset(rawValue: $0) }
        try repeatAndPark(retries, of: "fast")
        // More than one step looks at, and nothing of it waits for the sink that will be disabled.
        try settleAbove(retries.filter { ($0.rawValue - 1) / 500 % 10 != 0 }, of: "slow")
        try writer.transaction {
            _ = try writer.keep([SinkPolicy(name: "fast"), SinkPolicy(name: "slow", isEnabled: false)])
        }
        let waiting = try #require(try await fixture.sink("slow")?.waiting)
        for _ in 0..<20 {
            _ = steps()
            try append(aloneCount: 500)
        }
        let (fast, slow) = (try await fixture.sink("fast"), try await fixture.sink("slow"))
        let detached = try #require(slow?.detached)
        #expect(detached > 0)
        #expect(slow?.waiting == waiting - detached)
        #expect(fast?.detached == 0)
        #expect(fast?.waiting == retries.count)
        #expect(Set(try fixture.kept()).isSuperset(of: retries.map(\.rawValue)))
        let listed = try fixture.read { db in
            try Row.fetchAll(db, sql: "SELECT sink, sum(entries) AS entries FROM detached GROUP BY sink")
        }
        #expect(listed.count == 1 && listed[0]["sink"] == "slow" && listed[0]["entries"] == detached)
        try await close()
    }

    /// What waits for another as well makes no room.
    @Test func aDisabledSinkKeepsWhatOthersKeepAnyway() async throws {
        _ = steps()
        try moveBack("fast", to: 0)
        // There is a route to it alone, and far off something that waits for nobody else.
        try writer.transaction {
            _ = try writer.append(
                try fixture.submission(900_000..<900_001, to: ["slow"]),
                digests: [EventDigest(org: "acme", eventID: "alone")])
        }
        let before = try await givenUp()
        try writer.transaction {
            _ = try writer.keep([SinkPolicy(name: "fast"), SinkPolicy(name: "slow", isEnabled: false)])
        }
        for _ in 0..<6 {
            try append(aloneCount: 0, isForFastAtOnce: false)
            _ = steps()
        }
        // Of the oldest, both give up the same.
        let fast = try #require(try await fixture.sink("fast"))
        #expect(fast.detached > 0)
        #expect(try await givenUp() - before <= fast.detached)
        try await close()
    }

    private func moveBack(_ sink: String, to target: Int64) throws {
        let survey = try #require(try WaitingSurvey(sink, to: target, writer.queue))
        try writer.transaction {
            _ = try writer.seek(
                sink, to: Offset(rawValue: target), by: survey, looksMax: .max, reason: "test",
                at: fixture.clock.now)
        }
    }

    private func settleAbove(_ offsets: [Offset], of sink: String) throws {
        try writer.transaction {
            let lease = try writer.lease(sink)
            _ = try writer.settle(
                Settlement(
                    sink: sink, epoch: lease.epoch, cursor: lease.cursor, settledAbove: offsets,
                    outcomes: [.delivered: offsets.count], ended: offsets), at: 1)
        }
    }

    /// Moves a sink back to the log's beginning, and settles all but some of what comes again.
    private func repeatAndPark(_ offsets: [Offset], of sink: String) throws {
        try moveBack(sink, to: 0)
        let waiting = Set(offsets)
        let last = writer.lastOffset
        try writer.transaction {
            let lease = try writer.lease(sink)
            let ended = (1...last).map { Offset(rawValue: $0) }.filter { !waiting.contains($0) }
            let parked = offsets.map {
                ParkedDelivery(offset: $0, subject: nil, failures: [], notBefore: 0)
            }
            _ = try writer.settle(
                Settlement(
                    sink: sink, epoch: lease.epoch, cursor: Offset(rawValue: last),
                    outcomes: [.delivered: ended.count], parked: parked, ended: ended), at: 1)
        }
    }

    /// It stays, so giving it up makes no room.
    @Test func nothingIsGivenUpWhileSomebodyCountsIt() async throws {
        _ = steps()
        let before = try await givenUp()
        do {
            let hold = SurveyHold(behind: 10)
            writer.keep(hold)
            for _ in 0..<4 { try append() }
            // It cuts its log, which may be enough.
            #expect(steps() <= 1)
            #expect(try await givenUp() == before)
            withExtendedLifetime(hold) {}
        }
        fixture.clock.advance(by: .milliseconds(600))
        #expect(steps() > 0)
        #expect(try await givenUp() > before)
        try await close()
    }
}
