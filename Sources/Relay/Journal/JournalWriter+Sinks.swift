import GRDB
import Rules

/// Leases and settlements: the writer's side of delivery.
extension JournalWriter {
    /// Makes a sink known, at the log's end, where it is not: it misses nothing from now on.
    func know(_ sink: String) throws {
        let db = try database
        guard try sinkNumber(sink, db) == nil else { return }
        // What was routed to it before now is not its business.
        try writeCounts()
        try db.execute(
            sql: """
                INSERT INTO sinks (name, cursor, base)
                VALUES (?, ?, (SELECT coalesce(sum(entries), 0) FROM routes, json_each(choices)
                               WHERE json_extract(value, '$[0]') = ?))
                """,
            arguments: [sink, lastOffset, sink]
        )
    }

    /// The sink's lease, but for what is parked: that may be much and is read beside the writer, for nobody
    /// but the lease's holder adds to it.
    func lease(_ sink: String) throws -> SinkLease {
        try know(sink)
        let db = try database
        // Also where its last worker has died: a sink that was away was so until now, or until it was held.
        try db.execute(
            sql: """
                UPDATE sinks SET epoch = epoch + 1, is_moved = 0, away_since = NULL, stood_still =
                    stood_still + max(0, coalesce(held_at, ?1) - coalesce(away_since, held_at, ?1))
                WHERE name = ?2
                """,
            arguments: [clock.now, sink])
        let select = """
            SELECT id, epoch, cursor, settled_above, hold, hold_reason, held_at, limit_counts, exempt_to,
                stood_still
            FROM sinks WHERE name = ?
            """
        guard let row = try StoredRow.fetchOne(db, sql: select, arguments: [sink]),
            let settledAbove = OffsetRanges.offsets(ofText: try row[3])
        else { throw JournalDamage(what: "what the sink \(sink) has settled cannot be read") }
        // Those that were given up ended with the last lease.
        try endIntents(sinkID: row[0], cursor: Offset(rawValue: row[2]), settledAbove: settledAbove, db)
        return try SinkLease(
            sink: sink,
            epoch: row[1],
            cursor: Offset(rawValue: row[2]),
            settledAbove: settledAbove,
            parked: [],
            hold: SinkHold(kind: row[4], reason: row[5], since: row[6]),
            intents: intents(sinkID: row[0], db),
            limitCounts: row[7],
            exemptTo: Offset(rawValue: row[8]),
            stoodStill: row[9]
        )
    }

    private func intents(sinkID: Int64, _ db: Database) throws -> Set<Offset> {
        let select = #"SELECT "offset" FROM intents WHERE sink_id = ?"#
        return Set(try Int64.fetchAll(db, sql: select, arguments: [sinkID]).map(Offset.init(rawValue:)))
    }

