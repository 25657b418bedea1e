import GRDB
import Logging

/// Deletes what is older than the retention and no longer needed, so that the journal does not fill its
/// disk.
///
/// An entry goes once every sink the journal knows, and that it is routed to, has it behind its cursor, and
/// no parked delivery needs it. The newest entry always stays: offsets go on
/// behind it.
extension JournalWriter {
    /// One small step in a transaction of its own; false where nothing is due.
    ///
    /// A failure ends the pass: the next one tries again.
    func retentionStep() -> Bool {
        let now = clock.now
        retention.beginIfDue(at: now)
        guard retention.isUnderWay else { return false }
        do {
            let before = now - retention.age.nanoseconds
            switch retention.stage {
            case .resting: break
            case .entries(let after): try deleteEntries(after: after, receivedBefore: before)
            case .quarantine: try deleteQuarantined(receivedBefore: before)
            case .pages: try giveBackPages(at: now)
            }
        } catch {
            retention.rest(at: now)
            logger.warning(
                "old entries could not be deleted from the journal; tried again in a minute",
                metadata: ["reason": "\(JournalError(error).reason)"]
            )
        }
        return true
    }

    func beginRetentionPass() { retention.begin() }

    // MARK: - Entries

    private func deleteEntries(after: Int64, receivedBefore: Int64) throws {
        var next = JournalRetention.Stage.quarantine
        var deleted = 0
        var hasFrozen = false
        do {
            try alone { db in
                let ends = try routeEnds(db)
                let last = min(lastOffset - 1, ends.values.max() ?? 0)
                let rows = try Row.fetchAll(
                    db,
                    sql: """
                        SELECT "offset", received_at, route_id FROM entries
                        WHERE "offset" > ? AND "offset" <= ? ORDER BY "offset" LIMIT ?
                        """,
                    arguments: [after, last, JournalRetention.looksMax]
                )
                guard let lastRow = rows.last else { return }
                var seenTo: Int64 = lastRow[0]
                var old: [Int64] = []
                let needed = try neededOffsets(from: rows[0][0], to: seenTo, db)
                for row in rows where row[1] < receivedBefore {
                    let offset: Int64 = row[0]
                    guard offset <= ends[row[2]] ?? 0, !needed.contains(offset) else { continue }
                    old.append(offset)
                    if old.count == JournalRetention.deletesMax {
                        seenTo = offset
                        break
                    }
                }
                hasFrozen = try delete(old, db)
                deleted = old.count
                // A clock that was wrong for a while leaves single entries; a step without an old one is
                // the end.
                if rows.contains(where: { $0[1] < receivedBefore }) { next = .entries(after: seenTo) }
            }
            if hasFrozen { seen.didFreeze(committed: true) }
        } catch {
            seen.didFreeze(committed: false)
            throw error
        }
        retention.deleted.entries += deleted
        retention.stage = next
    }

    /// Per route, the last offset that every known sink it names has settled.
    private func routeEnds(_ db: Database) throws -> [Int64: Int64] {
        let rows = try Row.fetchAll(
            db,
            sql: """
                SELECT routes.id, min(coalesce(cursor, ?)) FROM routes
                    LEFT JOIN json_each(choices)
                    LEFT JOIN sinks ON sinks.name = json_extract(json_each.value, '$[0]')
                GROUP BY routes.id
                """,
            arguments: [lastOffset]
        )
        return Dictionary(rows.map { ($0[0], $0[1]) }) { first, _ in first }
    }

    /// What waits for another attempt in this range.
    private func neededOffsets(from first: Int64, to last: Int64, _ db: Database) throws -> Set<Int64> {
        let sql = """
            SELECT "offset" FROM parked
            WHERE sink_id IN (SELECT id FROM sinks) AND "offset" BETWEEN ? AND ?
            """
        return try Int64.fetchSet(db, sql: sql, arguments: [first, last])
    }

    /// Deletes entries with their bodies; true where the known events had to be frozen for it.
    ///
    /// After a start the events behind the last run are known from their entries alone.
    private func delete(_ offsets: [Int64], _ db: Database) throws -> Bool {
        guard let newest = offsets.last else { return false }
        let frozenTo = try Int64.fetchOne(db, sql: "SELECT coalesce(max(last_offset), 0) FROM seen_runs") ?? 0
        let freezes = newest > frozenTo
        if freezes { try freeze(db) }
        for table in ["bodies", "entries"] {
            try db.execute(
                sql: "DELETE FROM \(table) WHERE \"offset\" IN (SELECT value FROM json_each(?))",
                arguments: ["\(offsets)"])
        }
        try count("expired", offsets.count, db)
        return freezes
    }

    // MARK: - Quarantine

    private func deleteQuarantined(receivedBefore: Int64) throws {
        var deleted = 0
        try alone { db in
            try db.execute(
                sql: """
                    DELETE FROM quarantine WHERE received_at < ? AND id IN (
                        SELECT id FROM quarantine ORDER BY id LIMIT ?)
                    """,
                arguments: [receivedBefore, JournalRetention.quarantineMax]
            )
            deleted = db.changesCount
            try count("quarantine_expired", deleted, db)
            try seen.expire(before: receivedBefore, db)
        }
        retention.deleted.quarantined += deleted
        if deleted == 0 { retention.stage = .pages }
    }

    private func count(_ name: String, _ number: Int, _ db: Database) throws {
        guard number > 0 else { return }
        try db.execute(
            sql: """
                INSERT INTO counters (name, value) VALUES (?, ?)
                ON CONFLICT (name) DO UPDATE SET value = value + excluded.value
                """,
            arguments: [name, number]
        )
    }

    // MARK: - Pages

    private func giveBackPages(at now: Int64) throws {
        var pages = 0
        try queue.writeWithoutTransaction { db in
            let free = try Int.fetchOne(db, sql: "PRAGMA freelist_count") ?? 0
            pages = min(max(0, free - JournalRetention.pagesReserve), JournalRetention.pagesMax)
            guard pages > 0 else { return }
            _ = try Row.fetchAll(db, sql: "PRAGMA incremental_vacuum(\(pages))")
        }
        retention.deleted.pages += pages
        guard pages == 0 else { return }
        let (all, before) = (retention.deleted, retention.deletedBefore)
        if all != before {
            checkpointIsDue()
            logger.info(
                "old entries were deleted from the journal",
                metadata: [
                    "entries": "\(all.entries - before.entries)",
                    "quarantined": "\(all.quarantined - before.quarantined)",
                ]
            )
        }
        retention.rest(at: now)
    }
}
