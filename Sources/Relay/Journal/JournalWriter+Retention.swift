import Config
import GRDB
import Logging

/// Deletes what is older than the retention and no longer needed, so that the journal does not fill its
/// disk.
///
/// An entry goes once every sink the journal knows, and that it is routed to, has it behind its cursor, and
/// no parked delivery needs it. The newest entry always stays: offsets go on behind it.
extension JournalWriter {
    /// One small step, where there is nothing else to do.
    func idleStep() -> Bool { retainsByItself && retentionStep() }

    /// One small step in a transaction of its own; false where nothing is due.
    ///
    /// A failure ends the pass: the next one tries again.
    func retentionStep() -> Bool {
        let now = clock.now
        takeReserveAgain()
        if relieve(at: now) {
            tellLosses(isOver: false, at: now)
            checkpointAfterWrite()
            return true
        }
        tellLosses(isOver: !retention.isGivingUp, at: now)
        retention.beginIfDue(at: now)
        guard retention.isUnderWay else { return false }
        defer { checkpointAfterWrite() }
        do {
            switch retention.stage {
            case .resting: break
            case .detaching(let sink, let from):
                retention.stage = try detachOld(after: sink, from: from, at: nowForAges())
            case .entries(let after): try deleteEntries(after: after, at: nowForAges())
            case .records(let index): try deleteRecords(index, at: nowForAges())
            case .bodies: if try expireBodies(at: now) == 0 { retention.stage = .pages }
            case .pages: try giveBackPages(at: now)
            }
        } catch {
            retention.rest(at: now)
            noteFailure(error)
            logger.warning(
                "what is old could not be deleted from the journal; tried again in a minute",
                metadata: ["reason": "\(JournalError(error).reason)"]
            )
        }
        return true
    }

    func beginRetentionPass() { retention.begin() }

    private func tellLosses(isOver: Bool, at now: Int64) {
        if losses.isDue(at: now, isOver: isOver) { losses.tell(logger, at: now) }
    }

    // MARK: - Entries

    private func deleteEntries(after: Int64, at now: Int64) throws {
        var arrivals = Arrivals(now: now)
        let found = try deleteSettled(after: after) { offset, receivedAt, db in
            let came = try arrivals.instant(of: offset, receivedAt: receivedAt, replay: nil, db)
            return now - came > retention.age.nanoseconds
        }
        retention.deleted.entries += found.deleted
        // A clock that was wrong for a while leaves single entries; a step without an old one is the end.
        retention.stage = found.hasDue && !found.isAtEnd ? .entries(after: found.seenTo) : .records(0)
    }

    /// What a step of deleting found.
    struct SettledEntries {
        var deleted = 0
        /// Entries up to here have been looked at.
        var seenTo: Int64 = 0
        /// The first of them that is due and that a sink still needs.
        var firstPinned: Int64?
        /// Whether one of them was due at all.
        var hasDue = false
        /// Nothing behind them can be deleted.
        var isAtEnd = true
    }

