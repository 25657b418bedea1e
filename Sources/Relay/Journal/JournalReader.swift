import Foundation
import GRDB
import JSON

/// Reads entries back from disk, on a thread and a connection of its own, for sinks that are behind the tail.
final class JournalReader: Sendable {
    /// Offsets looked through in one read, so that a sink with few entries cannot hold up the others.
    private static let scanMax: Int64 = 50_000

    private let thread: SerialThread
    private let queue: DatabaseQueue
    /// Touched on the thread only.
    private let cache: Cache

    init(path: String) throws {
        queue = try JournalFile.openForReading(path)
        thread = SerialThread(name: "journal-reader")
        cache = Cache()
    }

    func read(
        _ sink: String, after offset: Offset, horizon: Int64, limit: ReadLimit
    ) async throws(JournalError) -> JournalPage {
        try await onThread { db, cache in
            let last = min(horizon, offset.rawValue + Self.scanMax)
            let statement = try db.cachedStatement(
                sql: """
                    SELECT "offset", received_at, hook_id, route_id, replay, envelope_id FROM entries
                    WHERE "offset" > ? AND "offset" <= ? AND route_id IN (SELECT value FROM json_each(?))
                    ORDER BY "offset" LIMIT ?
                    """
            )
            let routes = try cache.routes.ids(naming: sink, db)
            let rows = try Row.fetchAll(
                statement, arguments: [offset.rawValue, last, "\(routes)", limit.entries])
            var entries: [JournalEntry] = []
            var bytes = 0
            for row in rows {
                let entry = try cache.entry(row, sink: sink, db)
                bytes += entry.event.body.bytes.count
                if !entries.isEmpty, bytes > limit.bytes { break }
                entries.append(entry)
            }
            let isCut = entries.count == limit.entries || entries.count < rows.count
            return JournalPage(
                entries: entries,
                end: isCut ? entries.last?.offset ?? offset : Offset(rawValue: last),
                isAtHorizon: !isCut && last == horizon
            )
        }
    }

    func read(_ sink: String, at offsets: [Offset]) async throws(JournalError) -> [JournalEntry] {
        try await onThread { db, cache in
            let statement = try db.cachedStatement(
                sql: """
                    SELECT "offset", received_at, hook_id, route_id, replay, envelope_id FROM entries
                    WHERE "offset" IN (SELECT value FROM json_each(?)) ORDER BY "offset"
                    """
            )
            return try Row.fetchAll(statement, arguments: ["\(offsets.map(\.rawValue))"])
                .map { try cache.entry($0, sink: sink, db) }
        }
    }

    func states(_ sink: String, of subjects: [Subject]) async throws(JournalError) -> [Subject: FoldState] {
        try await onThread { db, _ in
            let statement = try db.cachedStatement(
                sql: """
                    SELECT state FROM user_states
                    WHERE sink_id = (SELECT id FROM sinks WHERE name = ?) AND org = ? AND user_id = ?
                    """
            )
            var states: [Subject: FoldState] = [:]
            for subject in subjects {
                let text = try String.fetchOne(statement, arguments: [sink, subject.org, subject.userID])
                states[subject] = text.flatMap { FoldState(json: Array($0.utf8)) }
            }
            return states
        }
    }

    /// Reads routes anew from now on, because sinks have other names.
    func forgetRoutes() async {
        await thread.run { [cache] in cache.routes.forget() }
    }

    func close() async {
        await thread.run { [queue] in try? queue.close() }
    }

    private func onThread<T: Sendable>(
        _ body: @escaping @Sendable (Database, Cache) throws -> T
    ) async throws(JournalError) -> T {
        let result = await thread.run { [queue, cache] in
            Result { try queue.read { try body($0, cache) } }
        }
        do {
            return try result.get()
        } catch {
            throw JournalError(error)
        }
    }

    /// What the thread keeps between reads.
    ///
    /// `@unchecked`: only closures that run on the reader's one thread touch it.
    private final class Cache: @unchecked Sendable {
        var routes = RouteCatalogue()
        private var hooks: [Int64: (name: String, org: String)] = [:]

        func entry(_ row: Row, sink: String, _ db: Database) throws -> JournalEntry {
            let offset: Int64 = row[0]
            let hook = try hook(row[2], db)
            let select = try db.cachedStatement(sql: #"SELECT body FROM bodies WHERE "offset" = ?"#)
            guard let body = try Data.fetchOne(select, arguments: [offset]) else {
                throw JournalError.unusable(reason: "the body of entry \(offset) is not there")
            }
            return JournalEntry(
                offset: Offset(rawValue: offset),
                event: try Event(
                    body: try JSONDocument(Array(body)), hook: hook.name, org: hook.org, receivedAt: row[1],
                    envelopeID: row[5]),
                rule: try routes.choices(of: row[3], db)[sink] ?? "",
                replay: row[4]
            )
        }

        private func hook(_ id: Int64, _ db: Database) throws -> (name: String, org: String) {
            if let hook = hooks[id] { return hook }
            let select = "SELECT name, org FROM hooks WHERE id = ?"
            guard let row = try Row.fetchOne(db, sql: select, arguments: [id]) else {
                throw JournalError.unusable(reason: "the hook of an entry is not there")
            }
            let hook: (name: String, org: String) = (row[0], row[1])
            hooks[id] = hook
            return hook
        }
    }
}
