import Foundation
import GRDB
import JSON

/// Entries as the journal's tables have them; keeps the routes and hooks that it has met between reads.
///
/// For one connection, and on its thread.
struct StoredEntries {
    /// Offsets looked through in one read, so that a sink with few entries cannot hold up the others.
    private static let scanMax: Int64 = 50_000

    /// What ``entry(_:sink:_:)`` reads, in the order of its columns.
    private static let columns = """
        SELECT entries."offset", received_at, hook_id, route_id, replay, envelope_id, body
        FROM entries LEFT JOIN bodies ON bodies."offset" = entries."offset"
        """
    private static let rowsBehind = """
        \(columns) WHERE entries."offset" > ? AND entries."offset" <= ?
            AND route_id IN (SELECT value FROM json_each(?))
        ORDER BY entries."offset" LIMIT ?
        """
    private static let rowsAt = """
        \(columns) WHERE entries."offset" IN (SELECT value FROM json_each(?)) ORDER BY entries."offset"
        """

    private var routes = RouteCatalogue()
    private var hooks: [Int64: (name: String, org: String)] = [:]

    /// Reads routes anew from now on, because sinks have other names.
    mutating func forgetRoutes() { routes.forget() }

    /// A sink's entries behind an offset, in order.
    ///
    /// - Parameter horizon: The last entry that may be read.
    mutating func page(
        _ sink: String, after offset: Offset, horizon: Int64, limit: ReadLimit, _ db: Database
    ) throws -> JournalPage {
        let last = min(horizon, offset.rawValue + Self.scanMax)
        let ids = try routes.ids(naming: sink, db)
        var rows = try BoundStatement(db, Self.rowsBehind)
        defer { rows.reset() }
        rows.bind(offset.rawValue)
        rows.bind(last)
        rows.bind("\(ids)")
        rows.bind(Int64(limit.entries))
        var entries: [JournalEntry] = []
        var bytes = 0
        var isFull = false
        while !isFull, try rows.nextRow() {
            let entry = try entry(rows, sink: sink, db)
            bytes += entry.event.footprint
            isFull = !entries.isEmpty && bytes > limit.bytes
            if !isFull { entries.append(entry) }
        }
        let isCut = isFull || entries.count == limit.entries
        return JournalPage(
            entries: entries,
            end: isCut ? entries.last?.offset ?? offset : Offset(rawValue: last),
            isAtHorizon: !isCut && last == horizon
        )
    }

    mutating func entries(_ sink: String, at offsets: [Offset], _ db: Database) throws -> [JournalEntry] {
        var rows = try BoundStatement(db, Self.rowsAt)
        defer { rows.reset() }
        rows.bind("\(offsets.map(\.rawValue))")
        var entries: [JournalEntry] = []
        while try rows.nextRow() { entries.append(try entry(rows, sink: sink, db)) }
        return entries
    }

    /// What a sink was told of users.
    static func states(
        _ sink: String, of subjects: [Subject], _ db: Database
    ) throws -> [Subject: FoldState] {
        var row = try BoundStatement(
            db,
            """
            SELECT state FROM user_states
            WHERE sink_id = (SELECT id FROM sinks WHERE name = ?) AND org = ? AND user_id = ?
            """)
        defer { row.reset() }
        var states: [Subject: FoldState] = [:]
        for subject in subjects {
            row.bind(sink)
            row.bind(subject.org)
            row.bind(subject.userID)
            while try row.nextRow() { states[subject] = FoldState(json: row.blob(0)) }
        }
        return states
    }

    private mutating func entry(
        _ row: BoundStatement, sink: String, _ db: Database
    ) throws -> JournalEntry {
        let offset = row.integer(0)
        let hook = try hook(row.integer(2), db)
        let body = row.blob(6)
        guard !body.isEmpty else {
            throw JournalDamage(what: "the body of entry \(offset) is not there")
        }
        return JournalEntry(
            offset: Offset(rawValue: offset),
            event: try Event(
                body: try JSONDocument(body, isKept: true), hook: hook.name, org: hook.org,
                receivedAt: row.integer(1),
                envelopeID: row.text(5)),
            rule: try routes.choices(of: row.integer(3), db)[sink] ?? "",
            replay: row.text(4)
        )
    }

    private mutating func hook(_ id: Int64, _ db: Database) throws -> (name: String, org: String) {
        if let hook = hooks[id] { return hook }
        let select = "SELECT name, org FROM hooks WHERE id = ?"
        guard let row = try StoredRow.fetchOne(db, sql: select, arguments: [id]) else {
            throw JournalDamage(what: "the hook of an entry is not there")
        }
        let hook: (name: String, org: String) = try (row[0], row[1])
        hooks[id] = hook
        return hook
    }
}
