import GRDB
@testable import Relay
import RelayTesting
import Testing

/// A journal that grows to its maximum: 8 MB here.
@Suite struct JournalSizeTests {
    static let sizeMax = 8 << 20
    let fixture: JournalFixture

    init() throws { fixture = try JournalFixture() }

    private func used() async throws -> Int {
        try await SQLiteJournalInspection(path: fixture.path).status().usedBytes
    }

    @Test func settledEntriesGoBeforeTheirAge() async throws {
        let journal = try await fixture.open(sizeMax: Self.sizeMax)
        try await journal.keep([SinkPolicy(name: "a")])
        var lease = try await journal.lease("a")
        for round in 0..<40 {
            let ids = round * 100..<round * 100 + 100
            _ = try await journal.append(try fixture.submission(ids, to: ["a"], bytes: 4_000))
            try await journal.settle(lease, to: Int64(ids.upperBound))
            lease = try await journal.lease("a")
        }
        let kept = try fixture.kept()
        #expect(kept.last == 4_000 && kept.count > 300 && kept.count < 2_000)
        #expect(kept == Array(kept[0]...4_000), "the newest are kept, without holes")
        #expect(try await used() < Self.sizeMax)
        #expect(try await fixture.sink("a")?.detached == 0)
        #expect(fixture.isLogged("70 %"))
        // What is gone is known still.
        #expect(try await journal.append(try fixture.submission(0..<100, to: ["a"])).duplicates == 100)
        #expect(try await fixture.verify().problems == [])
        await journal.close()
    }

    /// A log that a reader keeps from beginning anew takes nothing from the maximum, and is not shown to.
    @Test func whatIsShownAsUsedIsWhatCountsAgainstTheMaximum() async throws {
        let journal = try await fixture.open(sizeMax: Self.sizeMax)
        var configuration = Configuration()
        configuration.allowsUnsafeTransactions = true
        let reader = try DatabaseQueue(path: fixture.path, configuration: configuration)
        try await reader.writeWithoutTransaction {
            try $0.execute(sql: "BEGIN; SELECT count(*) FROM entries")
        }
        for round in 0..<4 {
            let ids = round * 100..<round * 100 + 100
            _ = try await journal.append(try fixture.submission(ids, to: ["a"], bytes: 4_000))
        }
        #expect(JournalSpace.bytes(ofFile: fixture.path + "-wal") > 1 << 20)
        let counted = try await journal.committer.commit { $0.space.usedBytes }
        let inspection = try SQLiteJournalInspection(path: fixture.path, sizeMax: Self.sizeMax)
        let status = try await inspection.status()
        #expect(status.usedBytes == counted && status.sizeMaxBytes == Self.sizeMax)
        try await reader.writeWithoutTransaction { try $0.execute(sql: "COMMIT") }
        await journal.close()
    }

    /// Dead letters and quarantine have limits of their own: what is over those goes before any event.
    @Test func bodiesOverTheirOwnLimitGoFirst() async throws {
        let journal = try await fixture.open(sizeMax: Self.sizeMax, quarantineBytesMax: 500_000)
        var lease = try await journal.lease("a")
        _ = try await journal.retain()
        for _ in 0..<25 {
            let inputs = (0..<5).map { _ in
                QuarantinedInput(
                    hook: "okta", reason: "no uuid", bytes: [UInt8](repeating: 32, count: 40_000),
                    receivedAt: fixture.clock.now)
            }
            _ = try await journal.append(Submission(quarantined: inputs))
        }
        for round in 0..<6 {
            let ids = round * 100..<round * 100 + 100
            _ = try await journal.append(try fixture.submission(ids, to: ["a"], bytes: 4_000))
            try await journal.settle(lease, to: Int64(ids.upperBound))
            lease = try await journal.lease("a")
        }
        let status = try await SQLiteJournalInspection(path: fixture.path).status()
        #expect(status.quarantineExpired > 0 && status.expired == 0)
        #expect(try fixture.kept().count == 600)
        await journal.close()
    }

    @Test func theSinkFurthestBehindIsDetachedAndIntakeGoesOn() async throws {
        let journal = try await fixture.open(sizeMax: Self.sizeMax)
        try await journal.keep([
            SinkPolicy(name: "fast"), SinkPolicy(name: "slow"), SinkPolicy(name: "later"),
        ])
        var fast = try await journal.lease("fast")
        _ = try await journal.lease("slow")
        for round in 0..<40 {
            if round == 20 { _ = try await journal.lease("later") }
            let sinks = ["fast", "slow"] + (round < 20 ? [] : ["later"])
            let ids = round * 100..<round * 100 + 100
            _ = try await journal.append(try fixture.submission(ids, to: sinks, bytes: 4_000))
            try await journal.settle(fast, to: Int64(ids.upperBound))
            fast = try await journal.lease("fast")
        }
        let slow = try #require(try await fixture.sink("slow"))
        let later = try #require(try await fixture.sink("later"))
        #expect(slow.detached > 1_000 && slow.waiting > 300 && slow.detached + slow.waiting == 4_000)
        #expect(later.detached < slow.detached)
        #expect(try await fixture.sink("fast")?.detached == 0)
        #expect(try await fixture.detached("slow").first?.reason == "the journal was near its maxSize")
        #expect(try fixture.kept().contains(4_000))
        #expect(try await fixture.verify().problems == [])
        await journal.close()
    }

    /// A step that fails has given up nothing, and nobody is told that it has.
    @Test func whatWasNotCommittedIsNotToldAsGivenUp() async throws {
        let journal = try await fixture.open(sizeMax: Self.sizeMax)
        try await journal.keep([SinkPolicy(name: "a"), SinkPolicy(name: "b")])
        for sink in ["a", "b"] { _ = try await journal.lease(sink) }
        try fixture.edit(
            """
            CREATE TRIGGER stuck BEFORE UPDATE OF cursor ON sinks WHEN old.name = 'b' BEGIN
                SELECT RAISE(ABORT, 'stuck');
            END
            """)
        var count = 0
        while count < 10_000 {
            let next = try fixture.submission(count..<count + 100, to: ["a", "b"], bytes: 4_000)
            guard (try? await journal.append(next)) != nil else { break }
            count += 100
        }
        try #require(count < 10_000)
        fixture.clock.advance(by: .seconds(6))
        _ = try await journal.retain()
        #expect(try await fixture.sink("a")?.detached == 0)
        #expect(!fixture.isLogged("events for it were given up"))
        await journal.close()
    }

    @Test func aFullJournalRefusesEventsTakesSettlesAndRecoversByItself() async throws {
        let journal = try await fixture.open(sizeMax: Self.sizeMax)
        let lease = try await journal.lease("a")
        var accepted: Int64 = 0
        var refusal: JournalError?
        while refusal == nil, accepted < 20_000 {
            do throws(JournalError) {
                let ids = Int(accepted)..<Int(accepted) + 100
                let submission = try? fixture.submission(ids, to: ["a"], bytes: 4_000)
                _ = try await journal.append(submission ?? Submission())
                accepted += 100
            } catch {
                refusal = error
            }
        }
        #expect(refusal?.reason.contains("journal.maxSize") == true)
        #expect(try await fixture.sink("a")?.waiting == Int(accepted))
        try await journal.settle(lease, to: accepted)
        fixture.clock.advance(by: .seconds(6))
        let next = try fixture.submission(20_000..<20_001, to: ["a"])
        var isTaken = false
        for _ in 0..<100 where !isTaken {
            isTaken = (try? await journal.append(next)) != nil
            _ = try await journal.retain()
        }
        #expect(isTaken)
        await journal.close()
    }
}
