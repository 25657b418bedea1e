import GRDB

/// What sinks have settled, all together and one by one.
extension SQLiteJournalInspection {
    public func settlements(
        _ filter: ReceiptFilter, _ page: PageRequest
    ) async throws(JournalError) -> [SettlementRecord] {
        try await list("settlements", by: "id", page) { range, limit, db in
            var condition = filter.condition
            if let outcome = filter.outcome { condition.add("\(outcome.rawValue) >= ?", 1) }
            condition.add("id", in: range)
            let sql = """
                SELECT id, sink, settled_at, first_offset, last_offset, delivered, superseded, skipped, dead
                FROM settlements WHERE \(condition.text) ORDER BY id DESC LIMIT ?
                """
            return try StoredRow.fetchAll(db, sql: sql, arguments: condition.arguments + [limit])
                .map { row in
                    try SettlementRecord(
                        id: row[0], sink: row[1], at: row[2], first: Offset(rawValue: row[3]),
                        last: Offset(rawValue: row[4]), delivered: row[5], superseded: row[6],
                        skipped: row[7], dead: row[8])
                }
        }
    }

    public func receipts(
        _ filter: ReceiptFilter, _ page: PageRequest
    ) async throws(JournalError) -> [ReceiptRecord] {
        try await list("receipts", by: "id", page) { range, limit, db in
            var condition = filter.condition
            condition.add("outcome = ?", filter.outcome?.rawValue)
            condition.add("event_id = ?", filter.eventID)
            condition.add("user_id = ?", filter.user)
            condition.add("id", in: range)
            let sql = """
                SELECT id, sink, settled_at, "offset", outcome, detail, operation, user_id, event_id
                FROM receipts WHERE \(condition.text) ORDER BY id DESC LIMIT ?
                """
            return try StoredRow.fetchAll(db, sql: sql, arguments: condition.arguments + [limit])
                .map { row in
                    try ReceiptRecord(
                        id: row[0], sink: row[1], at: row[2], offset: Offset(rawValue: row[3]),
                        outcome: SettledOutcome(rawValue: row[4]), detail: row[5], operation: row[6],
                        userID: row[7], eventID: row[8])
                }
        }
    }
}

extension ReceiptFilter {
    /// What both tables have.
    fileprivate var condition: SQLCondition {
        var condition = SQLCondition()
        condition.add("sink = ?", sink)
        condition.add(instants: "settled_at", since: since, until: until)
        return condition
    }
}
