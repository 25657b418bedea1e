import GRDB

/// How far an operation on dead letters or quarantined inputs goes, counted before its first step.
///
/// To count reads the whole table, bodies included, so it is done beside the writer: see
/// ``SQLiteJournal``'s operations.
struct RecordExtent: Sendable {
    /// The last record's id; what comes into being behind it is not meant.
    let through: Int64
    let count: Int

    /// - Parameter sql: A `SELECT` of the largest id and the number of records.
    fileprivate init(_ db: Database, sql: String, _ condition: SQLCondition) throws {
        let row = try StoredRow.fetchOne(db, sql: sql, arguments: condition.arguments)
        through = try row?[0] ?? 0
        count = try row?[1] ?? 0
    }
}

extension DeadLetterFilter {
    func extent(_ db: Database) throws -> RecordExtent {
        let condition = condition
        return try RecordExtent(
            db,
            sql: """
                SELECT coalesce(max(dead_letters.id), 0), count(*)
                FROM dead_letters JOIN sinks ON sinks.id = sink_id
                WHERE \(condition.text)
                """, condition)
    }
}

extension QuarantineFilter {
    func extent(_ db: Database) throws -> RecordExtent {
        let condition = condition
        return try RecordExtent(
            db, sql: "SELECT coalesce(max(id), 0), count(*) FROM quarantine WHERE \(condition.text)",
            condition)
    }
}