    func intend(_ sink: String, epoch: Int64, _ offsets: [Offset]) throws {
        let db = try database
        let leased = try leasedRow(of: sink, epoch: epoch, db)
        // What would be sent may have been given up.
        guard leased.change == .none else { throw JournalError.moved }
        var insert = try BoundStatement(
            db, #"INSERT OR IGNORE INTO intents (sink_id, "offset") VALUES (?, ?)"#)
        for offset in offsets {
            insert.bind(leased.id)
            insert.bind(offset.rawValue)
            try insert.run()
        }
    }

    /// Records what became of deliveries.
    func settle(_ settlement: Settlement, at now: Int64) throws -> SettleResult {
        let db = try database
        let leased = try leasedRow(of: settlement.sink, epoch: settlement.epoch, db)
        let sinkID = leased.id
        var (settlement, twice) = (settlement, 0)
        if leased.change != .none {
            let place = try movedPlace(of: settlement.sink, leased.change, db)
            (settlement, twice) = settlement.held(at: place)
        }
        guard settlement.cursor.rawValue >= leased.cursor else {
            throw JournalError.unusable(
                reason: "the cursor of \(settlement.sink) would move back: a defect of okta-relay; report it")
        }
        try move(settlement, sinkID: sinkID, twice: twice, db)
        try park(settlement, sinkID: sinkID, db)
        try bury(settlement, sinkID: sinkID, at: now, db)
        try endIntents(settlement, sinkID: sinkID, isMoved: leased.change != .none, db)
        try writeReceipts(settlement, at: now, db)
        try AttemptLog.write(settlement.attempts, sinkID: sinkID, db)
        if let hold = settlement.hold { try self.hold(settlement.sink, hold) }
        try write(settlement.states, sinkID: sinkID, db)
        return leased.change == .none ? .whole : .held(settlement)
    }

    private func write(_ states: [Subject: FoldState], sinkID: Int64, _ db: Database) throws {
        guard !states.isEmpty else { return }
        var insert = try BoundStatement(
            db, "INSERT OR REPLACE INTO user_states (sink_id, org, user_id, state) VALUES (?, ?, ?, ?)")
        for (subject, state) in states {
            insert.bind(sinkID)
            insert.bind(subject.org)
            insert.bind(subject.userID)
            insert.bind(text: state.json)
            try insert.run()
        }
    }

    /// Sets or ends a sink's hold, and ends the one before it: the sink's retry clock stood still for that
    /// long, and one that was away meanwhile is not counted twice.
    func hold(_ sink: String, _ hold: SinkHold?) throws {
        try database.execute(
            sql: """
                UPDATE sinks SET stood_still = stood_still + max(0, ?1 - coalesce(held_at, ?1)),
                    away_since = away_since + max(0, ?1 - coalesce(held_at, ?1)),
                    hold = ?2, hold_reason = ?3, held_at = ?4
                WHERE name = ?5
                """,
            arguments: [clock.now, hold?.kind.rawValue, hold?.reason, hold?.since, sink])
    }

    /// A sink's row, as a lease sees it.
    private struct LeasedRow {
        let id: Int64
        let cursor: Int64
        /// What was done to its place since.
        let change: PlaceChange
    }

    /// The sink's row, where the lease is its newest.
    private func leasedRow(of sink: String, epoch: Int64, _ db: Database) throws -> LeasedRow {
        let select = try db.cachedStatement(
            sql: "SELECT id, epoch, cursor, is_moved FROM sinks WHERE name = ?")
        // A sink that was dropped meanwhile is told the same as one that was moved.
        guard let row = try StoredRow.fetchOne(select, arguments: [sink]) else { throw JournalError.moved }
        let change = PlaceChange(rawValue: try row[3]) ?? .renamed
        guard try row[1] == epoch else { throw change == .renamed ? JournalError.moved : .fenced }
        return try LeasedRow(id: row[0], cursor: row[2], change: change)
    }

    private func movedPlace(of sink: String, _ change: PlaceChange, _ db: Database) throws -> MovedPlace {
        guard let place = try SinkPlace.named(sink, db) else { throw JournalError.moved }
        let select = #"SELECT "offset" FROM parked WHERE sink_id = ?"#
        let parked = try Int64.fetchAll(db, sql: select, arguments: [place.id])
        return MovedPlace(
            cursor: Offset(rawValue: place.cursor),
            settledAbove: Set(place.settledAbove.map(Offset.init(rawValue:))),
            parked: Set(parked.map(Offset.init(rawValue:))), isBack: change != .forward)
    }

    /// Moves the cursor and adds to the counts.
    ///
    /// - Parameter twice: Deliveries that were counted as given up, and count as what became of them besides.
    private func move(_ settlement: Settlement, sinkID: Int64, twice: Int, _ db: Database) throws {
        try db.cachedStatement(
            sql: """
                UPDATE sinks SET cursor = ?, settled_above = ?, delivered = delivered + ?,
                    superseded = superseded + ?, skipped = skipped + ?, retried = retried + ?,
                    dead = dead + ?, limit_counts = coalesce(?, limit_counts), base = base - ?,
                    stood_still = stood_still + ?, away_since = CASE WHEN hold IS NULL THEN ? END
                WHERE id = ?
                """
        ).execute(arguments: [
            settlement.cursor.rawValue,
            OffsetRanges.text(of: settlement.settledAbove),
            settlement.outcomes[.delivered] ?? 0,
            settlement.outcomes[.superseded] ?? 0,
            settlement.outcomes[.skipped] ?? 0,
            settlement.retries,
            settlement.deadLetters.count,
            settlement.limitCounts,
            twice,
            settlement.stoodStill,
            settlement.awaySince,
            sinkID,
        ])
    }

    /// Copies what a dead letter needs, so that it pins no entry; an entry that is gone leaves no bytes.
    private func bury(_ settlement: Settlement, sinkID: Int64, at now: Int64, _ db: Database) throws {
        guard !settlement.deadLetters.isEmpty else { return }
        var entry = try BoundStatement(db, #"SELECT route_id, event_id FROM entries WHERE "offset" = ?"#)
        var removals = try BoundStatement(db, Self.receiptSQL(into: "removals"))
        var insert = try BoundStatement(
            db,
            """
            INSERT OR REPLACE INTO dead_letters (
                sink_id, "offset", died_at, failures, last_error, org, user_id,
                rule, replay, hook, received_at, event_id, event_type, envelope_id, body)
            SELECT ?1, ?2, ?3, ?4, ?5, coalesce(hooks.org, ?6, ''), ?7, ?8, replay, coalesce(hooks.name, ''),
                coalesce(received_at, 0), coalesce(event_id, ''), coalesce(event_type, ''), envelope_id, body
            FROM (SELECT ?2 AS letter)
                LEFT JOIN entries ON entries."offset" = letter
                LEFT JOIN hooks ON hooks.id = hook_id
                LEFT JOIN bodies ON bodies."offset" = letter
            """)
        for letter in settlement.deadLetters {
            var (rule, eventID): (String?, String?)
            entry.bind(letter.offset.rawValue)
            while try entry.nextRow() {
                rule = try routes.choices(of: entry.integer(0), db)[settlement.sink]
                eventID = entry.text(1)
            }
            insert.bind(sinkID)
            insert.bind(letter.offset.rawValue)
            insert.bind(now)
            insert.bind(FailedAttempt.text(of: letter.failures))
            insert.bind(letter.failures.last?.reason ?? "")
            insert.bind(letter.subject?.org)
            insert.bind(letter.subject?.userID)
            insert.bind(rule ?? "")
            try insert.run()
            // That a removal has died is known as long as receipts are, whatever becomes of the letter.
            guard let removal = letter.removal else { continue }
            try removals.insertReceipt(
                of: settlement.sink, letter.offset, "dead", letter.failures.last?.reason,
                eventID: eventID ?? "", removal, at: now)
        }
    }

    /// An intent ends with its delivery, and where that is parked with a known outcome.
    ///
    /// - Parameter isMoved: Whether some of what is with the sink may lie at a place that was passed.
    private func endIntents(
        _ settlement: Settlement, sinkID: Int64, isMoved: Bool, _ db: Database
    ) throws {
        let ended = settlement.endedIntents.union(isMoved ? settlement.ended : []).sorted()
        try db.cachedStatement(
            sql: #"DELETE FROM intents WHERE sink_id = ? AND "offset" IN (SELECT value FROM json_each(?))"#
        ).execute(arguments: [sinkID, "\(ended.map(\.rawValue))"])
        guard !isMoved else { return }
        try endIntents(
            sinkID: sinkID, cursor: settlement.cursor, settledAbove: settlement.settledAbove, db)
    }

    /// Ends the intents of what is settled and not parked.
    private func endIntents(
        sinkID: Int64, cursor: Offset, settledAbove: [Offset], _ db: Database
    ) throws {
        try db.cachedStatement(
            sql: """
                DELETE FROM intents WHERE sink_id = ?1
                    AND ("offset" <= ?2 OR "offset" IN (SELECT value FROM json_each(?3)))
                    AND NOT EXISTS (
                        SELECT 1 FROM parked
                        WHERE parked.sink_id = ?1 AND parked."offset" = intents."offset")
                """
        ).execute(arguments: [sinkID, cursor.rawValue, "\(settledAbove.map(\.rawValue))"])
    }

    private func writeReceipts(_ settlement: Settlement, at now: Int64, _ db: Database) throws {
        if let range = settlement.range {
            try db.cachedStatement(
                sql: """
                    INSERT INTO settlements (sink, settled_at, first_offset, last_offset, delivered,
                        superseded, skipped, dead)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                    """
            ).execute(arguments: [
                settlement.sink, now, range.lowerBound.rawValue, range.upperBound.rawValue,
                settlement.outcomes[.delivered] ?? 0, settlement.outcomes[.superseded] ?? 0,
                settlement.outcomes[.skipped] ?? 0, settlement.deadLetters.count,
            ])
        }
        guard !settlement.receipts.isEmpty else { return }
        var insert = try BoundStatement(db, Self.receiptSQL(into: "receipts"))
        for receipt in settlement.receipts {
            try insert.run(receipt, of: settlement.sink, at: now)
        }
        let removals = settlement.receipts.filter { $0.removal != nil }
        guard !removals.isEmpty else { return }
        var remove = try BoundStatement(db, Self.receiptSQL(into: "removals"))
        for receipt in removals { try remove.run(receipt, of: settlement.sink, at: now) }
    }

    private static func receiptSQL(into table: String) -> String {
        """
        INSERT INTO \(table) (sink, settled_at, "offset", outcome, detail, operation, org, user_id, event_id)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """
    }

    private func park(_ settlement: Settlement, sinkID: Int64, _ db: Database) throws {
        for parked in settlement.parked {
            try db.cachedStatement(
                sql: """
                    INSERT OR REPLACE INTO parked
                        (sink_id, "offset", org, user_id, not_before, failures, give_up_at)
                    VALUES (?, ?, ?, ?, ?, ?, ?)
                    """
            ).execute(arguments: [
                sinkID, parked.offset.rawValue, parked.subject?.org, parked.subject?.userID, parked.notBefore,
                FailedAttempt.text(of: parked.failures), parked.giveUpAt,
            ])
        }
        for offset in settlement.unparked {
            try db.cachedStatement(sql: #"DELETE FROM parked WHERE sink_id = ? AND "offset" = ?"#)
                .execute(arguments: [sinkID, offset.rawValue])
        }
    }
}

extension BoundStatement {
    /// Inserts what is kept of one delivery.
    fileprivate mutating func run(_ receipt: DeliveryReceipt, of sink: String, at now: Int64) throws {
        try insertReceipt(
            of: sink, receipt.offset, receipt.outcome.rawValue, receipt.detail, eventID: receipt.eventID,
            receipt.removal, at: now)
    }

    fileprivate mutating func insertReceipt(
        of sink: String, _ offset: Offset, _ outcome: String, _ detail: String?, eventID: String,
        _ removal: DeliveryReceipt.Removal?, at now: Int64
    ) throws {
        bind(sink)
        bind(now)
        bind(offset.rawValue)
        bind(outcome)
        bind(detail)
        bind(removal?.operation.rawValue)
        bind(removal?.subject.org)
        bind(removal?.subject.userID)
        bind(eventID)
        try run()
    }
}

extension Subject {
    /// From columns that are both null where an event has no user.
    init?(org: String?, userID: String?) {
        guard let org, let userID else { return nil }
        self.init(org: org, userID: userID)
    }
}

extension SinkHold {
    /// From columns that are all null where there is none.
    init?(kind: String?, reason: String?, since: Int64?) {
        guard let kind = kind.flatMap(Kind.init(rawValue:)), let since else { return nil }
        self.init(kind: kind, reason: reason ?? "", since: since)
    }
}
