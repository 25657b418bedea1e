import Config
import Foundation
import GRDB
import Relay
import RelayTesting
import Testing

@testable import Sinks

/// The file is removed, exchanged or damaged while the relay has it open.
@Suite("SQLite sink: another file at the path")
struct SQLiteExchangeTests {
    /// A file with the user `old` in it, closed, and the path where a relay expects its file.
    private struct Place {
        let folder: TemporaryFolder
        let path: String
        let backup: String
        private let factory = SinkFactory(clock: ManualClock(), logger: .quiet)

        init() async throws {
            folder = try TemporaryFolder()
            (path, backup) = (folder.file("users.sqlite"), folder.file("backup.sqlite"))
            let sink = try SQLSinkFixture.makeSink(.sqlite, backup, TableConfiguration(name: "users"))
            _ = try await sink.deliver([SQLiteExchangeTests.create("old")])
            await sink.shutdown()
        }

        /// A sink that shares its connection with the others that this makes.
        func sink(_ table: TableConfiguration = TableConfiguration(name: "users")) throws -> any Sink {
            let sqlite = SQLiteSinkConfiguration(path: path, table: table)
            return try factory.make(SinkConfiguration(name: table.name, kind: .sqlite(sqlite)))
        }

        func remove(_ suffixes: String...) throws {
            for suffix in suffixes { try FileManager.default.removeItem(atPath: path + suffix) }
        }

        func restore() throws { try FileManager.default.copyItem(atPath: backup, toPath: path) }

        /// What whoever opens the file now finds in a column.
        func values(
            _ column: String = "id", of table: String = "users", in file: String? = nil
        ) throws -> [String] {
            try DatabaseQueue(path: file ?? path).read { database in
                try String.fetchAll(database, sql: "SELECT \(column) FROM \(table) ORDER BY 1")
            }
        }
    }

    private static func create(_ user: String) -> Delivery {
        let event = EventSample(type: "user.lifecycle.create", user: user, second: 1).event
        return Delivery(offset: Offset(rawValue: 1), event: event, rule: "all", attempt: 1)
    }

    private static func outcomes(_ sink: any Sink, _ user: String) async throws -> [Receipt.Outcome] {
        try await sink.deliver([create(user)]).map(\.outcome)
    }

    @Test func aBackupThatTakesTheFilesPlaceGetsWhatFollows() async throws {
        let place = try await Place()
        let users = try place.sink()
        let events = try place.sink(TableConfiguration(name: "events", mode: .append))
        for sink in [users, events] { #expect(try await Self.outcomes(sink, "a") == [.delivered]) }
        try place.remove("", "-wal", "-shm")
        try place.restore()
        // Each sink finds its table in the new file, or makes it there.
        for sink in [events, users] { #expect(try await Self.outcomes(sink, "b") == [.delivered]) }
        #expect(try place.values() == ["b", "old"])
        #expect(try place.values("user_id", of: "events") == ["b"])
        try await users.probe()
    }

    @Test func aFileThatIsGoneIsMadeOnlyWhereAStartWouldMakeIt() async throws {
        let place = try await Place()
        let users = try place.sink()
        #expect(try await Self.outcomes(users, "a") == [.delivered])
        try place.remove("", "-wal", "-shm")
        #expect(try await Self.outcomes(users, "b") == [.delivered])
        #expect(try place.values() == ["b"])

        let careful = try place.sink(TableConfiguration(name: "users", createsMissing: false))
        #expect(try await Self.outcomes(careful, "c") == [.delivered])
        try place.remove("", "-wal", "-shm")
        let reason = await SinkError.misconfiguration { _ = try await careful.deliver([Self.create("d")]) }
        #expect(reason.contains("does not exist"))
        #expect(!FileManager.default.fileExists(atPath: place.path))
        try place.restore()
        try await careful.prepare()
        #expect(try await Self.outcomes(careful, "d") == [.delivered])
        #expect(try place.values() == ["d", "old"])
    }

    /// SQLite would write the pages of the old file's log into the new one.
    @Test func aLogThatWasLeftBehindIsNotMixedIn() async throws {
        let place = try await Place()
        let users = try place.sink()
        #expect(try await Self.outcomes(users, "a") == [.delivered])
        // Whoever reads the old file keeps its log from being emptied.
        var configuration = Configuration()
        configuration.allowsUnsafeTransactions = true
        let reader = try DatabaseQueue(path: place.path, configuration: configuration)
        try await reader.writeWithoutTransaction { try $0.execute(sql: "BEGIN; SELECT count(*) FROM users") }
        try place.remove("")
        try place.restore()
        let calls: [() async throws -> Void] = [
            { _ = try await users.deliver([Self.create("b")]) }, { try await users.prepare() },
            { try await users.probe() },
        ]
        for call in calls {
            let reason = await SinkError.misconfiguration(call)
            #expect(reason.contains("remove \(place.path)-wal and \(place.path)-shm"))
        }
        try place.remove("-wal", "-shm")
        try await users.prepare()
        #expect(try await Self.outcomes(users, "b") == [.delivered])
        #expect(try place.values() == ["b", "old"])
        try await reader.writeWithoutTransaction { try $0.execute(sql: "COMMIT") }
    }

    /// What was delivered is in the file, also where somebody moves that away without its log.
    @Test func aFileThatWasMovedAwayTakesItsRowsAlong() async throws {
        let place = try await Place()
        let users = try place.sink()
        #expect(try await Self.outcomes(users, "a") == [.delivered])
        let aside = place.folder.file("aside.sqlite")
        try FileManager.default.moveItem(atPath: place.path, toPath: aside)
        try await users.prepare()
        #expect(try await Self.outcomes(users, "b") == [.delivered])
        #expect(try place.values() == ["b"])
        #expect(try place.values(in: aside) == ["a"])
    }

    /// A connection keeps the damaged pages that it has read.
    @Test func aDamagedFileThatWasMendedInPlaceIsUsedAgain() async throws {
        let place = try await Place()
        try place.restore()
        let whole = try Data(contentsOf: URL(fileURLWithPath: place.path))
        func write(_ bytes: Data) throws {
            let file = try FileHandle(forWritingTo: URL(fileURLWithPath: place.path))
            try file.write(contentsOf: bytes)
            try file.close()
        }
        let users = try place.sink()
        // Reads the schema on the first page, and no row.
        try await users.prepare()
        try write(whole.prefix(4_096) + Data(repeating: 0x41, count: whole.count - 4_096))
        let reason = await SinkError.misconfiguration { _ = try await users.deliver([Self.create("a")]) }
        #expect(reason.contains("the database is damaged"))
        try write(whole)
        try await users.prepare()
        #expect(try await Self.outcomes(users, "a") == [.delivered])
        #expect(try place.values() == ["a", "old"])
    }

    @Test(arguments: [
        (ResultCode.SQLITE_CORRUPT, true), (.SQLITE_NOTADB, true), (.SQLITE_IOERR, true),
        (.SQLITE_READONLY_DBMOVED, true), (.SQLITE_FULL, false), (.SQLITE_BUSY, false),
        (.SQLITE_CONSTRAINT, false),
    ])
    func anErrorTellsWhetherAnotherConnectionMayHelp(_ code: ResultCode, _ mayHelp: Bool) {
        let failure = TableFailure(sqlite: DatabaseError(resultCode: code), path: "a.sqlite")
        #expect(failure.mayBeConnections(path: "a.sqlite") == mayHelp)
    }
}
