import GRDB
import JSON
import Rules

/// Moving a sink's place for an operator.
extension JournalWriter {
    /// Where a sink stands, as its row says.
    struct OperatedSink {
        let number: Int64
        let cursor: Int64
        /// As the row has it: a JSON array.
        let settledAbove: [Offset]
        /// The numbers of the routes that name the sink, as a JSON array.
        let routes: String
    }

    /// Entries from the first to the last, how many of them are meant, and when they came.
    struct EntryRange {
        let count: Int
        let offsets: ClosedRange<Int64>
        let receivedAt: ClosedRange<Int64>
    }

    func seek(_ sink: String, to offset: Offset, reason: String, at now: Int64) throws -> SeekReport? {
        let db = try database
        guard let place = try place(of: sink, db) else { return nil }
        let target = min(max(offset.rawValue, 0), lastOffset)
        let from = Offset(rawValue: place.cursor)
        var givenUp = 0
        var repeated = 0
        if target > place.cursor {
            givenUp = try seekForward(place, sink, to: target, reason: reason, at: now, db)
        } else if target < place.cursor {
            repeated = try seekBack(place, to: target, db)
        }
        let report = SeekReport(
            from: from, to: Offset(rawValue: target), givenUp: givenUp, repeated: repeated)
        try note("sinks seek", sink: sink, entries: givenUp + repeated, at: now) { detail in
            detail.member("from", report.from.rawValue)
            detail.member("to", report.to.rawValue)
            detail.member("reason", reason)
        }
        return report
    }

    private func seekForward(
        _ place: OperatedSink, _ sink: String, to target: Int64, reason: String, at now: Int64, _ db: Database
    ) throws -> Int {
        let range = try waitingRange(place, through: target, db)
        try list(range, of: sink, reason: reason, at: now, db)
        for table in ["parked", "intents"] {
            try db.execute(
                sql: "DELETE FROM \(table) WHERE sink_id = ? AND \"offset\" <= ?",
                arguments: [place.number, target])
        }
        let above = place.settledAbove.filter { $0.rawValue > target }
        try move(place.number, to: target, settledAbove: above, db)
        try db.execute(
            sql: "UPDATE sinks SET detached = detached + ? WHERE id = ?",
            arguments: [range?.count ?? 0, place.number])
        return range?.count ?? 0
    }

    /// Everything behind the target that is still kept comes again, whatever became of it.
    ///
    /// `base` has the counts add up. What a person once let pass the limits is no longer exempt from them.
    private func seekBack(_ place: OperatedSink, to target: Int64, _ db: Database) throws -> Int {
        let kept = try Int.fetchOne(
            db,
            sql: """
                SELECT count(*) FROM entries
                WHERE "offset" > ? AND "offset" <= ? AND route_id IN (SELECT value FROM json_each(?))
                """,
            arguments: [target, place.cursor, place.routes])
        // They wait already, so they count already.
        let parked = try Int.fetchOne(
            db, sql: #"SELECT count(*) FROM parked WHERE sink_id = ? AND "offset" > ?"#,
            arguments: [place.number, target])
        let repeated = (kept ?? 0) + place.settledAbove.count - (parked ?? 0)
        try db.execute(
            sql: #"DELETE FROM parked WHERE sink_id = ? AND "offset" > ?"#, arguments: [place.number, target])
        try move(place.number, to: target, settledAbove: [], db)
        try db.execute(
            sql: "UPDATE sinks SET base = base - ?, exempt_to = min(exempt_to, ?) WHERE id = ?",
            arguments: [repeated, target, place.number])
        return repeated
    }

    /// From here on the worker that has the sink leased is told that it was moved.
    private func move(_ number: Int64, to cursor: Int64, settledAbove: [Offset], _ db: Database) throws {
        try db.execute(
            sql: """
                UPDATE sinks SET cursor = ?, settled_above = ?, epoch = epoch + 1, is_moved = 1 WHERE id = ?
                """,
            arguments: [cursor, OffsetRanges.text(of: settledAbove), number])
    }

    func place(of sink: String, _ db: Database) throws -> OperatedSink? {
        let select = "SELECT id, cursor, settled_above FROM sinks WHERE name = ?"
        guard let row = try Row.fetchOne(db, sql: select, arguments: [sink]) else { return nil }
        guard let settledAbove = OffsetRanges.offsets(ofText: row[2]) else {
            throw JournalError.unusable(reason: "the row of sink \(sink) is damaged")
        }
        let routes = try Int64.fetchAll(
            db,
            sql: """
                SELECT DISTINCT routes.id FROM routes, json_each(choices)
                WHERE json_extract(value, '$[0]') = ?
                """,
            arguments: [sink])
        return OperatedSink(number: row[0], cursor: row[1], settledAbove: settledAbove, routes: "\(routes)")
    }

    /// What waits for a sink up to an offset, parked entries included; nil where nothing does.
    ///
    /// Those that are parked above the cursor are among `settledAbove`, so none is counted twice.
    func waitingRange(_ place: OperatedSink, through last: Int64, _ db: Database) throws -> EntryRange? {
        let row = try Row.fetchOne(
            db,
            sql: """
                SELECT count(*), min(place), max(place), min(received_at), max(received_at) FROM (
                    SELECT "offset" AS place, received_at FROM entries
                    WHERE "offset" > ?1 AND "offset" <= ?2
                        AND route_id IN (SELECT value FROM json_each(?3))
                        AND "offset" NOT IN (SELECT value FROM json_each(?4))
                    UNION ALL
                    SELECT entries."offset", received_at
                    FROM parked JOIN entries ON entries."offset" = parked."offset"
                    WHERE sink_id = ?5 AND parked."offset" <= ?2)
                """,
            arguments: [
                place.cursor, last, place.routes, "\(place.settledAbove.map(\.rawValue))", place.number,
            ])
        guard let row, row[0] > 0 else { return nil }
        return EntryRange(count: row[0], offsets: row[1]...row[2], receivedAt: row[3]...row[4])
    }

    /// Lists entries as detached: the sink will never get them.
    func list(
        _ range: EntryRange?, of sink: String, reason: String, at now: Int64, _ db: Database
    ) throws {
        guard let range else { return }
        try db.execute(
            sql: """
                INSERT INTO detached (sink, at, reason, first_offset, last_offset, first_received_at,
                    last_received_at, entries)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                sink, now, reason, range.offsets.lowerBound, range.offsets.upperBound,
                range.receivedAt.lowerBound, range.receivedAt.upperBound, range.count,
            ])
    }
}
