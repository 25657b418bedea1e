import GRDB

/// Leases and settlements: the writer's side of delivery.
extension JournalWriter {
    func lease(_ sink: String) throws -> SinkLease {
        let db = try database
        try db.execute(
            sql: """
                INSERT OR IGNORE INTO sinks (name, cursor, base)
                VALUES (?, ?, (SELECT coalesce(sum(entries), 0) FROM routes, json_each(choices)
                               WHERE json_extract(value, '$[0]') = ?))
                """,
            arguments: [sink, lastOffset, sink]
        )
        try db.execute(sql: "UPDATE sinks SET epoch = epoch + 1 WHERE name = ?", arguments: [sink])
        let select = "SELECT id, epoch, cursor, settled_above FROM sinks WHERE name = ?"
        guard let row = try Row.fetchOne(db, sql: select, arguments: [sink]),
            let settledAbove = OffsetRanges.offsets(ofText: row[3])
        else { throw JournalError.unusable(reason: "the row of sink \(sink) is damaged") }
        return SinkLease(
            sink: sink,
            epoch: row[1],
            cursor: Offset(rawValue: row[2]),
            settledAbove: settledAbove,
            parked: try parked(sinkID: row[0], db)
        )
    }

    private func parked(sinkID: Int64, _ db: Database) throws -> [ParkedDelivery] {
        let sql = """
            SELECT "offset", org, user_id, not_before, failures, give_up_at FROM parked
            WHERE sink_id = ? ORDER BY "offset"
            """
        return try Row.fetchAll(db, sql: sql, arguments: [sinkID]).map { row in
            ParkedDelivery(
                offset: Offset(rawValue: row[0]),
                subject: Subject(org: row[1], userID: row[2]),
                failures: FailedAttempt.failures(ofText: row[4]),
                notBefore: row[3],
                giveUpAt: row[5]
            )
        }
    }

    func settle(_ settlement: Settlement, at now: Int64) throws {
        let db = try database
        let sinkID = try move(settlement, db)
        try park(settlement, sinkID: sinkID, db)
        for letter in settlement.deadLetters {
            try db.cachedStatement(
                sql: """
                    INSERT OR REPLACE INTO dead_letters (sink_id, "offset", died_at, failures)
                    VALUES (?, ?, ?, ?)
                    """
            ).execute(arguments: [
                sinkID, letter.offset.rawValue, now, FailedAttempt.text(of: letter.failures),
            ])
        }
        for (subject, state) in settlement.states {
            try db.cachedStatement(
                sql: "INSERT OR REPLACE INTO user_states (sink_id, org, user_id, state) VALUES (?, ?, ?, ?)"
            ).execute(arguments: [
                sinkID, subject.org, subject.userID, String(decoding: state.json, as: UTF8.self),
            ])
        }
    }

    /// Moves the cursor and adds to the counts; the sink's number.
    private func move(_ settlement: Settlement, _ db: Database) throws -> Int64 {
        let select = try db.cachedStatement(sql: "SELECT id, epoch, cursor FROM sinks WHERE name = ?")
        guard let row = try Row.fetchOne(select, arguments: [settlement.sink]),
            row[1] == settlement.epoch
        else { throw JournalError.fenced }
        let cursor: Int64 = row[2]
        guard settlement.cursor.rawValue >= cursor else {
            throw JournalError.unusable(
                reason: "the cursor of \(settlement.sink) would move back: a defect of okta-relay; report it")
        }
        let sinkID: Int64 = row[0]
        try db.cachedStatement(
            sql: """
                UPDATE sinks SET cursor = ?, settled_above = ?, delivered = delivered + ?,
                    superseded = superseded + ?, skipped = skipped + ?, retried = retried + ?, dead = dead + ?
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
            sinkID,
        ])
        return sinkID
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

extension Subject {
    /// From columns that are both null where an event has no user.
    init?(org: String?, userID: String?) {
        guard let org, let userID else { return nil }
        self.init(org: org, userID: userID)
    }
}
