import Foundation
import GRDB
import JSON

/// Reading all of a journal, and copying it; beside a running relay, too.
extension SQLiteJournalInspection {
    /// Copies the journal, as it is at one instant, into a file that must not be there.
    ///
    /// - Parameter progress: Told the share that is done, 0 to 1, on a thread of the journal's own.
    public func backup(
        to path: String, progress: @escaping @Sendable (Double) -> Void
    ) async throws(JournalError) {
        try await onQueue { try JournalBackup.write($0, to: path, progress: progress) }
    }

    /// Reads everything: that all tables are as a new journal has them, the file is in order, each body
    /// parses and is its entry's, nothing refers to what is not there, and the counts are right.
    ///
    /// What SQLite cannot read is a problem like others, and the rest is looked at all the same.
    ///
    /// - Parameter progress: Told what it is at; the entries come first, in many steps.
    public func verify(
        progress: @escaping @Sendable (JournalVerification.Stage) -> Void
    ) async throws(JournalError) -> JournalVerification {
        var found = try await look(at: "the tables' forms", JournalVerification()) { found, db in
            for problem in try JournalCheck.schemaProblems(db) { found.add(problem) }
        }
        // The bodies are read with their entries.
        for types in try await onThread({ _ in try ColumnTypes.all() }) where types.table != "bodies" {
            progress(.table(types.table))
            found = try await look(at: "the table \(types.table)", found) { found, db in
                for problem in try types.problems(db) { found.add(problem) }
            }
        }
        var scan = try await onThread { EntryScan($0) }
        while !scan.isAtEnd {
            let before = (found, scan)
            (found, scan) = try await onThread { db in
                var (found, scan) = before
                try scan.step(&found, db)
                return (found, scan)
            }
            progress(.entries(scan.share))
        }
        progress(.references)
        found = try await look(at: "what refers to something", found, Self.verifyReferences)
        found = try await look(at: "some dead letters", found, Self.verifyDeadLetters)
        found = try await look(at: "what is known of some users", found, Self.verifyUsers)
        found = try await look(at: "attempts, filters, holds, notes or receipts", found, Self.verifyTexts)
        found = try await look(at: "the counts, or what they count,", found, Self.verifyCounts)
        progress(.structure)
        return try await look(at: "the file's structure", found) { found, db in
            for line in try String.fetchAll(db, sql: "PRAGMA integrity_check") where line != "ok" {
                found.add("SQLite: \(line)")
            }
        }
    }

    /// Does a part of it.
    private func look(
        at what: String, _ soFar: JournalVerification,
        _ body: @escaping @Sendable (inout JournalVerification, Database) throws -> Void
    ) async throws(JournalError) -> JournalVerification {
        try await onThread { db in
            var found = soFar
            do {
                try body(&found, db)
            } catch {
                try found.add(error, at: what)
            }
            return found
        }
    }

