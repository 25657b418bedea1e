import GRDB

/// The log of failed attempts, as the journal's file keeps it.
enum AttemptLog {
    /// Attempts of one delivery that are read back: three days of them are some 1,700.
    private static let readMax = 10_000

    static func write(_ attempts: [LoggedAttempt], sinkID: Int64, _ db: Database) throws {
        guard !attempts.isEmpty else { return }
        var insert = try BoundStatement(
            db,
            """
            INSERT INTO attempts (sink_id, "offset", number, at, reason, status, took_ms)
            VALUES (?, ?, ?, ?, ?, ?, ?)
            """)
        for logged in attempts {
            let attempt = logged.attempt
            insert.bind(sinkID)
            insert.bind(logged.offset.rawValue)
            insert.bind(Int64(attempt.number))
            insert.bind(attempt.at)
            insert.bind(attempt.reason)
            insert.bind(attempt.status.map(Int64.init))
            insert.bind(attempt.took.map { $0.nanoseconds / 1_000_000 })
            try insert.run()
        }
    }

    /// What is logged of a delivery up to the last attempt of those that it kept, the newest first; nothing
    /// where that one is not logged.
    ///
    /// A sink that was moved back may have tried it again since then.
    static func read(
        _ sinkID: Int64, _ offset: Int64, upTo last: FailedAttempt, _ db: Database
    ) throws -> [FailedAttempt] {
        let rows = try StoredRow.fetchAll(
            db,
            sql: """
                SELECT number, at, reason, took_ms, status FROM attempts
                WHERE sink_id = ?1 AND "offset" = ?2 AND id <= (
                    SELECT max(id) FROM attempts
                    WHERE sink_id = ?1 AND "offset" = ?2 AND number = ?3 AND at = ?4)
                ORDER BY id DESC LIMIT ?5
                """,
            arguments: [sinkID, offset, last.number, last.at, readMax])
        return try rows.map { row in
            try FailedAttempt(
                number: row[0], at: row[1], reason: row[2],
                took: (row[3] as Int?).map { .milliseconds($0) }, status: row[4])
        }
    }
}

extension [FailedAttempt] {
    /// The attempts that a delivery kept, and those between them that are logged.
    ///
    /// A delivery that its sink was moved back to had been tried before: that is not meant, and begins where
    /// the numbers grow again.
    ///
    /// - Parameter logged: The newest first.
    func completed(by logged: [FailedAttempt]) -> [FailedAttempt] {
        var found = Dictionary(map { ($0.number, $0) }) { $1 }
        var last = Int.max
        for attempt in logged {
            guard attempt.number < last else { break }
            last = attempt.number
            if found[last] == nil { found[last] = attempt }
        }
        return found.values.sorted { $0.number < $1.number }
    }
}
