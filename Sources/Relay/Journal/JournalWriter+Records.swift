import Config
import GRDB

/// Limits of what is kept besides entries: receipts, dead letters, the quarantine.
extension JournalWriter {
    /// A table whose rows go when they are older than `receipts`.
    private struct Records {
        let table: String
        let instant: String
        /// Bytes a row takes, about, where rows may also be too many: together these tables take an eighth
        /// of the journal's maximum each.
        var bytesPerRow: Int?
        /// What of a row is large.
        var bytes = "NULL"
    }

    private static let records = [
        Records(table: "settlements", instant: "settled_at", bytesPerRow: 64),
        Records(table: "receipts", instant: "settled_at", bytesPerRow: 160),
        Records(table: "operations", instant: "at"),
        Records(table: "detached", instant: "at"),
        Records(table: "quarantine", instant: "received_at", bytes: "bytes"),
        Records(table: "dead_letters", instant: "died_at", bytes: "body"),
    ]

    /// One step over one table.
    func deleteRecords(_ index: Int, before instant: Int64) throws {
        guard index < Self.records.count else {
            try alone { try seen.expire(before: clock.now - retention.age.nanoseconds, $0) }
            retention.stage = .bodies
            return
        }
        let records = Self.records[index]
        let table = records.table
        var deleted = 0
        try alone { db in
            let rowsMax = records.bytesPerRow.map { space.sizeMaxOnDisk / 8 / $0 } ?? .max
            let newest = try Int.fetchOne(db, sql: "SELECT max(id) FROM \(table)") ?? 0
            let rows = try Row.fetchCursor(
                db,
                sql: """
                    SELECT id, coalesce(length(\(records.bytes)), 0) FROM \(table)
                    WHERE (\(records.instant) < ? OR id <= ?) AND id IN (
                        SELECT id FROM \(table) ORDER BY id LIMIT ?)
                    ORDER BY id
                    """,
                arguments: [instant, newest - min(newest, rowsMax), JournalRetention.recordsMax])
            let ids = try JournalRetention.withinBytes(rows)
            guard !ids.isEmpty else { return }
            try db.execute(
                sql: "DELETE FROM \(table) WHERE id IN (SELECT value FROM json_each(?))",
                arguments: ["\(ids)"])
            deleted = ids.count
        }
        retention.deleted.records += deleted
        if deleted == 0 { retention.stage = .records(index + 1) }
    }

    // MARK: - Bytes

    /// A table with bytes of events, and a count of what it takes that triggers keep.
    private struct Bodies {
        let table: String
        let column: String
        /// What the column becomes; it may be null or not.
        let gone: String
        let bytesCounter: String
        let expiredCounter: String
    }

    private static let bodies = [
        Bodies(
            table: "dead_letters", column: "body", gone: "NULL", bytesCounter: "dead_letter_bytes",
            expiredCounter: "dead_letters_expired"),
        Bodies(
            table: "quarantine", column: "bytes", gone: "x''", bytesCounter: "quarantine_bytes",
            expiredCounter: "quarantine_expired"),
    ]

    /// One step that takes the bytes from the oldest records of a table that takes too many; a record itself
    /// goes only where none has bytes any more.
    ///
    /// - Returns: How many records it took them from.
    func expireBodies() throws -> Int {
        var expired = 0
        try alone { db in
            let limits = [retention.limits.deadLetterBytesMax, retention.limits.quarantineBytesMax]
            let share = Double(space.sizeMaxOnDisk) / Double(space.sizeMax)
            for (bodies, bytesMax) in zip(Self.bodies, limits) {
                expired += try expire(bodies, bytesMax: Int(Double(bytesMax) * share), db)
            }
        }
        retention.deleted.bodies += expired
        return expired
    }

    private func expire(_ bodies: Bodies, bytesMax: Int, _ db: Database) throws -> Int {
        let select = "SELECT value FROM counters WHERE name = ?"
        let excess = (try Int.fetchOne(db, sql: select, arguments: [bodies.bytesCounter]) ?? 0) - bytesMax
        guard excess > 0 else { return 0 }
        let rows = try Row.fetchCursor(
            db,
            sql: """
                SELECT id, coalesce(length(\(bodies.column)), 0) FROM \(bodies.table) WHERE has_bytes = 1
                ORDER BY id LIMIT ?
                """,
            arguments: [JournalRetention.recordsMax])
        let ids = try JournalRetention.withinBytes(rows, enough: excess)
        guard !ids.isEmpty else {
            try db.execute(
                sql: """
                    DELETE FROM \(bodies.table)
                    WHERE id IN (SELECT id FROM \(bodies.table) ORDER BY id LIMIT ?)
                    """,
                arguments: [JournalRetention.recordsMax])
            return db.changesCount
        }
        try db.execute(
            sql: """
                UPDATE \(bodies.table) SET \(bodies.column) = \(bodies.gone), has_bytes = 0
                WHERE id IN (SELECT value FROM json_each(?))
                """,
            arguments: ["\(ids)"])
        try count(bodies.expiredCounter, ids.count, db)
        return ids.count
    }
}
