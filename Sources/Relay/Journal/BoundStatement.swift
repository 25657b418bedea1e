import Foundation
package import GRDB
import GRDBSQLite

/// A cached statement whose values go straight to SQLite, for the statements that run once an event.
///
/// GRDB's arguments cost several allocations a value. Values are bound in the order of the parameters; they
/// are copied, so nothing has to outlive the call. Belongs to its connection's thread.
package struct BoundStatement {
    private let statement: Statement
    private let handle: SQLiteStatement
    /// Parameters that have a value.
    private var bound: Int32 = 0

    package init(_ db: Database, _ sql: String) throws {
        statement = try db.cachedStatement(sql: sql)
        handle = statement.sqliteStatement
    }

    // MARK: - Values

    package mutating func bind(_ value: Int64) {
        sqlite3_bind_int64(handle, next(), value)
    }

    package mutating func bind(_ value: Int64?) {
        if let value { bind(value) } else { bindNull() }
    }

    package mutating func bind(_ value: Double) {
        sqlite3_bind_double(handle, next(), value)
    }

    package mutating func bindNull() { sqlite3_bind_null(handle, next()) }

    package mutating func bind(_ text: String?) {
        guard var text else { return bindNull() }
        let place = next()
        text.withUTF8 { bytes in
            // An empty text may have no address, and SQLite would take that for NULL.
            bytes.withMemoryRebound(to: CChar.self) { bytes in
                _ = sqlite3_bind_text(
                    handle, place, bytes.baseAddress ?? Self.nothing, Int32(bytes.count), Self.copies)
            }
        }
    }

    /// Bytes that are UTF-8.
    package mutating func bind(text bytes: [UInt8]) {
        let place = next()
        bytes.withUnsafeBytes { bytes in
            let start = bytes.baseAddress?.assumingMemoryBound(to: CChar.self) ?? Self.nothing
            _ = sqlite3_bind_text(handle, place, start, Int32(bytes.count), Self.copies)
        }
    }

    package mutating func bind(blob bytes: [UInt8]) {
        let place = next()
        bytes.withUnsafeBytes { bytes in
            _ = sqlite3_bind_blob(
                handle, place, bytes.baseAddress ?? UnsafeRawPointer(Self.nothing), Int32(bytes.count),
                Self.copies)
        }
    }

    // MARK: - Running

    /// Runs the statement with bytes as its last value, which SQLite reads where they are.
    package mutating func run(lastBlob bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { bytes in
            sqlite3_bind_blob(
                handle, next(), bytes.baseAddress ?? UnsafeRawPointer(Self.nothing), Int32(bytes.count), nil)
            // What stays bound would point to nowhere.
            defer { sqlite3_clear_bindings(handle) }
            try run()
        }
    }

    /// Runs the statement to its end, and makes it ready for the next values.
    package mutating func run() throws {
        while try nextRow() {}
    }

    /// The next row, whose columns can be read then; false behind the last one.
    package mutating func nextRow() throws -> Bool {
        switch sqlite3_step(handle) {
        case SQLITE_ROW: return true
        case SQLITE_DONE:
            reset()
            return false
        default:
            // Only the reset tells the whole error.
            let code = reset()
            throw DatabaseError(
                resultCode: ResultCode(rawValue: code),
                message: sqlite3_errmsg(sqlite3_db_handle(handle)).map { String(cString: $0) })
        }
    }

    /// Ends a run before its last row.
    @discardableResult
    package mutating func reset() -> Int32 {
        bound = 0
        return sqlite3_reset(handle)
    }

    /// Column from 0; nil is NULL.
    package func text(_ column: Int32) -> String? {
        guard let start = sqlite3_column_text(handle, column) else { return nil }
        let count = Int(sqlite3_column_bytes(handle, column))
        return String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    }

    /// Column from 0.
    package func value(_ column: Int) -> DatabaseValue {
        let column = Int32(column)
        return switch sqlite3_column_type(handle, column) {
        case SQLITE_INTEGER: sqlite3_column_int64(handle, column).databaseValue
        case SQLITE_FLOAT: sqlite3_column_double(handle, column).databaseValue
        case SQLITE_NULL: .null
        case SQLITE_BLOB: Data(blob(column)).databaseValue
        default: (text(column) ?? "").databaseValue
        }
    }

    /// Column from 0; empty where it is NULL.
    package func blob(_ column: Int32) -> [UInt8] {
        let start = sqlite3_column_blob(handle, column)
        return Array(UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, column))))
    }

    package func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(handle, column) }

    // MARK: - Private

    private mutating func next() -> Int32 {
        bound += 1
        return bound
    }

    /// SQLITE_TRANSIENT, which is a macro: SQLite makes its own copy.
    private static let copies = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
    /// An address for what has no bytes.
    private nonisolated(unsafe) static let nothing: UnsafePointer<CChar> = {
        let byte = UnsafeMutablePointer<CChar>.allocate(capacity: 1)
        byte.initialize(to: 0)
        return UnsafePointer(byte)
    }()
}
