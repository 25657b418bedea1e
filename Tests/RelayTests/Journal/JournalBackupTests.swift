import Config
import Foundation
import GRDB
@testable import Relay
import RelayTesting
import Synchronization
import Testing

/// Copies of a journal, and upgrades of an old one, which begin with a copy.
@Suite struct JournalBackupTests {
    let fixture: JournalFixture
    private let target: String

    init() throws {
        fixture = try JournalFixture()
        target = fixture.folder.file("copy.sqlite")
    }

    private func backup(to path: String) async throws {
        try await SQLiteJournalInspection.ofAnyVersion(path: fixture.path).backup(to: path) { _ in }
    }

    private func reopen(_ path: String) async throws -> SQLiteJournal {
        try await SQLiteJournal(
            JournalConfiguration(path: path), clock: fixture.clock, logger: fixture.logger)
    }

    @Test func aCopyOfABusyJournalIsWhole() async throws {
        let journal = try await fixture.open()
        let lease = try await journal.lease("a")
        _ = try await journal.append(try fixture.submission(0..<2_000, to: ["a"], bytes: 2_000))
        try await journal.settle(lease, to: 700)
        async let appends: Void = {
            for round in 0..<20 {
                let ids = 2_000 + round * 10..<2_010 + round * 10
                _ = try await journal.append(try fixture.submission(ids, to: ["a"], bytes: 2_000))
            }
        }()
        try await backup(to: target)
        try await appends
        await journal.close()

        let attributes = try FileManager.default.attributesOfItem(atPath: target)
        #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
        #expect(!FileManager.default.fileExists(atPath: target + ".partial"))
        let found = try await SQLiteJournalInspection(path: target).verify { _ in }
        #expect(found.isSound && found.entries >= 2_000, "\(found.problems)")
        #expect(!FileManager.default.fileExists(atPath: target + "-wal"), "one file, also when it was read")

        let restored = try await reopen(target)
        #expect(try await restored.lease("a").cursor == Offset(rawValue: 700))
        let again = try fixture.submission(0..<2_000, to: ["a"], bytes: 2_000)
        #expect(try await restored.append(again).duplicates == 2_000)
        await restored.close()
    }

