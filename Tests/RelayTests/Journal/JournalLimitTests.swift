import Foundation
import GRDB
@testable import Relay
import RelayTesting
import Testing

/// Limits of what is kept besides entries.
@Suite struct JournalLimitTests {
    let fixture: JournalFixture

    init() throws { fixture = try JournalFixture() }

    @Test func theOldestDeadLettersLoseTheirEventsAndStayListed() async throws {
        let journal = try await fixture.open(deadLetterBytesMax: 100_000)
        let lease = try await journal.lease("a")
        _ = try await journal.append(try fixture.submission(0..<40, to: ["a"], bytes: 4_000))
        let failures = [FailedAttempt(number: 1, at: 1, reason: "HTTP 400")]
        try await journal.settle(
            Settlement(
                sink: "a", epoch: lease.epoch, cursor: Offset(rawValue: 40),
                deadLetters: (1...40).map {
                    DeadLetter(offset: Offset(rawValue: $0), subject: nil, failures: failures)
                }))
        let deleted = try await journal.retain()
        #expect(deleted.bodies > 10 && deleted.bodies < 30)
        let inspection = try SQLiteJournalInspection(path: fixture.path)
        let letters = try await inspection.deadLetters(DeadLetterFilter(sink: "a"), PageRequest())
        #expect(letters.count == 40)
        #expect(letters.map(\.isExpired) == (0..<40).map { $0 >= 40 - deleted.bodies }, "the oldest")
        #expect(letters.last?.failures == failures && letters.last?.eventID == "event-0")
        #expect(try await inspection.deadLetter(id: 1)?.body == nil)
        #expect(try await inspection.deadLetter(id: 40)?.body != nil)
        #expect(try await inspection.status().deadLettersExpired == deleted.bodies)
        #expect(try await journal.retain().bodies == deleted.bodies, "no more than it takes")
        #expect(try await fixture.verify().problems == [])
        await journal.close()
    }

    /// Letters that have lost their bytes take nothing from those that have some.
    @Test func onlyBytesThatAreKeptCountAgainstTheLimit() async throws {
        let bytesMax = 64 << 10
        let journal = try await fixture.open(sizeMax: 64 << 20, deadLetterBytesMax: bytesMax)
        let lease = try await journal.lease("a")
        let failures = [FailedAttempt(number: 1, at: 1, reason: "HTTP 400")]
        var count = 0
        for more in [400, 40, 40] {
            let ids = count..<count + more
            _ = try await journal.append(try fixture.submission(ids, to: ["a"]))
            try await journal.settle(
                Settlement(
                    sink: "a", epoch: lease.epoch, cursor: Offset(rawValue: Int64(ids.upperBound)),
                    deadLetters: ids.map {
                        DeadLetter(
                            offset: Offset(rawValue: Int64($0 + 1)), subject: nil, failures: failures)
                    }))
            _ = try await journal.retain()
            count += more
            let inspection = try SQLiteJournalInspection(path: fixture.path)
            let letters = try await inspection.deadLetters(DeadLetterFilter(), PageRequest(limit: 1_000))
            #expect(letters.count == count)
            let sizes = try fixture.read { db in
                try Int.fetchAll(db, sql: "SELECT length(body) FROM dead_letters WHERE has_bytes = 1")
            }
            let bytes = sizes.reduce(0, +)
            #expect(bytes <= bytesMax && bytes + (sizes.max() ?? 0) > bytesMax)
            #expect(letters.prefix(sizes.count).allSatisfy { !$0.isExpired }, "the newest")
        }
        #expect(try await fixture.verify().problems == [])
        await journal.close()
    }

    /// No more than the surplus is deleted, the oldest first, and that is told.
    @Test func recordsWithoutBytesAreBoundedToo() async throws {
        let journal = try await fixture.open(sizeMax: 4 << 20, quarantineBytesMax: 1_000)
        _ = try await journal.retain()
        let inputs = (0..<2_300).map { _ in
            QuarantinedInput(hook: "okta", reason: "no uuid", bytes: [1, 2], receivedAt: fixture.clock.now)
        }
        _ = try await journal.append(Submission(quarantined: inputs))
        _ = try await journal.retain()
        // A sixteenth of the maximum, by 128 bytes each.
        let rows = try fixture.read { db in
            try ["count(*)", "min(id)", "sum(has_bytes)"].map {
                try Int.fetchOne(db, sql: "SELECT \($0) FROM quarantine")
            }
        }
        #expect(rows == [2_048, 253, 500])
        let status = try await SQLiteJournalInspection(path: fixture.path).status()
        #expect(status.quarantineExpired == 1_800)
        let lines = fixture.log.lines.filter { $0.contains("over limits of their own") }
        #expect(lines.allSatisfy { $0.hasPrefix("warning") })
        #expect(lines.contains { $0.contains("252") }, "\(lines)")
        #expect(try await fixture.verify().problems == [])
        await journal.close()
    }

