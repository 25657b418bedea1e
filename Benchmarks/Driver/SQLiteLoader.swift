import GRDBSQLite

/// One connection of SQLite's C API with one prepared statement: WAL and `synchronous=FULL`, and the cache and
/// the checkpoints that a sink has.
final class SQLiteLoader {
    private let database: OpaquePointer?
    private let statement: OpaquePointer?

    /// - Parameters:
    ///   - create: The SQL that makes the table.
    ///   - insert: The statement, with a `?` for each column.
    ///   - pageBytes: Of the file; SQLite's own choice where nil.
    ///   - checkpointPages: Pages in the log from which a commit checkpoints; where 0 somebody else does.
    init(
        path: String, create: String, insert: String, pageBytes: Int? = nil, checkpointPages: Int = 4_000
    ) throws {
        database = try Self.open(path)
        let pageSize = pageBytes.map { ["PRAGMA page_size = \($0)"] } ?? []
        for sql in pageSize + [
            "PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA cache_size = -8192",
            "PRAGMA wal_autocheckpoint = \(checkpointPages)", create,
        ] { try Self.run(sql, database) }
        statement = try Self.prepare(insert, database)
    }

    deinit {
        sqlite3_finalize(statement)
        sqlite3_close(database)
    }

    /// Commits what the body inserts.
    func transaction(_ body: () throws -> Void) throws {
        try Self.run("BEGIN IMMEDIATE", database)
        try body()
        try Self.run("COMMIT", database)
    }

    /// Inserts a row of texts that end with a 0.
    func insert(texts: [[CChar]?]) throws {
        for (index, text) in texts.enumerated() {
            // No destructor: the row outlives the step.
            text?.withUnsafeBufferPointer {
                _ = sqlite3_bind_text(
                    statement, Int32(index + 1), $0.baseAddress, Int32($0.count - 1), nil)
            }
        }
        try step()
    }

    /// Inserts a row of one blob.
    func insert(blob: [UInt8]) throws {
        try blob.withUnsafeBytes { bytes in
            sqlite3_bind_blob(statement, 1, bytes.baseAddress, Int32(bytes.count), nil)
            try step()
        }
    }

    private func step() throws {
        guard sqlite3_step(statement) == SQLITE_DONE else { throw BenchmarkError("a row failed") }
        sqlite3_reset(statement)
        sqlite3_clear_bindings(statement)
    }

    // MARK: - The C API

    static func open(_ path: String) throws -> OpaquePointer? {
        var database: OpaquePointer?
        guard sqlite3_open(path, &database) == SQLITE_OK else { throw BenchmarkError("cannot open \(path)") }
        sqlite3_busy_timeout(database, 5_000)
        return database
    }

    static func prepare(_ sql: String, _ database: OpaquePointer?) throws -> OpaquePointer? {
        var statement: OpaquePointer?
        guard sqlite3_prepare_v2(database, sql, -1, &statement, nil) == SQLITE_OK else {
            throw BenchmarkError("\(sql) failed")
        }
        return statement
    }

    private static func run(_ sql: String, _ database: OpaquePointer?) throws {
        guard sqlite3_exec(database, sql, nil, nil, nil) == SQLITE_OK else {
            throw BenchmarkError("\(sql) failed")
        }
    }
}
