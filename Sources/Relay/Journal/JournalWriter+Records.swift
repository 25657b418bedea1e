import Config
import GRDB
import Logging

/// Limits of what is kept besides entries: receipts, dead letters, the quarantine.
extension JournalWriter {
    /// A table whose rows go when they are older than `receipts`.
    private struct Records {
        let table: String
        let instant: String
        /// Bytes a row takes, about, and what part of the journal's maximum all of them may, where rows may
        /// also be too many.
        var bytesPerRow: Int?
        var share = 8
        /// Small rows may come faster than large ones go.
        var rowsPerStep: Int { JournalRetention.recordsMax * (bytesPerRow == nil ? 1 : 5) }
        /// What of a row is large.
        var bytes = "NULL"
    }

    private static let records = [
        Records(table: "settlements", instant: "settled_at", bytesPerRow: 64),
        Records(table: "receipts", instant: "settled_at", bytesPerRow: 160),
        Records(table: "removals", instant: "settled_at", bytesPerRow: 160, share: 16),
        Records(table: "attempts", instant: "at", bytesPerRow: 96, share: 16),
        Records(table: "operations", instant: "at"),
        Records(table: "detached", instant: "at"),
        Records(table: "quarantine", instant: "received_at", bytes: "bytes"),
        Records(table: "dead_letters", instant: "died_at", bytes: "body"),
    ]

    /// One step over one table.
    func deleteRecords(_ index: Int, at now: Int64) throws {
        guard index < Self.records.count else {
            if try !expireSeen(before: now - retention.age.nanoseconds) { retention.stage = .bodies }
            return
        }
        let records = Self.records[index]
        let table = records.table
        let oldest = now - retention.limits.receipts.nanoseconds
        var deleted = 0
        var isEarly = false
        try alone { db in
            let rowsMax = records.bytesPerRow.map { space.sizeMaxOnDisk / records.share / $0 } ?? .max
            let newest = try Int.fetchOne(db, sql: "SELECT max(id) FROM \(table)") ?? 0
            let rows = try StoredRow.fetchCursor(
                db,
                sql: """
                    SELECT id, coalesce(length(\(records.bytes)), 0) FROM \(table)
                    WHERE (\(records.instant) < ? OR id <= ?) AND id IN (
                        SELECT id FROM \(table) ORDER BY id LIMIT ?)
                    ORDER BY id
                    """,
                arguments: [oldest, newest - min(newest, rowsMax), records.rowsPerStep])
            let ids = try JournalRetention.withinBytes(rows)
            guard let last = ids.last else { return }
            let select = "SELECT \(records.instant) FROM \(table) WHERE id = ?"
            let instant = try Int64.fetchOne(db, sql: select, arguments: [last]) ?? 0
            isEarly = instant >= oldest
            // A clock that was ahead would have all of them gone.
            if table == "removals" { try raise(Self.removalsGoneCounter, to: min(instant, now), db) }
            try db.execute(
                sql: "DELETE FROM \(table) WHERE id IN (SELECT value FROM json_each(?))",
                arguments: ["\(ids)"])
            deleted = ids.count
        }
        if isEarly { tellEarly(records) }
        retention.deleted.records += deleted
        if deleted == 0 { retention.stage = .records(index + 1) }
    }

    /// When the newest removal whose receipt is not kept any more was settled, in nanoseconds since 1970.
    static let removalsGoneCounter = "receipts_gone"

    private func raise(_ counter: String, to value: Int64, _ db: Database) throws {
        try db.execute(
            sql: """
                INSERT INTO counters (name, value) VALUES (?, ?)
                ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)
                """,
            arguments: [counter, value])
    }

    /// Once for each kind, for it goes on for as long as the traffic does.
    private func tellEarly(_ records: Records) {
        guard retention.toldEarly.insert(records.table).inserted else { return }
        logger.warning(
            """
            \(records.table) go before journal.receipts is over, for they take 1/\(records.share) of \
            journal.maxSize; raise that if what is listed of them has to reach further back
            """)
    }

    /// Whether there was a list of known events that is older than the retention.
    private func expireSeen(before instant: Int64) throws -> Bool {
        var run: Int64?
        try alone { run = try seen.expire(before: instant, $0) }
        seen.didExpire(run)
        return run != nil
    }

    // MARK: - Bytes

    /// A table with bytes of events, and counts of what it takes that triggers keep: of its rows by
    /// themselves, and of those with the bytes.
    private struct Bodies {
        let table: String
        let column: String
        /// What the column becomes; it may be null or not.
        let gone: String
        /// What a row counts for by itself.
        let rowBytes: String
        let bytesCounter: String
        let rowBytesCounter: String
        let expiredCounter: String
    }

