import Foundation
import GRDB

/// What came in.
extension SQLiteJournalInspection {
    public func events(
        _ filter: EventFilter, _ page: PageRequest
    ) async throws(JournalError) -> [EventRecord] {
        try await list("entries", by: #""offset""#, page) { range, limit, db in
            var condition = filter.condition
            condition.add(#""offset""#, in: range)
            return try Self.events("NULL", condition, limit: limit, db)
        }
    }

    public func event(id: Int64) async throws(JournalError) -> EventRecord? {
        try await onThread { db in
            var condition = SQLCondition()
            condition.add(#""offset" = ?"#, id)
            let body = #"(SELECT body FROM bodies WHERE bodies."offset" = entries."offset")"#
            return try Self.events(body, condition, limit: 1, db).first
        }
    }

    private static func events(
        _ body: String, _ condition: SQLCondition, limit: Int, _ db: Database
    ) throws -> [EventRecord] {
        var routes = RouteCatalogue()
        let sql = """
            SELECT "offset", received_at, hooks.name, event_id, event_type, route_id, envelope_id, replay,
                \(body)
            FROM entries CROSS JOIN hooks ON hooks.id = hook_id
            WHERE \(condition.text) ORDER BY "offset" DESC LIMIT ?
            """
        return try StoredRow.fetchAll(db, sql: sql, arguments: condition.arguments + [limit]).map { row in
            try EventRecord(
                id: row[0],
                receivedAt: row[1],
                hook: row[2],
                eventID: row[3],
                eventType: row[4],
                envelopeID: row[6],
                replay: row[7],
                route: routes.choices(of: row[5], db).map { (sink: $0, rule: $1) }
                    .sorted { $0.sink < $1.sink },
                body: (row[8] as Data?).map { Array($0) }
            )
        }
    }
}

extension EventFilter {
    fileprivate var condition: SQLCondition {
        var condition = SQLCondition()
        // A route without a sink is an empty list.
        condition.add("route_id IN (SELECT id FROM routes WHERE choices = ?)", isUnrouted ? "[]" : nil)
        condition.add("hooks.name = ?", hook)
        condition.add("event_type GLOB ?", eventType?.glob)
        condition.add("event_id = ?", eventID)
        condition.add(instants: "received_at", since: since, until: until)
        return condition
    }
}
