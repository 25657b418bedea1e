import GRDB
import JSON
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
            return try StoredRow.fetchAll(db, sql: sql, arguments: condition.arguments + [limit])
                .map { try Replay($0) }
        }
    }

    public func replay(id: String) async throws(JournalError) -> Replay? {
        try await onThread { db in
            try StoredRow.fetchOne(
                db, sql: "SELECT \(Replay.columns) FROM replays WHERE id = ?", arguments: [id]
            ).map { try Replay($0) }
        }
    }

    public func unfinishedReplays() async throws(JournalError) -> [Replay] {
        try await onThread { db in
            try StoredRow.fetchAll(
                db,
                sql: "SELECT \(Replay.columns) FROM replays WHERE ended_at IS NULL ORDER BY started_at, id"
            ).map { try Replay($0) }
        }
    }

    public func hasRoomForReplays() async throws(JournalError) -> Bool {
        try await onThread { [space] db in
            try space.measured(db).hasRoomForReplays(db)
        }
    }

    public func states(
        _ sink: String, of subjects: [Subject]
    ) async throws(JournalError) -> [Subject: FoldState] {
        try await onThread { try StoredEntries.states(sink, of: subjects, $0) }
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
            let rows = try StoredRow.fetchAll(db, sql: sql, arguments: condition.arguments + [page.limit])
            return try rows.map { row in
                try OperationRecord(
                    id: row[0], at: row[1], command: row[2], sink: row[3],
                    detail: OperationRecord.detail(ofText: row[4]), entries: row[5])
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
            // No hook is forgotten that an event has come by.
            case .org: "SELECT org FROM hooks"
            }
        return try await onThread { try String.fetchSet($0, sql: sql) }
    }
}

extension OperationRecord {
    /// As the journal stores it; nil where that is no JSON object.
    static func detail(ofText text: String) -> String? {
        (try? JSONDocument(text).root.kind) == .object ? text : nil
    }
}
