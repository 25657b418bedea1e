import Config
import Foundation
import GRDB
import Relay
import RelayTesting
import Testing

@testable import Sinks

/// What is SQLite's own: durability, shared files, files that are none.
@Suite("SQLite sink")
struct SQLiteSinkTests {
    @Test func theFileIsDurable() throws {
        let folder = try TemporaryFolder()
        let queue = try SQLiteFile(path: folder.file("a.sqlite")).connection(createsMissing: true)
        try queue.writeWithoutTransaction { database in
            let mode = try String.fetchOne(database, sql: "PRAGMA journal_mode")
            let synchronous = try Int.fetchOne(database, sql: "PRAGMA synchronous")
            #expect(mode == "wal" && synchronous == 2)
        }
    }

    @Test func sinksOnOneFileShareItAndOutliveEachOther() async throws {
        let folder = try TemporaryFolder()
        let factory = SinkFactory(clock: ManualClock(), logger: .quiet)
        func make(_ table: TableConfiguration) throws -> any Sink {
            let sqlite = SQLiteSinkConfiguration(path: folder.file("shared.sqlite"), table: table)
            return try factory.make(SinkConfiguration(name: table.name, kind: .sqlite(sqlite)))
        }
        let users = try make(TableConfiguration(name: "users"))
        let events = try make(TableConfiguration(name: "events", mode: .append))
        let event = EventSample(type: "user.lifecycle.create", user: "a", second: 1).event
        let delivery = Delivery(offset: Offset(rawValue: 1), event: event, rule: "all", attempt: 1)
        for _ in 0..<20 {
            async let first = users.deliver([delivery])
            async let second = events.deliver([delivery])
            #expect(
                try await first + second == [
                    Receipt(offset: delivery.offset, .delivered),
                    Receipt(offset: delivery.offset, .delivered),
                ])
        }
        await users.shutdown()
        #expect(try await events.deliver([delivery]).count == 1)
        await events.shutdown()
        await #expect(throws: SinkError.self) { try await events.deliver([delivery]) }
    }

    @Test func aFileThatIsNoDatabaseIsMisconfigured() async throws {
        let folder = try TemporaryFolder()
        try Data(repeating: 0x41, count: 4_096).write(to: URL(fileURLWithPath: folder.file("a.sqlite")))
        let sink = try SQLSinkFixture.makeSink(
            .sqlite, folder.file("a.sqlite"), TableConfiguration(name: "users"))
        await #expect {
            try await sink.prepare()
        } throws: { error in
            guard case .misconfigured(let reason)? = error as? SinkError else { return false }
            return reason.hasSuffix("is not a SQLite database")
        }
    }

    @Test(arguments: [
        (ResultCode.SQLITE_FULL, "the disk is full"), (.SQLITE_BUSY, "another process has the file locked"),
        (.SQLITE_READONLY, "read-only"),
    ])
    func anOutageIsUnavailable(_ code: ResultCode, _ words: String) {
        let failure = TableFailure(sqlite: DatabaseError(resultCode: code), path: "a.sqlite")
        guard case .sink(.unavailable(let reason, nil, nil)) = failure else {
            Issue.record("\(failure)")
            return
        }
        #expect(reason.contains(words))
    }
}
