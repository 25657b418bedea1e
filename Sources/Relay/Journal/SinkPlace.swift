import GRDB

/// What was done to a sink's place since it was leased; its row keeps the highest.
enum PlaceChange: Int {
    case none
    /// What it passed was given up; a pause and a resume pass nothing.
    case forward
    /// What lies behind it comes again.
    case back
    /// The sink has another name, and no lease of before is good for anything.
    case renamed
}

/// Where a sink stands, as its row in the journal says, and what waits for it from there on.
struct SinkPlace {
    let id: Int64
    let name: String
    let cursor: Int64
    /// What is settled or parked above the cursor.
    let settledAbove: Set<Int64>

    private static let select = "SELECT id, name, cursor, settled_above FROM sinks"

    private init(_ row: StoredRow) throws {
        id = try row[0]
        name = try row[1]
        cursor = try row[2]
        guard let offsets = OffsetRanges.offsets(ofText: try row[3]) else {
            throw JournalDamage(what: "what the sink \(name) has settled cannot be read")
        }
        settledAbove = Set(offsets.map(\.rawValue))
    }

    static func all(_ db: Database) throws -> [SinkPlace] {
        try StoredRow.fetchAll(db, sql: "\(select) ORDER BY id").map(SinkPlace.init)
    }

    /// Nil where the journal does not know the sink.
    static func named(_ name: String, _ db: Database) throws -> SinkPlace? {
        try StoredRow.fetchOne(db, sql: "\(select) WHERE name = ?", arguments: [name]).map(SinkPlace.init)
    }

    // MARK: - What waits

    /// How many entries were routed to a sink and are not settled; over its row.
    static let waitingSQL = """
        (SELECT coalesce(sum(entries), 0) FROM routes, json_each(choices)
         WHERE json_extract(value, '$[0]') = name)
        - base - delivered - superseded - skipped - dead - detached
        """

    /// Whether a sink has had no event yet, and nobody has held it; over its row.
    static let isUntouchedSQL = """
        delivered + superseded + skipped + retried + dead + detached = 0 AND hold IS NULL
        AND \(waitingSQL) = 0
        """

    func hasWaiting(_ db: Database) throws -> Bool {
        let select = "SELECT \(Self.waitingSQL) > 0 FROM sinks WHERE id = ?"
        return try Bool.fetchOne(db, sql: select, arguments: [id]) ?? false
    }

    /// Whether an entry waits for it, parked or not.
    ///
    /// - Parameters:
    ///   - routes: The numbers of the routes that name the sink.
    ///   - parked: Its parked offsets about there.
    func waits(for offset: Int64, route: Int64, routes: Set<Int64>, parked: Set<Int64>) -> Bool {
        parked.contains(offset)
            || offset > cursor && routes.contains(route) && !settledAbove.contains(offset)
    }

    /// Behind here lies all that waits for it, parked or not.
    func start(_ db: Database) throws -> Int64 {
        let select = #"SELECT min("offset") FROM parked WHERE sink_id = ?"#
        let parked = try Int64.fetchOne(db, sql: select, arguments: [id])
        return min(cursor, (parked ?? .max) - 1)
    }

    /// What waits for it, parked or not, among the first entries behind an offset, with their routes.
    ///
    /// - Parameter routes: The numbers of the routes that name the sink.
    /// - Returns: Also how far was looked, and whether the log ends there.
    func firstWaiting(
        behind offset: Int64, routes: [Int64], _ db: Database
    ) throws -> (entries: [(offset: Int64, route: Int64)], seenTo: Int64, isAtEnd: Bool) {
        let rows = try StoredRow.fetchAll(
            db, sql: #"SELECT "offset", route_id FROM entries WHERE "offset" > ? ORDER BY "offset" LIMIT ?"#,
            arguments: [offset, JournalRetention.looksMax])
        guard let last = rows.last else { return ([], offset, true) }
        let seenTo: Int64 = try last[0]
        let parked = try Int64.fetchSet(
            db, sql: #"SELECT "offset" FROM parked WHERE sink_id = ? AND "offset" > ? AND "offset" <= ?"#,
            arguments: [id, offset, seenTo])
        let routes = Set(routes)
        let entries = try rows.map { try (offset: $0[0] as Int64, route: $0[1] as Int64) }.filter { entry in
            waits(for: entry.offset, route: entry.route, routes: routes, parked: parked)
        }
        return (entries, seenTo, rows.count < JournalRetention.looksMax)
    }

    /// The sink's entries in a part of the log, without those that are settled or parked above the cursor.
    ///
    /// - Parameter routes: The numbers of the routes that name the sink.
    func entries(
        after first: Int64, through last: Int64, routes: [Int64], _ db: Database
    ) throws -> EntryRange? {
        guard first < last else { return nil }
        let statement = try db.cachedStatement(
            sql: """
                SELECT \(EntryRange.columns) FROM entries
                WHERE "offset" > ? AND "offset" <= ? AND route_id IN (SELECT value FROM json_each(?))
                    AND "offset" NOT IN (SELECT value FROM json_each(?))
                """)
        let settled = settledAbove.filter { $0 > first && $0 <= last }
        return try EntryRange(
            StoredRow.fetchOne(statement, arguments: [first, last, "\(routes)", "\(Array(settled))"]))
    }

    /// Those that are parked, up to an offset.
    func parkedEntries(through last: Int64, _ db: Database) throws -> EntryRange? {
        try entries(
            #"(SELECT "offset" FROM parked WHERE sink_id = ? AND "offset" <= ?)"#, [id, last], db)
    }

    /// Those whose offsets a query selects.
    func entries(
        _ offsets: String, _ arguments: StatementArguments, _ db: Database
    ) throws -> EntryRange? {
        let select = #"SELECT \#(EntryRange.columns) FROM entries WHERE "offset" IN \#(offsets)"#
        return try EntryRange(StoredRow.fetchOne(db, sql: select, arguments: arguments))
    }
}
