import Foundation
import JSON
import Relay
import Synchronization

/// Plain ways to keep events, each the least that it can be; for one thread.
enum PlainStore {
    /// Writes the events' bytes at the end of a file, and syncs it.
    static func file(_ path: String) throws -> ([Event]) throws -> Void {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        guard descriptor >= 0 else { throw BenchmarkError("cannot open \(path)") }
        var bytes: [UInt8] = []
        return { events in
            bytes.removeAll(keepingCapacity: true)
            for event in events { bytes += event.body.bytes }
            guard write(descriptor, bytes, bytes.count) == bytes.count, fdatasync(descriptor) == 0 else {
                throw BenchmarkError("\(path) takes no bytes")
            }
        }
    }

    /// Inserts the events' bytes into a table without an index, with SQLite's C API, one transaction a call.
    static func sqlite(_ path: String) throws -> ([Event]) throws -> Void {
        let loader = try SQLiteLoader(
            path: path, create: "CREATE TABLE bodies (id INTEGER PRIMARY KEY, body BLOB)",
            insert: "INSERT INTO bodies (body) VALUES (?)", pageBytes: 8_192)
        return { events in
            try loader.transaction { for event in events { try loader.insert(blob: event.body.bytes) } }
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
/// state and notes nowhere how far it came.
private final class PlainTable: Sendable {
    private let waiting = Mutex<[Event]>([])
    private let mode: String

    init(_ mode: String, path: String) {
        self.mode = mode
        Thread.detachNewThread {
            do {
                try self.run(path)
            } catch {
                say("\(error)")
                exit(1)
            }
        }
    }

    func put(_ events: [Event]) { waiting.withLock { $0 += events } }

    private func run(_ path: String) throws {
        let table = LoaderTable(mode, [])
        let columns = table.columns.dropFirst().joined(separator: " TEXT, ")
        let loader = try SQLiteLoader(
            path: path, create: "CREATE TABLE t (\(table.columns[0]) TEXT PRIMARY KEY, \(columns) TEXT)",
            insert: table.insert)
        while true {
            let next = Date.now + 0.05
            let events = waiting.withLock { waiting in
                defer { waiting = [] }
                return waiting
            }
            try loader.transaction {
                for event in events { try loader.insert(texts: table.row(event).columns) }
            }
            Thread.sleep(until: next)
        }
    }
}