    private static let bodies = [
        Bodies(
            table: "dead_letters", column: "body", gone: "NULL",
            rowBytes: "512 + length(CAST(failures AS BLOB))",
            bytesCounter: "dead_letter_bytes", rowBytesCounter: "dead_letter_row_bytes",
            expiredCounter: "dead_letters_expired"),
        Bodies(
            table: "quarantine", column: "bytes", gone: "x''", rowBytes: "128",
            bytesCounter: "quarantine_bytes", rowBytesCounter: "quarantine_row_bytes",
            expiredCounter: "quarantine_expired"),
    ]

    /// One step that takes the bytes from the oldest records of a table whose bytes are too many, and deletes
    /// the oldest records of one that has too many of them: more than fit into a sixteenth of the journal's
    /// maximum.
    ///
    /// - Returns: How many records it changed.
    func expireBodies(at now: Int64) throws -> Int {
        var (expired, deleted) = (0, 0)
        try alone { db in
            let limits = [retention.limits.deadLetterBytesMax, retention.limits.quarantineBytesMax]
            let share = Double(space.sizeMaxOnDisk) / Double(space.sizeMax)
            for (bodies, bytesMax) in zip(Self.bodies, limits) {
                let gone = try shrink(bodies, to: Int(Double(bytesMax) * share), db)
                deleted += gone.deleted
                expired += gone.expired
            }
        }
        // What was not committed was not given up.
        retention.deleted.bodies += expired
        retention.deleted.records += deleted
        losses.expired(bodies: expired, records: deleted, at: now)
        return expired + deleted
    }

    /// The same for one table: how many records it deleted, and how many lost their bytes.
    private func shrink(
        _ bodies: Bodies, to bytesMax: Int, _ db: Database
    ) throws -> (deleted: Int, expired: Int) {
        let rowBytes = try counter(bodies.rowBytesCounter, db)
        let surplus = rowBytes - space.sizeMaxOnDisk / 16
        if surplus > 0 { return try deleteOldest(bodies, surplus, db) }
        let bytes = try counter(bodies.bytesCounter, db)
        return (0, try expire(bodies, bytes - rowBytes - bytesMax, db))
    }

    private func counter(_ name: String, _ db: Database) throws -> Int {
        try Int.fetchOne(db, sql: "SELECT value FROM counters WHERE name = ?", arguments: [name]) ?? 0
    }

    /// Takes the bytes from the oldest records that have some; how many records.
    private func expire(_ bodies: Bodies, _ excess: Int, _ db: Database) throws -> Int {
        guard excess > 0 else { return 0 }
        let rows = try StoredRow.fetchCursor(
            db,
            sql: """
                SELECT id, coalesce(length(\(bodies.column)), 0) FROM \(bodies.table) WHERE has_bytes = 1
                ORDER BY id LIMIT ?
                """,
            arguments: [JournalRetention.recordsMax])
        let ids = try JournalRetention.withinBytes(rows, enough: excess)
        try db.execute(
            sql: """
                UPDATE \(bodies.table) SET \(bodies.column) = \(bodies.gone), has_bytes = 0
                WHERE id IN (SELECT value FROM json_each(?))
                """,
            arguments: ["\(ids)"])
        try count(bodies.expiredCounter, ids.count, db)
        return ids.count
    }

    /// Deletes the oldest records, which are those that have lost their bytes where any have.
    ///
    /// - Parameter surplus: Bytes that the rows take too many.
    /// - Returns: How many, and how many of them had their bytes.
    private func deleteOldest(
        _ bodies: Bodies, _ surplus: Int, _ db: Database
    ) throws -> (deleted: Int, expired: Int) {
        // As many as free that much, and no more at once than a step may.
        let oldest = "SELECT id FROM \(bodies.table) ORDER BY id LIMIT \(JournalRetention.recordsMax)"
        func ids(_ bytes: String, enough: Int = .max) throws -> [Int64] {
            let sql = "SELECT id, \(bytes) FROM \(bodies.table) WHERE id IN (\(oldest)) ORDER BY id"
            return try JournalRetention.withinBytes(
                try StoredRow.fetchCursor(db, sql: sql), enough: enough)
        }
        let ids = try ids("coalesce(length(\(bodies.column)), 0)")
            .prefix(ids(bodies.rowBytes, enough: surplus).count)
        let isMeant = "id IN (SELECT value FROM json_each(?))"
        let select = "SELECT count(*) FROM \(bodies.table) WHERE has_bytes = 1 AND \(isMeant)"
        let withBytes = try Int.fetchOne(db, sql: select, arguments: ["\(Array(ids))"]) ?? 0
        try db.execute(sql: "DELETE FROM \(bodies.table) WHERE \(isMeant)", arguments: ["\(Array(ids))"])
        try count(bodies.expiredCounter, withBytes, db)
        return (ids.count, withBytes)
    }
}
