import GRDB
import JSON

/// Forgetting a sink, step by step, because it may have left much.
extension JournalWriter {
    /// What a sink may have many of, and how many of its rows one step deletes: with their attempts, parked
    /// deliveries and dead letters are up to some 20 KB each.
    private static let dropSteps = [
        (table: "user_states", key: "org, user_id", rowsMax: 5_000),
        (table: "attempts", key: #""offset", id"#, rowsMax: 5_000),
        (table: "dead_letters", key: #""offset""#, rowsMax: 500),
        (table: "parked", key: #""offset""#, rowsMax: 500),
    ]

    /// Deletes some of what a sink that is dropped can have many of; so far, and how many rows it was.
    ///
    /// Nil when only the drop itself is left to do, or it would be refused. Nothing delivers to the sink any
    /// more, so nobody misses what goes before it.
    func dropStep(_ sink: String, isForced: Bool, at now: Int64) throws -> DropReport? {
        let db = try database
        guard let place = try SinkPlace.named(sink, db) else { return nil }
        // To count them reads them all.
        if !isForced, let report = try dropReport(sink, db), report.waiting + report.deadLetters > 0 {
            return nil
        }
        for (table, key, rowsMax) in Self.dropSteps {
            let some = "SELECT \(key) FROM \(table) WHERE sink_id = ?1 ORDER BY \(key) LIMIT ?2"
            let arguments: StatementArguments = [place.id, rowsMax]
            let waited = table == "parked" ? try place.entries("(\(some))", arguments, db) : nil
            try db.execute(
                sql: "DELETE FROM \(table) WHERE sink_id = ?1 AND (\(key)) IN (\(some))", arguments: arguments
            )
            let rows = db.changesCount
            guard rows > 0 else { continue }
            try forget(waited, of: place, at: now, db)
            let letters = table == "dead_letters" ? rows : 0
            // Also a drop that is cut short has destroyed something.
            var report = try noteDrop(
                sink, entries: waited?.count ?? 0, deadLetters: letters, isDropped: false, at: now)
            report.deleted = rows
            return report
        }
        return nil
    }

    /// Forgets the sink, and what is left of it.
    ///
    /// - Parameter survey: What waits, and `looksMax`: see ``seek(_:to:by:looksMax:reason:at:)``.
    func drop(
        _ sink: String, isForced: Bool, by survey: WaitingSurvey, looksMax: Int64, at now: Int64
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
            try forget(waiting, of: place, at: now, db)
        }
        for table in ["parked", "intents", "user_states", "attempts", "dead_letters"] {
            try db.execute(sql: "DELETE FROM \(table) WHERE sink_id = ?", arguments: [place.id])
        }
        try db.execute(sql: "DELETE FROM replays WHERE sink = ?", arguments: [sink])
        try db.execute(sql: "DELETE FROM sinks WHERE id = ?", arguments: [place.id])
        lookBackAnew()
        return try noteDrop(
            sink, entries: report.waiting, deadLetters: report.deadLetters, isDropped: true, at: now)
    }

    /// Lists and counts what the sink will never get.
    private func forget(
        _ waiting: EntryRange?, of place: SinkPlace, at now: Int64, _ db: Database
    ) throws {
        try list(waiting, of: place.name, because: "the sink was dropped", isOneOutage: true, at: now, db)
        try db.execute(
            sql: "UPDATE sinks SET detached = detached + ? WHERE id = ?",
            arguments: [waiting?.count ?? 0, place.id])
    }

    /// Notes what a drop has deleted, in one operation for all its steps; what they come to.
    private func noteDrop(
        _ sink: String, entries: Int, deadLetters: Int, isDropped: Bool, at now: Int64
    ) throws -> DropReport {
        let db = try database
        let begun = try StoredRow.fetchOne(
            db,
            sql: """
                SELECT id, entries, json_extract(detail, '$.deadLetters') FROM operations
                WHERE command = 'sinks drop' AND sink = ? AND json_extract(detail, '$.isUnfinished')
                """,
            arguments: [sink])
        if let begun {
            try db.execute(sql: "DELETE FROM operations WHERE id = ?", arguments: [begun[0] as Int64])
        }
        let report = try DropReport(
            isDropped: isDropped, waiting: entries + (begun.map { try $0[1] } ?? 0),
            deadLetters: deadLetters + (begun.map { try $0[2] } ?? 0))
        try note("sinks drop", sink: sink, entries: report.waiting, at: now) { detail in
            detail.member("deadLetters", report.deadLetters)
            if !isDropped { detail.member("isUnfinished", true) }
        }
        return report
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