    @Test func theQuarantineKeepsTheNewestBytes() async throws {
        let journal = try await fixture.open(quarantineBytesMax: 500_000)
        let inputs = (0..<20).map { _ in
            QuarantinedInput(
                hook: "okta", reason: "no uuid", bytes: [UInt8](repeating: 32, count: 40_000),
                receivedAt: fixture.clock.now)
        }
        _ = try await journal.append(Submission(quarantined: inputs))
        _ = try await journal.retain()
        let inspection = try SQLiteJournalInspection(path: fixture.path)
        let listed = try await inspection.quarantine(QuarantineFilter(), PageRequest())
        #expect(listed.count == 20 && listed.count { $0.isExpired } == 8)
        #expect(try await inspection.quarantined(id: 1)?.bytes == nil)
        #expect(try await inspection.quarantined(id: 20)?.bytes?.count == 40_000)
        await journal.close()
    }

    /// Numbers of records that are gone count for none.
    @Test func gapsLeaveTheLimitAsItIs() async throws {
        let journal = try await fixture.open(quarantineBytesMax: 500_000)
        func quarantine(_ count: Int, bytes: Int) async throws {
            let input = QuarantinedInput(
                hook: "okta", reason: "no uuid", bytes: [UInt8](repeating: 32, count: bytes),
                receivedAt: fixture.clock.now)
            let inputs = [QuarantinedInput](repeating: input, count: count)
            _ = try await journal.append(Submission(quarantined: inputs))
        }
        try await quarantine(1_001, bytes: 2)
        try fixture.edit("DELETE FROM quarantine WHERE id > 1")
        try await quarantine(20, bytes: 40_000)
        #expect(try await journal.retain().bodies == 9)
        #expect(try await journal.retain().bodies == 9, "no more than it takes")
        try await quarantine(2, bytes: 40_000)
        #expect(try await journal.retain().bodies == 11)
        #expect(try await fixture.verify().problems == [])
        await journal.close()
    }

    /// A page that cannot be read, in the midst of bytes that stay, tells that nothing reads those.
    @Test func bytesThatStayAreNotRead() async throws {
        var journal = try await fixture.open()
        let input = QuarantinedInput(
            hook: "okta", reason: "no uuid", bytes: [UInt8](repeating: 32, count: 4_000),
            receivedAt: fixture.clock.now)
        _ = try await journal.append(
            Submission(quarantined: [QuarantinedInput](repeating: input, count: 300)))
        await journal.close()
        let file = URL(fileURLWithPath: fixture.path)
        var bytes = try Data(contentsOf: file)
        let size = JournalFile.pageBytes
        let pages = stride(from: 0, to: bytes.count, by: size).filter { page in
            bytes[page..<page + size].count { $0 == 32 } > size / 2
        }
        let page = try #require(pages.dropFirst(pages.count / 2).first)
        bytes.replaceSubrange(page..<page + size, with: Data(repeating: 0xA5, count: size))
        try bytes.write(to: file)
        journal = try await fixture.open(quarantineBytesMax: 1_000_000)
        #expect(try await journal.retain().bodies == 50)
        #expect(!fixture.isLogged("could not be deleted"))
        await journal.close()
    }

    /// A step may not stall the writer, however large the events are.
    @Test(
        arguments: [
            (3_000_000, Int.max, [1, 2]), (20_000_000, .max, [1]), (1_000, .max, [1, 2, 3, 4]),
            (1_000, 1_500, [1, 2]), (0, .max, [1, 2, 3, 4]),
        ] as [(Int, Int, [Int64])])
    func aStepDeletesAFewMegabytesAtMost(_ bytes: Int, _ enough: Int, _ expected: [Int64]) throws {
        let found = try DatabaseQueue().read { db in
            let rows = try StoredRow.fetchCursor(
                db, sql: "SELECT value, \(bytes) FROM json_each('[1, 2, 3, 4]')")
            return try JournalRetention.withinBytes(rows, enough: enough)
        }
        #expect(found == expected)
    }

    @Test func largeEventsGoInSeveralSteps() async throws {
        let journal = try await fixture.open()
        let inputs = (0..<4).map { _ in
            QuarantinedInput(
                hook: "okta", reason: "no uuid", bytes: [UInt8](repeating: 32, count: 3 << 20),
                receivedAt: fixture.clock.now)
        }
        _ = try await journal.append(Submission(quarantined: inputs))
        _ = try await journal.append(try fixture.submission(0..<4, to: [], bytes: 3 << 20))
        fixture.clock.advance(by: fixture.day * 500)
        let deleted = try await journal.retain()
        #expect(deleted.entries == 3 && deleted.records == 4)
        #expect(try await fixture.verify().problems == [])
        await journal.close()
    }

