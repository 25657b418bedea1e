import Foundation
import GRDB
import JSON

/// A look at a journal before it is used, which takes no longer for a large file than for a small one.
///
/// That the file is as long as it says, SQLite sees by itself. `okta-relay journal verify` reads everything.
enum JournalCheck {
    /// Of the newest entries, so many are read.
    private static let entriesMax = 200

    /// Throws ``JournalDamage`` where events would be lost or mixed up.
    static func run(_ db: Database) throws {
        try checkSchema(db)
        try checkTypes(db)
        let horizon = try Int64.fetchOne(db, sql: #"SELECT max("offset") FROM entries"#) ?? 0
        try checkPlaces(horizon: horizon, db)
        try checkNewest(db)
    }

    private static func checkSchema(_ db: Database) throws {
        if let problem = try schemaProblems(db).first { throw JournalDamage(what: problem) }
    }

    private static func checkTypes(_ db: Database) throws {
        for types in try ColumnTypes.all() where !types.isGrowing {
            if let problem = try types.problems(db).first { throw JournalDamage(what: problem) }
        }
    }

    /// Tables, indexes and triggers that are not there as a new journal has them.
    static func schemaProblems(_ db: Database) throws -> [String] {
        let expected = try JournalSchema.fresh().read(statements)
        let found = try statements(db)
        var problems = expected.sorted { $0.key < $1.key }.filter { found[$0.key] != $0.value }
            .map { name, _ in
                "its \(name) is \(found[name] == nil ? "missing" : "not as this version made it")"
            }
        if let problem = try upgradesProblem(db) { problems.append(problem) }
        return problems
    }

    private static func statements(_ db: Database) throws -> [String: String] {
        let rows = try StoredRow.fetchAll(
            db, sql: "SELECT type || ' ' || name, sql FROM sqlite_schema WHERE sql IS NOT NULL")
        return try Dictionary(rows.map { try ($0[0], $0[1]) }) { first, _ in first }
    }

    /// What is wrong with the list of upgrades that a file tells it has had.
    static func upgradesProblem(_ db: Database) throws -> String? {
        guard let version = try Int.fetchOne(db, sql: "PRAGMA user_version"), version > 0 else { return nil }
        let upgrades = try? String.fetchSet(db, sql: "SELECT identifier FROM grdb_migrations")
        let isWhole = upgrades == Set((1...version).map { "\($0)" })
        return isWhole ? nil : "its list of upgrades is not as this version made it"
    }

    /// Offsets go on behind the newest entry: a sink whose place is beyond it would miss what comes.
    private static func checkPlaces(horizon: Int64, _ db: Database) throws {
        let sql = """
            SELECT name FROM sinks WHERE cursor NOT BETWEEN 0 AND ?1
                OR EXISTS (SELECT 1 FROM parked WHERE sink_id = sinks.id AND "offset" > ?1)
            LIMIT 1
            """
        if let sink = try String.fetchOne(db, sql: sql, arguments: [horizon]) {
            throw JournalDamage(what: "the place of the sink \(sink) is not in the log")
        }
    }

    private static func checkNewest(_ db: Database) throws {
        let rows = try StoredRow.fetchCursor(
            db,
            sql: #"\#(entriesSQL) ORDER BY entries."offset" DESC LIMIT ?"#,
            arguments: [entriesMax])
        while let row = try rows.next() {
            if let problem = try problem(ofEntry: row) { throw JournalDamage(what: problem) }
        }
    }

    /// Selects the rows that ``problem(ofEntry:)`` looks at: offset, event id, event type, whether the hook
    /// and the route are there, and body.
    static let entriesSQL = """
        SELECT entries."offset", event_id, event_type, hooks.id IS NOT NULL, routes.id IS NOT NULL, body
        FROM entries LEFT JOIN bodies ON bodies."offset" = entries."offset"
            LEFT JOIN hooks ON hooks.id = hook_id LEFT JOIN routes ON routes.id = route_id
        """

    /// What is wrong with an entry, a row of ``entriesSQL``.
    static func problem(ofEntry row: StoredRow) throws -> String? {
        let entry = try "the entry \(row[0] as Int64)"
        guard try row[3], try row[4] else { return "\(entry) names a hook or a route that is not there" }
        guard let body = try? row[5] as Data? else { return "\(entry) has no body" }
        guard let id = try? row[1] as String, let type = try? row[2] as String else {
            return "the id or the type of the event of \(entry) cannot be read"
        }
        return problem(ofBody: body, event: id, type: type, entry)
    }

    /// What is wrong with the body of something.
    static func problem(ofBody body: Data, event id: String, type: String, _ owner: String) -> String? {
        guard let event = try? JSONDocument(Array(body)).root else {
            return "the body of \(owner) is not JSON"
        }
        guard event["uuid"]?.string == id, event["eventType"]?.string == type else {
            return "the body of \(owner) is another event's"
        }
        return nil
    }
}
