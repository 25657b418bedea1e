import Foundation
import GRDB

extension SQLiteJournalInspection {
    /// Entries looked through in one read; their bytes may end it earlier.
    private static let scanMax: Int64 = 20_000
    private static let pageEventsMax = 2_000
    private static let pageBytesMax = 8 << 20

    public func storedEvents(
        after offset: Offset, since receivedAt: Int64
    ) async throws(JournalError) -> StoredEventPage {
        try await onThread { db in
            let ends = try Row.fetchOne(
                db, sql: #"SELECT coalesce(min("offset"), 1), coalesce(max("offset"), 0) FROM entries"#)
            let horizon: Int64 = ends?[1] ?? 0
            // Older entries may be gone: start where there are some.
            let start = max(offset.rawValue, (ends?[0] ?? 1) - 1)
            let last = min(horizon, start + Self.scanMax)
            let rows = try Row.fetchCursor(
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
                if events.count == Self.pageEventsMax || bytes > Self.pageBytesMax { break }
            }
            let isWhole = events.count < Self.pageEventsMax && bytes <= Self.pageBytesMax
            let end = isWhole ? Offset(rawValue: last) : events.last?.offset ?? offset
            return StoredEventPage(
                events: events, end: end, horizon: Offset(rawValue: horizon),
                missing: try Self.missing(after: offset, to: end, db))
        }
    }

    /// Offsets have no gaps of their own: what is not there has been deleted.
    private static func missing(after offset: Offset, to end: Offset, _ db: Database) throws -> Int {
        let sql = #"SELECT count(*) FROM entries WHERE "offset" > ? AND "offset" <= ?"#
        let kept = try Int.fetchOne(db, sql: sql, arguments: [offset.rawValue, end.rawValue]) ?? 0
        return max(0, Int(end.rawValue - offset.rawValue) - kept)
    }

    private static func storedEvent(
        _ row: Row, _ routes: inout RouteCatalogue, _ db: Database
    ) throws -> StoredEvent {
        StoredEvent(
            offset: Offset(rawValue: row[0]),
            receivedAt: row[1],
            hook: row[2],
            org: row[3],
            eventID: row[4],
            route: try routes.choices(of: row[5], db).map { (sink: $0, rule: $1) },
            body: (row[6] as Data?).map { Array($0) }
        )
    }
}
