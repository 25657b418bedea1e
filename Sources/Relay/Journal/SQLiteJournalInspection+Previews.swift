import GRDB
import Rules

/// What an operator's changes would do, counted beside the writer and without it.
extension SQLiteJournalInspection {
    public func seekPreview(_ sink: String, to offset: Offset) async throws(JournalError) -> SeekReport? {
        try await onThread { db in
            guard let place = try SinkPlace.all(db).first(where: { $0.name == sink }) else { return nil }
            let horizon = try Int64.fetchOne(db, sql: #"SELECT max("offset") FROM entries"#) ?? 0
            let target = min(max(offset.rawValue, 0), horizon)
            var catalogue = RouteCatalogue()
            let routes = try catalogue.ids(naming: sink, db)
            let isForward = target > place.cursor
            return SeekReport(
                from: Offset(rawValue: place.cursor), to: Offset(rawValue: target),
                givenUp: isForward ? try place.waiting(through: target, routes, db) : 0,
                repeated: isForward ? 0 : try place.repeated(behind: target, routes, db))
        }
    }

    public func dropPreview(_ sink: String) async throws(JournalError) -> DropPreview? {
        try await onThread { db in
            let sql = """
                SELECT \(SinkPlace.waitingSQL),
                    (SELECT count(*) FROM dead_letters WHERE sink_id = sinks.id),
                    (SELECT count(*) FROM user_states WHERE sink_id = sinks.id)
                    + (SELECT count(*) FROM parked WHERE sink_id = sinks.id)
                    + (SELECT count(*) FROM attempts WHERE sink_id = sinks.id)
                FROM sinks WHERE name = ?
                """
            return try StoredRow.fetchOne(db, sql: sql, arguments: [sink]).map { row in
                try DropPreview(waiting: row[0], deadLetters: row[1], rows: (row[1] as Int) + (row[2] as Int))
            }
        }
    }

    // MARK: - What waits

    public func waiting(
        _ sink: String, lookedAtMax: Int = WaitingLook.eventsMax
    ) async throws(JournalError) -> WaitingCount? {
        let start = try await onThread { try Self.waitingStart(sink, lookedAtMax, $0) }
        guard let (start, places, parked, horizon) = start else { return nil }
        var count = start
        for first in stride(from: 0, to: parked.count, by: WaitingPlaces.chunk) {
            let offsets = Array(parked[first..<min(first + WaitingPlaces.chunk, parked.count)])
            count.add(try await onThread { try Self.parkedOperations(offsets, $0) })
        }
        var range = places.offsets(through: horizon)
        // Settled entries between those that wait cost a little, too.
        var rowsLeft = lookedAtMax * 4
        while !range.isEmpty, count.lookedAt < lookedAtMax, rowsLeft > 0 {
            let (rest, limit) = (range, min(WaitingPlaces.chunk, lookedAtMax - count.lookedAt))
            let (operations, rows, next) = try await onThread { db in
                let page = try places.read(rest, .oldestFirst, limit, db)
                return (page.entries.map { $0.event?.meaning.operation }, page.rows, page.rest)
            }
            count.add(operations)
            rowsLeft -= rows
            range = next
        }
        return count
    }

    private static func waitingStart(
        _ sink: String, _ parkedMax: Int, _ db: Database
    ) throws -> (WaitingCount, WaitingPlaces, parked: [Int64], horizon: Int64)? {
        let sql = """
            SELECT id, hold, hold_reason, held_at, \(SinkPlace.waitingSQL) FROM sinks WHERE name = ?
            """
        guard let row = try StoredRow.fetchOne(db, sql: sql, arguments: [sink]) else { return nil }
        let select = #"SELECT "offset" FROM parked WHERE sink_id = ? ORDER BY "offset" LIMIT ?"#
        return try (
            WaitingCount(hold: SinkHold(kind: row[1], reason: row[2], since: row[3]), waiting: row[4]),
            WaitingPlaces(sink: sink, db),
            Int64.fetchAll(db, sql: select, arguments: [row[0] as Int64, parkedMax]),
            Int64.fetchOne(db, sql: #"SELECT max("offset") FROM entries"#) ?? 0
        )
    }

    private static func parkedOperations(_ offsets: [Int64], _ db: Database) throws -> [Operation?] {
        let sql = """
            SELECT "offset", route_id, received_at, hooks.name, hooks.org
            FROM entries JOIN hooks ON hooks.id = hook_id
            WHERE "offset" IN (SELECT value FROM json_each(?))
            """
        return try StoredRow.fetchAll(db, sql: sql, arguments: ["\(offsets)"])
            .map { try WaitingPlaces.event($0, db)?.meaning.operation }
    }
}

extension WaitingCount {
    /// What cannot be read is looked at, and does nothing.
    fileprivate mutating func add(_ operations: [Operation?]) {
        lookedAt += operations.count
        for operation in operations { self.operations[operation ?? .none, default: 0] += 1 }
    }
}

extension SinkPlace {
    /// Entries that wait up to an offset, parked ones included.
    ///
    /// Those that are parked above the cursor are among `settledAbove`, so none is counted twice.
    fileprivate func waiting(through last: Int64, _ routes: [Int64], _ db: Database) throws -> Int {
        try Int.fetchOne(
            db,
            sql: """
                SELECT
                    (SELECT count(*) FROM entries
                     WHERE "offset" > ?1 AND "offset" <= ?2
                        AND route_id IN (SELECT value FROM json_each(?3))
                        AND "offset" NOT IN (SELECT value FROM json_each(?4)))
                    + (SELECT count(*) FROM parked WHERE sink_id = ?5 AND "offset" <= ?2)
                """,
            arguments: [cursor, last, "\(routes)", "\(settledAbove.sorted())", id]) ?? 0
    }

    /// Entries that come again when the place moves back, besides those that wait anyway.
    fileprivate func repeated(behind target: Int64, _ routes: [Int64], _ db: Database) throws -> Int {
        guard target < cursor else { return 0 }
        let kept = try Int.fetchOne(
            db,
            sql: """
                SELECT
                    (SELECT count(*) FROM entries
                     WHERE "offset" > ?1 AND "offset" <= ?2
                        AND route_id IN (SELECT value FROM json_each(?3)))
                    - (SELECT count(*) FROM parked WHERE sink_id = ?4 AND "offset" > ?1)
                """,
            arguments: [target, cursor, "\(routes)", id])
        return (kept ?? 0) + settledAbove.count
    }
}
