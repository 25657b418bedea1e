import GRDB
@testable import Relay
import RelayTesting
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(1))) struct JournalCheckpointerTests {
    /// A backup that runs reads one state for minutes; the log cannot begin anew then, and nobody is to wait
    /// for that more than once.
    @Test func whileSomebodyReadsAnOlderStateTheWriterWaitsOnceAtMost() async throws {
        let folder = try TemporaryFolder()
        let path = folder.file("log.sqlite")
        var configuration = Configuration()
        configuration.busyMode = .immediateError
        configuration.prepareDatabase { try $0.execute(sql: "PRAGMA journal_mode = WAL") }
        let writer = try DatabaseQueue(path: path, configuration: configuration)
        func write(_ count: Int) throws {
            for _ in 0..<count {
                try writer.write { try $0.execute(sql: "INSERT INTO t VALUES (randomblob(5000))") }
            }
        }
        try await writer.write { try $0.execute(sql: "CREATE TABLE t (a)") }
        var lasting = Configuration()
        lasting.allowsUnsafeTransactions = true
        let reader = try DatabaseQueue(path: path, configuration: lasting)
        try await reader.writeWithoutTransaction { db in
            try db.execute(sql: "BEGIN")
            _ = try Int.fetchOne(db, sql: "SELECT count(*) FROM t")
        }
        try write(100)
        let checkpointer = JournalCheckpointer(path: path)
        for _ in 0..<5 { checkpointer.checkpoint(.passive(bytesMax: 1)) }
        let isDone = Mutex(false)
        let end = Task {
            await checkpointer.close()
            isDone.withLock { $0 = true }
        }
        var (count, waits, isBusy) = (100, 0, false)
        while !isDone.withLock({ $0 }) {
            do {
                try write(1)
                count += 1
                isBusy = false
            } catch {
                if !isBusy { waits += 1 }
                isBusy = true
            }
        }
        await end.value
        #expect(waits <= 1)
        try await reader.writeWithoutTransaction { try $0.execute(sql: "ROLLBACK") }
        #expect(try await writer.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM t") } == count)
    }
}