    /// Deletes some of the entries behind an offset that every sink has settled, oldest first.
    ///
    /// - Parameter isDue: Whether one may go, by its offset and when it came in.
    func deleteSettled(
        after: Int64, through end: Int64 = .max, where isDue: (Int64, Int64, Database) throws -> Bool
    ) throws -> SettledEntries {
        var found = SettledEntries(seenTo: after)
        var hasFrozen = false
        do {
            try alone { db in
                let ends = try routeEnds(db)
                let lastUnsurveyed = lastUnsurveyed
                let lastEnd = ends.values.max() ?? 0
                let rows = try StoredRow.fetchAll(
                    db,
                    sql: """
                        SELECT "offset", received_at, route_id FROM entries
                        WHERE "offset" > ? AND "offset" < ? ORDER BY "offset" LIMIT ?
                        """,
                    arguments: [
                        after, min(lastOffset, end == .max ? end : end + 1), JournalRetention.looksMax,
                    ]
                )
                guard let first = rows.first, let last = rows.last else { return }
                found.isAtEnd = rows.count < JournalRetention.looksMax
                let needed = try neededOffsets(from: first[0], to: last[0], db)
                var old: [Int64] = []
                for row in rows {
                    let offset: Int64 = try row[0]
                    // For half a second; the next pass is about them again.
                    guard offset <= lastUnsurveyed else {
                        found.isAtEnd = true
                        break
                    }
                    guard old.count < JournalRetention.deletesMax, offset <= lastEnd else {
                        found.isAtEnd = offset > lastEnd
                        if found.isAtEnd { found.firstPinned = found.firstPinned ?? offset }
                        break
                    }
                    found.seenTo = offset
                    guard try isDue(offset, row[1], db) else { continue }
                    found.hasDue = true
                    if offset <= ends[try row[2]] ?? 0, !needed.contains(offset) {
                        old.append(offset)
                    } else {
                        found.firstPinned = found.firstPinned ?? offset
                    }
                }
                let few = try withinBytes(old, db)
                if few.count < old.count, let last = few.last {
                    found.seenTo = last
                    found.isAtEnd = false
                }
                hasFrozen = try delete(few, db)
                found.deleted = few.count
            }
            if hasFrozen { seen.didFreeze(committed: true) }
        } catch {
            seen.didFreeze(committed: false)
            throw error
        }
        return found
    }

    /// The first of these entries, as far as one step may delete their bodies.
    private func withinBytes(_ offsets: [Int64], _ db: Database) throws -> [Int64] {
        let rows = try StoredRow.fetchCursor(
            db,
            sql: """
                SELECT value, coalesce(length(body), 0) FROM json_each(?)
                    LEFT JOIN bodies ON bodies."offset" = value
                """,
            arguments: ["\(offsets)"])
        return try JournalRetention.withinBytes(rows)
    }

    /// Its arguments are the end of a route that names no known sink, and the numbers of sinks that do not
    /// count, as JSON.
    static let routeEndsSQL = """
        SELECT routes.id AS route, min(coalesce(cursor, ?)) AS settled_to FROM routes
            LEFT JOIN json_each(choices)
            LEFT JOIN sinks ON sinks.name = json_extract(json_each.value, '$[0]')
                AND sinks.id NOT IN (SELECT value FROM json_each(?))
        GROUP BY routes.id
        """

    /// Per route, the last offset that every known sink it names has settled, but for some.
    func routeEnds(without sinks: [Int64] = [], _ db: Database) throws -> [Int64: Int64] {
        let rows = try StoredRow.fetchAll(db, sql: Self.routeEndsSQL, arguments: [lastOffset, "\(sinks)"])
        return try Dictionary(rows.map { try ($0[0], $0[1]) }) { first, _ in first }
    }

    /// What waits for another attempt in this range, but for what does so for some sinks.
    func neededOffsets(
        from first: Int64, to last: Int64, without sinks: [Int64] = [], _ db: Database
    ) throws -> Set<Int64> {
        let sql = """
            SELECT "offset" FROM parked
            WHERE sink_id IN (SELECT id FROM sinks WHERE id NOT IN (SELECT value FROM json_each(?)))
                AND "offset" BETWEEN ? AND ?
            """
        return try Int64.fetchSet(db, sql: sql, arguments: ["\(sinks)", first, last])
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

    func count(_ name: String, _ number: Int, _ db: Database) throws {
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
        guard try giveBackPages() == 0 else { return }
        measure()
        losses.tell(logger, at: now)
        let (all, before) = (retention.deleted, retention.deletedBefore)
        if all != before {
            checkpointIsDue(.truncate)
            logger.info(
                "what is old was deleted from the journal",
                metadata: [
                    "entries": "\(all.entries - before.entries)",
                    "records": "\(all.records - before.records)",
                    "bodies": "\(all.bodies - before.bodies)",
                ]
            )
        }
        retention.rest(at: now)
    }
}
