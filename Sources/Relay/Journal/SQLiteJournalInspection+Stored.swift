import Foundation
import GRDB

extension SQLiteJournalInspection {
    /// Entries looked through in one read; their bytes may end it earlier.
    private static let scanMax: Int64 = 20_000
    private static let pageEventsMax = 500

    public func storedEvents(
        after offset: Offset, through end: Offset, since receivedAt: Int64
    ) async throws(JournalError) -> StoredEventPage {
        try await onThread { [space] db in
            let space = try space.measured(db)
            let ends = try StoredRow.fetchOne(
                db, sql: #"SELECT coalesce(min("offset"), 1), coalesce(max("offset"), 0) FROM entries"#)
            let horizon: Int64 = try ends?[1] ?? 0
            let after = min(offset.rawValue, horizon)
            // Older entries may be gone: start where there are some.
            let start = try max(after, (ends?[0] ?? 1) - 1)
            let last = min(horizon, end.rawValue, start + Self.scanMax)
            let rows = try StoredRow.fetchCursor(
                db,
                sql: """
                    SELECT entries."offset", received_at, hooks.name, hooks.org, event_id, route_id, body
                    FROM entries JOIN hooks ON hooks.id = hook_id
                        LEFT JOIN bodies ON bodies."offset" = entries."offset"
                    WHERE entries."offset" > ? AND entries."offset" <= ? AND received_at >= ?
                        AND replay IS NULL
                    ORDER BY entries."offset"
                    """,
                arguments: [start, last, receivedAt]
            )
            var routes = RouteCatalogue()
            var events: [StoredEvent] = []
            var bytes = 0
            while let row = try rows.next() {
                let event = try Self.storedEvent(row, &routes, db)
                events.append(event)
                bytes += event.body?.count ?? 0
                if events.count == Self.pageEventsMax || bytes > space.replayBytesMax { break }
            }
            let isCut = events.count == Self.pageEventsMax || bytes > space.replayBytesMax
            let lookedTo = isCut ? events.last?.offset ?? offset : Offset(rawValue: last)
            return StoredEventPage(
                events: events, end: lookedTo, horizon: Offset(rawValue: horizon),
                isWhole: try Self.areKept(after + 1, lookedTo.rawValue, db))
        }
    }

    /// Offsets have no gaps of their own: what is not there has been deleted.
    private static func areKept(_ first: Int64, _ last: Int64, _ db: Database) throws -> Bool {
        let sql = #"SELECT count(*) FROM entries WHERE "offset" BETWEEN ? AND ?"#
        return try Int64.fetchOne(db, sql: sql, arguments: [first, last]) ?? 0 >= last - first + 1
    }

    public func span(since: Int64, until: Int64?) async throws(JournalError) -> EventSpan {
        try await onThread { db in
            let horizon = try Int64.fetchOne(db, sql: #"SELECT max("offset") FROM entries"#) ?? 0
            let after = try Self.offset(before: since, db)
            // Events come in by their times only about: none behind the last is of that time.
            let select = """
                SELECT "offset" FROM entries WHERE received_at < ? AND replay IS NULL
                ORDER BY "offset" DESC LIMIT 1
                """
            let last =
                try until.map { try Int64.fetchOne(db, sql: select, arguments: [$0]) ?? 0 } ?? horizon
            return EventSpan(
                after: Offset(rawValue: after), last: Offset(rawValue: max(last, after)),
                horizon: Offset(rawValue: horizon))
        }
    }

    /// The entries just before and behind it tell of its ends: without them, what was deleted there may have
    /// been of that time.
    public func isWhole(_ span: EventSpan) async throws(JournalError) -> Bool {
        try await onThread { db in
            try Self.areKept(
                max(span.after.rawValue, 1), min(span.last.rawValue + 1, span.horizon.rawValue), db)
        }
    }

    public func offset(before receivedAt: Int64) async throws(JournalError) -> Offset {
        try await onThread { Offset(rawValue: try Self.offset(before: receivedAt, $0)) }
    }

    private static func offset(before receivedAt: Int64, _ db: Database) throws -> Int64 {
        let sql = """
            SELECT coalesce(
                (SELECT "offset" - 1 FROM entries WHERE received_at >= ? AND replay IS NULL
                 ORDER BY "offset" LIMIT 1),
                (SELECT max("offset") FROM entries), 0)
            """
        return try Int64.fetchOne(db, sql: sql, arguments: [receivedAt]) ?? 0
    }

    private static func storedEvent(
        _ row: StoredRow, _ routes: inout RouteCatalogue, _ db: Database
    ) throws -> StoredEvent {
        try StoredEvent(
            offset: Offset(rawValue: row[0]),
            receivedAt: row[1],
            hook: row[2],
            org: row[3],
            eventID: row[4],
            route: routes.choices(of: row[5], db).map { (sink: $0, rule: $1) },
            body: (row[6] as Data?).map { Array($0) }
        )
    }
}
