import GRDB
import JSON

/// What operators do to whole sinks, and how every operation is noted.
extension JournalWriter {
    /// Notes an operation; its number.
    @discardableResult
    func note(
        _ command: String, sink: String?, entries: Int, at now: Int64,
        _ detail: (inout JSONWriter) -> Void = { _ in }
    ) throws -> Int64 {
        var writer = JSONWriter()
        writer.object(detail)
        let db = try database
        try db.execute(
            sql: "INSERT INTO operations (at, command, sink, detail, entries) VALUES (?, ?, ?, ?, ?)",
            arguments: [now, command, sink, writer.text, entries])
        return db.lastInsertedRowID
    }

    func pause(_ sink: String, reason: String, at now: Int64) throws -> Bool {
        let db = try database
        guard try sinkNumber(sink, db) != nil else { return false }
        try hold(sink, SinkHold(kind: .paused, reason: reason, since: now))
        try outdateLease(of: sink)
        try note("sinks pause", sink: sink, entries: 0, at: now) { $0.member("reason", reason) }
        return true
    }

    func resume(_ sink: String, at now: Int64) throws -> ResumeReport? {
        let db = try database
        let select = "SELECT hold, hold_reason, held_at FROM sinks WHERE name = ?"
        guard let row = try StoredRow.fetchOne(db, sql: select, arguments: [sink]) else { return nil }
        let ended = try SinkHold(kind: row[0], reason: row[1], since: row[2])
        guard let ended else { return ResumeReport(ended: nil, exemptTo: nil) }
        try hold(sink, nil)
        try outdateLease(of: sink)
        // Only who was told of what the limits have stopped can mean it to pass.
        let exemptTo = ended.kind == .tripped ? lastOffset : nil
        if let exemptTo {
            try db.execute(
                sql: "UPDATE sinks SET exempt_to = ? WHERE name = ?", arguments: [exemptTo, sink])
        }
        try note("sinks resume", sink: sink, entries: 0, at: now) { detail in
            detail.member("was", ended.kind.rawValue)
            if let exemptTo { detail.member("exemptTo", exemptTo) }
        }
        return ResumeReport(ended: ended, exemptTo: exemptTo.map(Offset.init(rawValue:)))
    }

    /// Whoever has the sink leased is told that something was changed, so that its limits do not undo it.
    private func outdateLease(of sink: String) throws {
        try database.execute(
            sql: "UPDATE sinks SET is_moved = max(is_moved, ?) WHERE name = ?",
            arguments: [PlaceChange.forward.rawValue, sink])
    }

    func sinkNumber(_ sink: String, _ db: Database) throws -> Int64? {
        try Int64.fetchOne(db, sql: "SELECT id FROM sinks WHERE name = ?", arguments: [sink])
    }

    // MARK: - Drop

    /// Rows of a table that one step of a drop deletes.
    private static let dropStepMax = 5_000

    /// Deletes some of what a sink that is dropped can have many of; how many rows, and dead letters among
    /// them.
    ///
    /// Nil when only the drop itself is left to do, or it would be refused. Nothing delivers to the sink any
    /// more, so nobody misses what goes before it.
    func dropStep(
        _ sink: String, isForced: Bool, at now: Int64
    ) throws -> (rows: Int, deadLetters: Int)? {
        let db = try database
        guard let report = try dropReport(sink, db), let number = try sinkNumber(sink, db),
            isForced || report.waiting + report.deadLetters == 0
        else { return nil }
        for (table, key) in [("user_states", "org, user_id"), ("dead_letters", "id")] {
            try db.execute(
                sql: """
                    DELETE FROM \(table) WHERE sink_id = ?1 AND (\(key)) IN (
                        SELECT \(key) FROM \(table) WHERE sink_id = ?1 LIMIT ?2)
                    """,
                arguments: [number, Self.dropStepMax])
            let rows = db.changesCount
            guard rows > 0 else { continue }
            let letters = table == "dead_letters" ? rows : 0
            // Also a drop that is cut short has destroyed something.
            try noteDrop(sink, deadLetters: letters, at: now)
            return (rows, letters)
        }
        return nil
    }

    /// - Parameters:
    ///   - deadLetters: Those that went before.
    ///   - survey: What waits, and `looksMax`: see ``seek(_:to:by:looksMax:reason:at:)``.
    func drop(
        _ sink: String, isForced: Bool, deadLetters: Int, by survey: WaitingSurvey, looksMax: Int64,
        at now: Int64
    ) throws -> DropReport? {
        let db = try database
        guard let report = try dropReport(sink, db), let place = try SinkPlace.named(sink, db) else {
            return nil
        }
        guard isForced || report.waiting + report.deadLetters == 0 else { return report }
        if report.waiting > 0 {
            var waiting = try survey.entries(
                of: place, after: place.cursor, through: lastOffset,
                routes: try routes.ids(naming: sink, db), looksMax: looksMax, db)
            waiting.add(try place.parkedEntries(through: .max, db))
            try list(waiting, of: sink, because: "the sink was dropped", at: now, db)
        }
        for table in ["parked", "intents", "user_states", "dead_letters"] {
            try db.execute(sql: "DELETE FROM \(table) WHERE sink_id = ?", arguments: [place.id])
        }
        try db.execute(sql: "DELETE FROM replays WHERE sink = ?", arguments: [sink])
        try db.execute(sql: "DELETE FROM sinks WHERE id = ?", arguments: [place.id])
        try noteDrop(sink, entries: report.waiting, deadLetters: report.deadLetters, at: now)
        return DropReport(
            isDropped: true, waiting: report.waiting, deadLetters: report.deadLetters + deadLetters)
    }

    /// Notes what a drop has deleted, in one operation for all its steps.
    ///
    /// - Parameter entries: What waited, where the sink is dropped with it; nil while steps are left.
    private func noteDrop(_ sink: String, entries: Int? = nil, deadLetters: Int, at now: Int64) throws {
        let db = try database
        let begun = try StoredRow.fetchOne(
            db,
            sql: """
                SELECT id, json_extract(detail, '$.deadLetters') FROM operations
                WHERE command = 'sinks drop' AND sink = ? AND json_extract(detail, '$.isUnfinished')
                """,
            arguments: [sink])
        if let begun {
            try db.execute(sql: "DELETE FROM operations WHERE id = ?", arguments: [begun[0] as Int64])
        }
        let before = try begun.map { try $0[1] as Int } ?? 0
        try note("sinks drop", sink: sink, entries: entries ?? 0, at: now) { detail in
            detail.member("deadLetters", before + deadLetters)
            if entries == nil { detail.member("isUnfinished", true) }
        }
    }

    private func dropReport(_ sink: String, _ db: Database) throws -> DropReport? {
        try writeCounts()
        let row = try StoredRow.fetchOne(
            db,
            sql: """
                SELECT \(SinkPlace.waitingSQL),
                    (SELECT count(*) FROM dead_letters WHERE sink_id = sinks.id)
                FROM sinks WHERE name = ?
                """,
            arguments: [sink])
        return try row.map { try DropReport(isDropped: false, waiting: $0[0], deadLetters: $0[1]) }
    }
}
