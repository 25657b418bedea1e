import GRDB
import Rules

extension SQLiteJournalInspection: OperationsInspection {
    public func replays(
        _ filter: ReplayListFilter, before id: String?, limit: Int
    ) async throws(JournalError) -> [Replay] {
        try await onThread { db in
            var condition = filter.condition
            condition.add("(started_at, id) < (SELECT started_at, id FROM replays WHERE id = ?)", id)
            let sql = """
                SELECT \(Replay.columns) FROM replays
                WHERE \(condition.text) ORDER BY started_at DESC, id DESC LIMIT ?
                """
            return try Row.fetchAll(db, sql: sql, arguments: condition.arguments + [limit])
                .map { try Replay($0) }
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

    public func operations(
        _ filter: OperationFilter, _ page: PageRequest
    ) async throws(JournalError) -> [OperationRecord] {
        try await onThread { db in
            var condition = filter.condition
            condition.add("id < ?", page.before)
            let sql = """
                SELECT id, at, command, sink, detail, entries FROM operations
                WHERE \(condition.text) ORDER BY id DESC LIMIT ?
                """
            return try Row.fetchAll(db, sql: sql, arguments: condition.arguments + [page.limit]).map { row in
                OperationRecord(
                    id: row[0], at: row[1], command: row[2], sink: row[3], detail: row[4], entries: row[5])
            }
        }
    }

    public func names(of kind: NamedKind) async throws(JournalError) -> Set<String> {
        let sql =
            switch kind {
            // What was dropped is among the operations.
            case .sink:
                """
                SELECT name FROM sinks UNION SELECT sink FROM detached UNION SELECT sink FROM replays
                UNION SELECT sink FROM operations WHERE sink IS NOT NULL
                """
            case .rule: "SELECT DISTINCT rule FROM dead_letters"
            case .hook: "SELECT name FROM hooks UNION SELECT hook FROM quarantine"
            }
        return try await onThread { try String.fetchSet($0, sql: sql) }
    }
}
