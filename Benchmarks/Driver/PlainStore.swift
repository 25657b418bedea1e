import Foundation
import GRDBSQLite
import JSON
import Relay
import Synchronization

/// Plain ways to keep events; for one thread.
enum PlainStore {
    private static let fileBytes = 64 << 20

    /// Writes the events' bytes into a file and syncs it; where it ends it begins anew.
    ///
    /// The file has its length and its blocks before: to make it longer costs each sync more.
    static func file(_ path: String) throws -> ([Event]) throws -> Void {
        let descriptor = open(path, O_WRONLY | O_CREAT, 0o600)
        var bytes = [UInt8](repeating: 0, count: fileBytes)
        guard descriptor >= 0, write(descriptor, bytes, bytes.count) == bytes.count, fsync(descriptor) == 0
        else { throw BenchmarkError("cannot write \(path)") }
        var end = 0
        return { events in
            bytes.removeAll(keepingCapacity: true)
            for event in events { bytes += event.body.bytes }
            if end + bytes.count > fileBytes { end = 0 }
            guard pwrite(descriptor, bytes, bytes.count, end) == bytes.count, fdatasync(descriptor) == 0 else {
                throw BenchmarkError("\(path) takes no bytes")
            }
            end += bytes.count
        }
    }

    /// Inserts the events' bytes into a table without an index, with SQLite's C API, one transaction a call.
    ///
    /// As in the journal a thread of its own copies the log every 4 MB, and has it begin anew at 32.
    static func sqlite(_ path: String) throws -> ([Event]) throws -> Void {
        let loader = try SQLiteLoader(
            path: path, create: "CREATE TABLE bodies (id INTEGER PRIMARY KEY, body BLOB)",
            insert: "INSERT INTO bodies (body) VALUES (?)", pageBytes: 8_192, checkpointPages: 0)
        let checkpoints = SerialThread(name: "checkpoints")
        let database = UInt(bitPattern: try SQLiteLoader.open(path))
        var bytes = 0
        return { events in
            try loader.transaction { for event in events { try loader.insert(blob: event.body.bytes) } }
            bytes += events.reduce(0) { $0 + $1.body.bytes.count }
            guard bytes >= 4 << 20 else { return }
            bytes = 0
            checkpoints.submit {
                var frames: Int32 = 0
                let connection = OpaquePointer(bitPattern: database)
                sqlite3_wal_checkpoint_v2(connection, nil, SQLITE_CHECKPOINT_PASSIVE, &frames, nil)
                guard Int(frames) * 8_192 > 32 << 20 else { return }
                sqlite3_wal_checkpoint_v2(connection, nil, SQLITE_CHECKPOINT_PASSIVE, nil, nil)
                sqlite3_wal_checkpoint_v2(connection, nil, SQLITE_CHECKPOINT_RESTART, nil, nil)
            }
        }
    }

    /// The same, and has a thread for each of these modes write a table of a sink's into a file of its own.
    static func sqlite(_ path: String, andTables modes: [String]) throws -> ([Event]) throws -> Void {
        let store = try sqlite(path)
        let tables = modes.indices.map { PlainTable(modes[$0], path: "\(path)-\($0)") }
        return { events in
            try store(events)
            for table in tables { table.put(events) }
        }
    }
}

/// A thread that writes a sink's rows with one prepared statement, one transaction every 50 ms; it reads no
/// state and notes nowhere how far it came. It gives way to others as a sink's thread does.
private final class PlainTable: Sendable {
    /// So many events may wait, a second of load or so; whoever has more is kept waiting.
    private static let waitingMax = 20_000

    private let waiting = Mutex<[Event]>([])
    private let mode: String

    init(_ mode: String, path: String) {
        self.mode = mode
        startEssentialThread(named: "table", niceness: 10) { try self.run(path) }
    }

    func put(_ events: [Event]) {
        while waiting.withLock({ $0.count }) > Self.waitingMax { usleep(1_000) }
        waiting.withLock { $0 += events }
    }

    private func run(_ path: String) throws {
        let table = LoaderTable(mode, [])
        let columns = table.columns.dropFirst().joined(separator: " TEXT, ")
        let loader = try SQLiteLoader(
            path: path, create: "CREATE TABLE t (\(table.columns[0]) TEXT PRIMARY KEY, \(columns) TEXT)",
            insert: table.insert)
        while true {
            let start = monotonic()
            let events = waiting.withLock { waiting in
                defer { waiting = [] }
                return waiting
            }
            try loader.transaction {
                for event in events { try loader.insert(texts: table.row(event).columns) }
            }
            usleep(UInt32(max(0, 50_000 - (monotonic() - start) / 1_000)))
        }
    }
}
