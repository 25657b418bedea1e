import GRDB
import Rules

extension SQLiteJournalInspection: OperationsInspection {
    private static let replaysMax = 100

    public func replays() async throws(JournalError) -> [Replay] {
        try await onThread { db in
            try Row.fetchAll(
                db,
                sql: "SELECT \(Replay.columns) FROM replays ORDER BY started_at DESC, id DESC LIMIT ?",
                arguments: [Self.replaysMax]
            ).map { try Replay($0) }
        }
    }

    public func replay(id: String) async throws(JournalError) -> Replay? {
        try await onThread { db in
            try Row.fetchOne(
                db, sql: "SELECT \(Replay.columns) FROM replays WHERE id = ?", arguments: [id]
            ).map { try Replay($0) }
        }
    }

    public func unfinishedReplays() async throws(JournalError) -> [Replay] {
        try await onThread { db in
            try Row.fetchAll(
                db,
                sql: "SELECT \(Replay.columns) FROM replays WHERE ended_at IS NULL ORDER BY started_at, id"
            ).map { try Replay($0) }
        }
    }

    public func operations(_ page: PageRequest) async throws(JournalError) -> [OperationRecord] {
        try await onThread { db in
            let sql = """
                SELECT id, at, command, sink, detail, entries FROM operations
                WHERE id < ? ORDER BY id DESC LIMIT ?
                """
            return try Row.fetchAll(db, sql: sql, arguments: [page.before ?? .max, page.limit]).map { row in
                OperationRecord(
                    id: row[0], at: row[1], command: row[2], sink: row[3], detail: row[4], entries: row[5])
            }
        }
    }

    public func history(
        user: String, org: String?, limit: Int
    ) async throws(JournalError) -> [HistoryRecord] {
        try await onThread { db in
            let parts = [
                try Self.settled(user, org, limit, db), try Self.dead(user, org, limit, db),
                try Self.waiting(user, org, limit, db),
            ]
            return Array(parts.joined().sorted { ($0.at, $0.eventID) > ($1.at, $1.eventID) }.prefix(limit))
        }
    }

    private static func settled(
        _ user: String, _ org: String?, _ limit: Int, _ db: Database
    ) throws -> [HistoryRecord] {
        let sql = """
            SELECT settled_at, sink, outcome, operation, org, event_id, detail FROM receipts
            WHERE user_id = ?1 AND (?2 IS NULL OR org = ?2) ORDER BY id DESC LIMIT ?3
            """
        return try Row.fetchAll(db, sql: sql, arguments: [user, org, limit]).map { row in
            let outcome = SettledOutcome(rawValue: row[2]) ?? .delivered
            return HistoryRecord(
                at: row[0], sink: row[1], outcome: .settled(outcome), eventType: nil, operation: row[3],
                org: row[4], eventID: row[5], detail: row[6])
        }
    }

    private static func dead(
        _ user: String, _ org: String?, _ limit: Int, _ db: Database
    ) throws -> [HistoryRecord] {
        let sql = """
            SELECT died_at, sinks.name, event_type, org, event_id, last_error
            FROM dead_letters JOIN sinks ON sinks.id = sink_id
            WHERE user_id = ?1 AND (?2 IS NULL OR org = ?2) ORDER BY dead_letters.id DESC LIMIT ?3
            """
        return try Row.fetchAll(db, sql: sql, arguments: [user, org, limit]).map { row in
            HistoryRecord(
                at: row[0], sink: row[1], outcome: .dead, eventType: row[2], operation: nil, org: row[3],
                eventID: row[4], detail: row[5])
        }
    }

    private static func waiting(
        _ user: String, _ org: String?, _ limit: Int, _ db: Database
    ) throws -> [HistoryRecord] {
        let sql = """
            SELECT received_at, sinks.name, event_type, parked.org, event_id,
                json_extract(failures, '$[#-1].reason')
            FROM parked JOIN sinks ON sinks.id = sink_id
                JOIN entries ON entries."offset" = parked."offset"
            WHERE user_id = ?1 AND (?2 IS NULL OR parked.org = ?2) ORDER BY parked."offset" DESC LIMIT ?3
            """
        return try Row.fetchAll(db, sql: sql, arguments: [user, org, limit]).map { row in
            HistoryRecord(
                at: row[0], sink: row[1], outcome: .waiting, eventType: row[2], operation: nil, org: row[3],
                eventID: row[4], detail: row[5])
        }
    }

    public func offset(before receivedAt: Int64) async throws(JournalError) -> Offset {
        try await onThread { db in
            let sql = """
                SELECT coalesce(
                    (SELECT "offset" - 1 FROM entries WHERE received_at >= ? AND replay IS NULL
                     ORDER BY "offset" LIMIT 1),
                    (SELECT max("offset") FROM entries), 0)
                """
            return Offset(rawValue: try Int64.fetchOne(db, sql: sql, arguments: [receivedAt]) ?? 0)
        }
    }
}