    /// Receipts of a year are more than a small journal has room for, and who asks is told; but whom removals
    /// were about is not forgotten for what was skipped.
    @Test(arguments: [("removals", 16), ("receipts", 8)])
    func receiptsTakeAPartOfTheJournal(_ table: String, _ share: Int) async throws {
        let journal = try await fixture.open(sizeMax: 16 << 20)
        let kept = (16 << 20) / share / 160
        // The pass that an open begins with is over.
        _ = try await journal.retain()
        let start = fixture.clock.now - 1_000_000
        try await journal.committer.commit { writer in
            try writer.database.execute(
                sql: """
                    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)
                    INSERT INTO \(table)
                        (sink, settled_at, "offset", outcome, operation, org, user_id, event_id)
                    SELECT 'crm', ? + n, n, 'delivered', 'delete', 'acme', 'u' || n, 'e' || n FROM numbers
                    """,
                arguments: [kept + 250, start])
        }
        let inspection = try SQLiteJournalInspection(path: fixture.path)
        #expect(try await inspection.history(HistoryFilter(user: "u7"), limit: 5).receiptsSince == nil)
        for _ in 0..<2 { _ = try await journal.retain() }
        let rows = try fixture.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM \(table)") }
        #expect(rows == kept)
        let since = try await inspection.history(HistoryFilter(user: "u7"), limit: 5).receiptsSince
        #expect(since == (table == "removals" ? start + 251 : nil))
        #expect(fixture.log.lines.count { $0.contains("\(table) go before journal.receipts is over") } == 1)
        await journal.close()
    }

    @Test func attemptsTakeASixteenthOfTheJournal() async throws {
        let journal = try await fixture.open(sizeMax: 16 << 20)
        let kept = (16 << 20) / 16 / 96
        _ = try await journal.retain()
        let lease = try await journal.lease("crm")
        let now = fixture.clock.now
        let attempts = (1...kept + 250).map { number in
            LoggedAttempt(
                offset: .zero, attempt: FailedAttempt(number: number, at: now, reason: "HTTP 503"))
        }
        try await journal.settle(
            Settlement(sink: "crm", epoch: lease.epoch, cursor: lease.cursor, attempts: attempts))
        for _ in 0..<2 { _ = try await journal.retain() }
        let left = try fixture.read {
            try Int.fetchAll($0, sql: "SELECT number FROM attempts ORDER BY id")
        }
        #expect(left == Array(251...kept + 250))
        await journal.close()
    }

    /// A letter's attempts may be many times as long as the rest of it.
    @Test func deadLettersWithManyAttemptsTakeASixteenthOfTheJournal() async throws {
        let journal = try await fixture.open(sizeMax: 16 << 20)
        let lease = try await journal.lease("a")
        let failures = (1...50).map {
            FailedAttempt(number: $0, at: fixture.clock.now, reason: String(repeating: "x", count: 100))
        }
        _ = try await journal.append(try fixture.submission(0..<600, to: ["a"]))
        try await journal.settle(
            Settlement(
                sink: "a", epoch: lease.epoch, cursor: Offset(rawValue: 600),
                deadLetters: (1...600).map {
                    DeadLetter(offset: Offset(rawValue: $0), subject: nil, failures: failures)
                }))
        for _ in 0..<2 { _ = try await journal.retain() }
        let left = try fixture.read {
            try Row.fetchOne(
                $0, sql: "SELECT count(*), sum(512 + length(failures)), max(id) FROM dead_letters")
        }
        let (count, bytes, newest): (Int, Int, Int) = try (
            #require(left)[0], #require(left)[1], #require(left)[2]
        )
        #expect(bytes <= 1 << 20 && bytes > (1 << 20) * 9 / 10 && newest == 600, "\(count) take \(bytes)")
        #expect(try await fixture.verify().problems == [])
        await journal.close()
    }

    /// What is looked at when the journal is opened is what stays small.
    @Test func whatGrowsIsNotReadAtTheStart() throws {
        let small = try ColumnTypes.all().filter { !$0.isGrowing }.map(\.table)
        #expect(
            small == [
                "counters", "grdb_migrations", "hooks", "intents", "parked", "replays", "routes", "seen_runs",
                "sinks",
            ])
    }

    @Test func receiptsAndRecordsGoWithTheirOwnAge() async throws {
        let journal = try await fixture.open()
        let lease = try await journal.lease("a")
        let offset = Offset(rawValue: 1)
        func settle() async throws {
            try await journal.settle(
                Settlement(
                    sink: "a", epoch: lease.epoch, cursor: offset, ended: [offset],
                    receipts: [
                        DeliveryReceipt(offset: offset, outcome: .delivered, detail: "200", eventID: "1")
                    ])
            )
        }
        func count(_ table: String) throws -> Int {
            try fixture.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM \(table)") ?? 0 }
        }
        for _ in 0..<110 { try await settle() }
        fixture.clock.advance(by: fixture.day * 399)
        try await settle()
        _ = try await journal.retain()
        #expect(try count("settlements") == 111 && count("receipts") == 111)
        fixture.clock.advance(by: fixture.day * 2)
        #expect(try await journal.retain().records == 220)
        #expect(try count("settlements") == 1 && count("receipts") == 1)
        await journal.close()
    }
}
