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
        try note("sinks pause", sink: sink, entries: 0, at: now) { $0.member("reason", reason) }
        return true
    }

    func resume(_ sink: String, at now: Int64) throws -> ResumeReport? {
        let db = try database
        let select = "SELECT hold, hold_reason, held_at FROM sinks WHERE name = ?"
        guard let row = try Row.fetchOne(db, sql: select, arguments: [sink]) else { return nil }
        let ended = SinkHold(kind: row[0], reason: row[1], since: row[2])
        guard let ended else { return ResumeReport(ended: nil, exemptTo: .zero) }
        try hold(sink, nil)
        try db.execute(
            sql: "UPDATE sinks SET exempt_to = ? WHERE name = ?", arguments: [lastOffset, sink])
        try note("sinks resume", sink: sink, entries: 0, at: now) { detail in
            detail.member("was", ended.kind.rawValue)
            detail.member("exemptTo", lastOffset)
        }
        return ResumeReport(ended: ended, exemptTo: Offset(rawValue: lastOffset))
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
    func dropStep(_ sink: String, isForced: Bool) throws -> (rows: Int, deadLetters: Int)? {
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
            if rows > 0 { return (rows, table == "dead_letters" ? rows : 0) }
        }
        return nil
    }

    /// - Parameter deadLetters: Those that went before.
    func drop(_ sink: String, isForced: Bool, deadLetters: Int, at now: Int64) throws -> DropReport? {
        let db = try database
        guard let report = try dropReport(sink, db), let number = try sinkNumber(sink, db) else { return nil }
        guard isForced || report.waiting + report.deadLetters == 0 else { return report }
        if let place = try place(of: sink, db), report.waiting > 0 {
            let range = try waitingRange(place, through: .max, db)
            try list(range, of: sink, reason: "the sink was dropped", at: now, db)
        }
        for table in ["parked", "intents", "user_states", "dead_letters"] {
            try db.execute(sql: "DELETE FROM \(table) WHERE sink_id = ?", arguments: [number])
        }
        try db.execute(sql: "DELETE FROM replays WHERE sink = ?", arguments: [sink])
        try db.execute(sql: "DELETE FROM sinks WHERE id = ?", arguments: [number])
        let letters = report.deadLetters + deadLetters
        try note("sinks drop", sink: sink, entries: report.waiting, at: now) { detail in
            detail.member("deadLetters", letters)
        }
        return DropReport(isDropped: true, waiting: report.waiting, deadLetters: letters)
    }

    private func dropReport(_ sink: String, _ db: Database) throws -> DropReport? {
        try writeCounts()
        let row = try Row.fetchOne(
            db,
            sql: """
                SELECT \(SinkPlace.waitingSQL),
                    (SELECT count(*) FROM dead_letters WHERE sink_id = sinks.id)
                FROM sinks WHERE name = ?
                """,
            arguments: [sink])
        return row.map { DropReport(isDropped: false, waiting: $0[0], deadLetters: $0[1]) }
    }
}
