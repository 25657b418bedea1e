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

    /// Behind here lies all that waits for it, parked or not.
    func start(_ db: Database) throws -> Int64 {
        let select = #"SELECT min("offset") FROM parked WHERE sink_id = ?"#
        let parked = try Int64.fetchOne(db, sql: select, arguments: [id])
        return min(cursor, (parked ?? .max) - 1)
    }

    /// The first entry that waits for it, parked or not, among a bounded number behind an offset.
    ///
    /// - Parameter routes: The numbers of the routes that name the sink.
    /// - Returns: Also how far was looked, and whether the log ends there.
    func firstWaiting(
        behind offset: Int64, routes: [Int64], _ db: Database
    ) throws -> (first: Int64?, seenTo: Int64, isAtEnd: Bool) {
        let looksMax = JournalRetention.looksMax
        let statement = try db.cachedStatement(
            sql: """
                SELECT min(CASE WHEN "offset" > ?1 AND route_id IN (SELECT value FROM json_each(?2))
                        AND "offset" NOT IN (SELECT value FROM json_each(?3))
                    OR "offset" IN (SELECT "offset" FROM parked WHERE sink_id = ?4) THEN "offset" END),
                    max("offset"), count(*)
                FROM (SELECT "offset", route_id FROM entries WHERE "offset" > ?5
                    ORDER BY "offset" LIMIT ?6)
                """)
        let row = try StoredRow.fetchOne(
            statement,
            arguments: [cursor, "\(routes)", "\(Array(settledAbove))", id, offset, looksMax])
        guard let row, let seenTo: Int64 = try row[1] else { return (nil, offset, true) }
        return try (row[0], seenTo, row[2] < looksMax)
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