    private static func verifyReferences(_ found: inout JournalVerification, _ db: Database) throws {
        for row in try StoredRow.fetchAll(
            db, sql: #"SELECT "table", count(*) FROM pragma_foreign_key_check GROUP BY "table""#)
        {
            try found.add("\(row[1] as Int) rows of \(row[0] as String) refer to what is not there")
        }
        // An intent that its sink has passed ends with the next lease, and may outlive its entry until then.
        let passed = #"EXISTS (SELECT 1 FROM sinks WHERE id = sink_id AND cursor >= intents."offset")"#
        for (table, isToGo) in [("parked", "0"), ("intents", passed)] {
            let sql = """
                SELECT count(*) FROM \(table) WHERE NOT \(isToGo) AND NOT EXISTS (
                    SELECT 1 FROM entries WHERE entries."offset" = \(table)."offset")
                """
            let count = try Int.fetchOne(db, sql: sql) ?? 0
            if count > 0 { found.add("\(count) rows of \(table) have no entry") }
        }
        for route in try RouteCatalogue.damaged(db) { found.add("the route \(route) cannot be read") }
        let pages = "SELECT count(*) FROM seen_pages WHERE run_id NOT IN (SELECT id FROM seen_runs)"
        let count = try Int.fetchOne(db, sql: pages) ?? 0
        if count > 0 { found.add("\(count) pages of known events have no run") }
    }

    private static func verifyDeadLetters(_ found: inout JournalVerification, _ db: Database) throws {
        let rows = try StoredRow.fetchCursor(
            db, sql: "SELECT id, event_id, event_type, failures, body FROM dead_letters")
        while let row = try rows.next() {
            found.read(deadLetters: 1)
            let letter = try "the dead letter \(row[0] as Int64)"
            if !FailedAttempt.isWhole(try row[3]) { found.add("the attempts of \(letter) cannot be read") }
            guard let body = try row[4] as Data? else { continue }
            let problem = try JournalCheck.problem(ofBody: body, event: row[1], type: row[2], letter)
            if let problem { found.add(problem) }
        }
    }

    /// Columns of a form of their own, which nothing else looks at before they are needed.
    private static func verifyTexts(_ found: inout JournalVerification, _ db: Database) throws {
        let parked = try StoredRow.fetchCursor(db, sql: #"SELECT "offset", failures FROM parked"#)
        while let row = try parked.next() {
            guard !FailedAttempt.isWhole(try row[1]) else { continue }
            try found.add("the attempts of what is parked at \(row[0] as Int64) cannot be read")
        }
        for row in try StoredRow.fetchAll(db, sql: "SELECT id, filter FROM replays ORDER BY id")
        where (try? ReplayFilter(json: row[1])) == nil {
            try found.add("the filter of \(row[0] as String) cannot be read")
        }
        let holds = "SELECT name, hold FROM sinks WHERE hold IS NOT NULL ORDER BY name"
        for row in try StoredRow.fetchAll(db, sql: holds) where try SinkHold.Kind(rawValue: row[1]) == nil {
            try found.add("what holds the sink \(row[0] as String) cannot be read")
        }
        let operations = try StoredRow.fetchCursor(db, sql: "SELECT id, detail FROM operations ORDER BY id")
        while let row = try operations.next() {
            guard try OperationRecord.detail(ofText: row[1]) == nil else { continue }
            try found.add("the detail of the operation \(row[0] as Int64) cannot be read")
        }
        for id in try Int64.fetchAll(db, sql: "SELECT id FROM detached WHERE first_offset > last_offset") {
            found.add("the range \(id) of what was given up ends before it begins")
        }
        let receipts = try damagedReceipts(db)
        if receipts > 0 { found.add("what \(receipts) receipts tell cannot be read") }
    }

    private static func verifyUsers(_ found: inout JournalVerification, _ db: Database) throws {
        var damaged = 0
        let rows = try StoredRow.fetchCursor(db, sql: "SELECT state FROM user_states")
        while let row = try rows.next() {
            found.read(users: 1)
            if FoldState(json: try Array((row[0] as String).utf8)) == nil { damaged += 1 }
        }
        if damaged > 0 { found.add("what is known of \(damaged) users cannot be read") }
    }

    /// What the counts say against what is there.
    private static func verifyCounts(_ found: inout JournalVerification, _ db: Database) throws {
        func compare(_ what: String, _ counted: String, _ there: String) throws {
            let counted = try Int.fetchOne(db, sql: counted) ?? 0,
                there = try Int.fetchOne(db, sql: there) ?? 0
            if counted != there { found.add("\(what): \(counted) by the counts, \(there) are there") }
        }
        let select = "SELECT name FROM counters ORDER BY name"
        let names = try JournalSchema.fresh().read { try String.fetchAll($0, sql: select) }
        let known = try String.fetchSet(db, sql: select)
        for name in names where !known.contains(name) { found.add("the counter \(name) is missing") }
        func counter(_ name: String) -> String { "SELECT value FROM counters WHERE name = '\(name)'" }
        try compare(
            "entries",
            "SELECT (SELECT sum(entries) FROM routes) - coalesce((\(counter("expired"))), 0)",
            "SELECT count(*) FROM entries")
        try compare(
            "bytes of dead letters", counter("dead_letter_bytes"),
            "SELECT sum(512 + length(CAST(failures AS BLOB)) + coalesce(length(body), 0)) FROM dead_letters")
        try compare(
            "rows of dead letters", counter("dead_letter_row_bytes"),
            "SELECT sum(512 + length(CAST(failures AS BLOB))) FROM dead_letters")
        try compare(
            "rows of the quarantine", counter("quarantine_row_bytes"),
            "SELECT 128 * count(*) FROM quarantine")
        try compare(
            "bytes of the quarantine", counter("quarantine_bytes"),
            "SELECT sum(128 + length(bytes)) FROM quarantine")
        // Who waits for what, only the routes tell.
        guard try RouteCatalogue.damaged(db).isEmpty else { return }
        let horizon = try Int64.fetchOne(db, sql: #"SELECT max("offset") FROM entries"#) ?? 0
        var routes = RouteCatalogue()
        for sink in try SinkPlace.all(db) {
            if sink.cursor < 0 || sink.cursor > horizon {
                found.add("the place of \(sink.name) is not in the log")
            }
            let numbers = try routes.ids(naming: sink.name, db)
            let above = sink.settledAbove.map { String($0) }.joined(separator: ",")
            try compare(
                "what waits for \(sink.name)",
                "SELECT \(SinkPlace.waitingSQL) FROM sinks WHERE id = \(sink.id)",
                """
                SELECT (SELECT count(*) FROM parked WHERE sink_id = \(sink.id)) + (
                    SELECT count(*) FROM entries WHERE "offset" > \(sink.cursor)
                        AND route_id IN (SELECT value FROM json_each('\(numbers)'))
                        AND "offset" NOT IN (\(above)))
                """)
        }
    }

    private func onQueue<T: Sendable>(
        _ body: @escaping @Sendable (DatabaseQueue) throws -> T
    ) async throws(JournalError) -> T {
        let result = await thread.run { [queue] in Result { try body(queue) } }
        do {
            return try result.get()
        } catch {
            throw JournalError(error)
        }
    }
}

/// Reads the entries and their bodies, oldest first, and goes on behind what is damaged.
private struct EntryScan: Sendable {
    /// Entries read in one transaction: a long one would keep the relay's log from being cut.
    private static let chunk: Int64 = 1_000

    private(set) var isAtEnd = false
    private let first: Int64
    private let last: Int64
    /// Entries up to here have been looked at.
    private var after: Int64 = 0
    /// Nothing could be read last, and that was said.
    private var isInDamage = false

    /// Where the ends of the entries cannot be read, others tell where they may be.
    init(_ db: Database) {
        func value(_ select: String) -> Int64? { try? Int64.fetchOne(db, sql: select) }
        first = value(#"SELECT min("offset") FROM entries"#) ?? 0
        let others = ["SELECT max(cursor) FROM sinks", #"SELECT max("offset") FROM bodies"#]
        last = value(#"SELECT max("offset") FROM entries"#) ?? others.compactMap(value).max() ?? 0
    }

    /// 0 to 1.
    var share: Double {
        isAtEnd ? 1 : min(1, max(0, Double(after - first + 1) / Double(max(1, last - first + 1))))
    }

    mutating func step(_ found: inout JournalVerification, _ db: Database) throws {
        let start = after
        var newest: Int64?
        do {
            try read(&found, newest: &newest, db)
            isAtEnd = newest == nil
        } catch  where newest == nil {
            let reason = try JournalVerification.reason(of: error)
            if !isInDamage { found.add("some entries behind \(start) cannot be read: \(reason)") }
            isInDamage = true
            after += Self.chunk
            isAtEnd = after >= last
            return
        } catch {
            // The next step begins with what cannot be read, and says so.
        }
        isInDamage = false
        after = newest ?? start
        do {
            try findOrphans(after: start, through: newest ?? .max, &found, db)
        } catch {
            try found.add(error, at: "some bodies behind \(start)")
        }
    }

    /// - Parameter newest: The last offset that was read, also where it throws behind it.
    private func read(
        _ found: inout JournalVerification, newest: inout Int64?, _ db: Database
    ) throws {
        let rows = try StoredRow.fetchCursor(
            db,
            sql: """
                \(JournalCheck.entriesSQL) WHERE entries."offset" > ? ORDER BY entries."offset" LIMIT ?
                """,
            arguments: [after, Self.chunk])
        while let row = try rows.next() {
            newest = try row[0]
            found.read(entries: 1)
            if let problem = try JournalCheck.problem(ofEntry: row) { found.add(problem) }
        }
    }

    private func findOrphans(
        after: Int64, through: Int64, _ found: inout JournalVerification, _ db: Database
    ) throws {
        let orphans = try Int64.fetchAll(
            db,
            sql: """
                SELECT "offset" FROM bodies WHERE "offset" > ?1 AND "offset" <= ?2
                EXCEPT SELECT "offset" FROM entries WHERE "offset" > ?1 AND "offset" <= ?2
                """,
            arguments: [after, through])
        for orphan in orphans { found.add("the body at \(orphan) has no entry") }
    }
}

extension JournalVerification {
    /// Adds that something cannot be read; throws what tells nothing of the file itself.
    fileprivate mutating func add(_ error: any Error, at what: String) throws {
        add("\(what) cannot be read: \(try Self.reason(of: error))")
    }

    /// Why something cannot be read; throws what tells nothing of the file itself.
    fileprivate static func reason(of error: any Error) throws -> String {
        if let damage = JournalDamage(error) { return damage.what }
        switch error {
        case let error as DatabaseError:
            switch error.resultCode {
            case .SQLITE_BUSY, .SQLITE_LOCKED, .SQLITE_NOMEM, .SQLITE_INTERRUPT, .SQLITE_CANTOPEN,
                .SQLITE_PERM, .SQLITE_AUTH, .SQLITE_FULL, .SQLITE_MISUSE:
                throw error
            default: return error.message ?? "SQLite error \(error.extendedResultCode.rawValue)"
            }
        case let error as JournalError: return error.reason
        default: throw error
        }
    }
}