    /// It does not fill the disk first, which may be somebody's who lives on it.
    @Test(.enabled(if: ScratchDisk.isAvailable, "\(ScratchDisk.whyNot)"))
    func aCopyWithoutRoomDoesNotBegin() async throws {
        let journal = try await fixture.open()
        _ = try await journal.append(try fixture.submission(0..<400, to: ["a"], bytes: 20_000))
        await journal.close()
        let disk = try ScratchDisk(megabytes: 4)
        let shares = Mutex<[Double]>([])
        let error = await #expect(throws: JournalError.self) {
            try await SQLiteJournalInspection.ofAnyVersion(path: fixture.path)
                .backup(to: disk.file("copy.sqlite")) { share in shares.withLock { $0.append(share) } }
        }
        #expect(error?.reason.contains("not enough room for") == true)
        #expect(shares.withLock { $0.isEmpty })
    }

    @Test func aFileThatIsThereIsNeverReplaced() async throws {
        let journal = try await fixture.open()
        try Data("mine".utf8).write(to: URL(fileURLWithPath: target))
        let error = await #expect(throws: JournalError.self) { try await backup(to: target) }
        #expect(error?.reason.contains("is there already") == true)
        #expect(try Data(contentsOf: URL(fileURLWithPath: target)) == Data("mine".utf8))
        let nowhere = fixture.folder.file("missing/copy.sqlite")
        let other = await #expect(throws: JournalError.self) { try await backup(to: nowhere) }
        #expect(other?.reason.contains("name another place") == true)
        await journal.close()
    }

    // MARK: - Upgrades

    /// A journal that version 1 of the schema left behind.
    ///
    /// Twelve events, one sink that has them all, and one with two dead letters and ten that wait.
    /// `Tests/Fixtures/journal-v1.sql` is a dump of it.
    private func makeVersion1() throws {
        let dump = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appending(path: "../../Fixtures/journal-v1.sql")
        let queue = try DatabaseQueue(path: fixture.path)
        try queue.writeWithoutTransaction { db in
            try db.execute(sql: "PRAGMA page_size = 16384; PRAGMA auto_vacuum = INCREMENTAL")
            try db.execute(sql: try String(contentsOf: dump, encoding: .utf8))
            try db.execute(sql: "PRAGMA user_version = 1")
            _ = try String.fetchOne(db, sql: "PRAGMA journal_mode = WAL")
        }
        try queue.close()
    }

    /// Until version 3 the receipts of removals were among all others, and might go early with them.
    @Test func anUpgradeTakesTheReceiptsOfRemovalsAlong() async throws {
        let queue = try DatabaseQueue(path: fixture.path)
        try JournalSchema.migrator.migrate(queue, upTo: "3")
        let now = fixture.clock.now
        try await queue.write { db in
            try db.execute(
                sql: """
                    INSERT INTO receipts (
                        id, sink, settled_at, "offset", outcome, detail, operation, org, user_id, event_id)
                    VALUES (7, 'crm', ?1, 1, 'delivered', 'HTTP 200', NULL, NULL, NULL, NULL),
                        (8, 'crm', ?1, 2, 'delivered', 'HTTP 204', 'delete', 'acme', 'ada', 'event-2')
                    """,
                arguments: [now])
        }
        try queue.close()
        let journal = try await fixture.open()
        let inspection = try SQLiteJournalInspection(path: fixture.path)
        let history = try await inspection.history(HistoryFilter(user: "ada"), limit: 5)
        #expect(history.records.map(\.eventID) == ["event-2"] && history.receiptsSince == now)
        #expect(try await inspection.receipts(ReceiptFilter(), PageRequest()).map(\.id) == [8, 7])
        #expect(try await fixture.verify().problems == [])
        await journal.close()
    }

    private func version(_ path: String) throws -> Int? {
        try DatabaseQueue(path: path).read { try Int.fetchOne($0, sql: "PRAGMA user_version") }
    }

    @Test func anUpgradeKeepsEverythingAndACopyOfWhatWas() async throws {
        try makeVersion1()
        let journal = try await fixture.open()
        let inspection = try SQLiteJournalInspection(path: fixture.path)
        #expect(try await fixture.verify().problems == [])
        let status = try await inspection.status()
        #expect(status.accepted == 12 && status.sinks.map(\.name) == ["crm", "users"])
        #expect(status.sinks.map(\.waiting) == [10, 0] && status.sinks.map(\.dead) == [2, 0])
        let letter = try #require(try await inspection.deadLetter(id: 1))
        #expect(letter.rule == "all" && letter.sink == "crm" && letter.failures.last?.reason == "HTTP 422")
        #expect(letter.body?.isEmpty == false && !letter.isExpired)
        // Made anew its pages would be smaller; what it takes is measured by those that it has.
        let space = try await journal.committer.commit { $0.space }
        #expect(space.bytesPerPage == 16_384 && space.usedBytes >= 16_384 * 20)
        let lease = try await journal.lease("crm")
        let page = try await journal.read(
            "crm", after: lease.cursor, limit: ReadLimit(entries: 99, bytes: 1 << 20))
        #expect(page.entries.count == 10)
        await journal.close()

        // The copy is the old journal, with which the old relay goes on.
        let backup = fixture.path + ".v1.backup"
        #expect(try version(fixture.path) == JournalSchema.version && version(backup) == 1)
        let letters = try await DatabaseQueue(path: backup).read { db in
            try Int.fetchOne(db, sql: "SELECT count(*) FROM dead_letters JOIN bodies USING (\"offset\")")
        }
        #expect(letters == 2)
        #expect(fixture.isLogged("is upgraded"))
    }

    @Test func withoutACopyNothingIsUpgraded() async throws {
        try makeVersion1()
        // A folder of that name, with something in it, gives way to no file.
        let blocker = fixture.path + ".v1.backup/x"
        try FileManager.default.createDirectory(atPath: blocker, withIntermediateDirectories: true)
        let error = await #expect(throws: JournalError.self) { _ = try await fixture.open() }
        #expect(error?.reason.contains("backup could not be made") == true)
        #expect(try version(fixture.path) == 1)
    }

    // MARK: - Reading what another version wrote

    /// No command guesses at tables that it does not know.
    @Test func anOlderOrNewerJournalIsNotReadButCopied() async throws {
        try makeVersion1()
        func refusal() -> String? {
            let error = #expect(throws: JournalError.self) { try SQLiteJournalInspection(path: fixture.path) }
            return error?.reason
        }
        let older = try #require(refusal())
        #expect(
            older.contains("an older okta-relay wrote it (schema 1") && older.contains("upgrades it"))
        try fixture.edit(
            "ALTER TABLE dead_letters RENAME COLUMN failures TO trials; PRAGMA user_version = 99")
        let newer = try #require(refusal())
        #expect(newer.contains("a newer okta-relay wrote it (schema 99"))
        try await SQLiteJournalInspection.ofAnyVersion(path: fixture.path).backup(to: target) { _ in }
        #expect(try version(target) == 99)
        try fixture.edit("PRAGMA user_version = 0")
        #expect(try #require(refusal()).contains("is no journal"))
    }

    @Test func aNewJournalNeedsNoCopy() async throws {
        let journal = try await fixture.open()
        await journal.close()
        let files = try FileManager.default.contentsOfDirectory(atPath: fixture.folder.path)
        #expect(!files.contains { $0.contains("backup") })
    }
}
