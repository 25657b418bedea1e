import GRDB

/// Something in the journal's file is not as a relay wrote it.
struct JournalDamage: Error, Equatable {
    /// In words that go on behind "the journal is damaged:"; no user data.
    let what: String

    init(what: String) { self.what = what }

    /// Nil where the error tells of no damage, or SQLite has a word for it.
    init?(_ error: any Error) {
        switch error {
        case let damage as JournalDamage: self = damage
        case is RowDecodingError: self = .wrongType
        default: return nil
        }
    }

    fileprivate static let wrongType = JournalDamage(what: "a stored value is of the wrong type")
}

/// A row of the journal, whose values are read with `try`.
///
/// A damaged byte of the file can make any value NULL or of another type, and GRDB's `Row` ends the process
/// there. The row of a cursor is good until the next one.
struct StoredRow {
    /// See ``fetchCursor(_:sql:arguments:)``.
    typealias Rows = MapCursor<RowCursor, StoredRow>

    private let row: Row

    /// Column from 0; only an optional may be NULL.
    subscript<Value: DatabaseValueConvertible>(_ column: Int) -> Value {
        get throws { try Self.decode(row[column]) }
    }

    /// Column by name, which the row has.
    subscript<Value: DatabaseValueConvertible>(_ column: String) -> Value {
        get throws { try Self.decode(row[column]) }
    }

    private static func decode<Value: DatabaseValueConvertible>(_ stored: DatabaseValue) throws -> Value {
        guard let value = Value.fromDatabaseValue(stored) else { throw JournalDamage.wrongType }
        return value
    }

    // MARK: - Fetching

    static func fetchCursor(
        _ db: Database, sql: String, arguments: StatementArguments = []
    ) throws -> Rows {
        try Row.fetchCursor(db, sql: sql, arguments: arguments).map { StoredRow(row: $0) }
    }

    static func fetchAll(
        _ db: Database, sql: String, arguments: StatementArguments = []
    ) throws -> [StoredRow] {
        try Row.fetchAll(db, sql: sql, arguments: arguments).map { StoredRow(row: $0) }
    }

    static func fetchAll(_ statement: Statement, arguments: StatementArguments) throws -> [StoredRow] {
        try Row.fetchAll(statement, arguments: arguments).map { StoredRow(row: $0) }
    }

    static func fetchOne(
        _ db: Database, sql: String, arguments: StatementArguments = []
    ) throws -> StoredRow? {
        try Row.fetchOne(db, sql: sql, arguments: arguments).map { StoredRow(row: $0) }
    }

    static func fetchOne(_ statement: Statement, arguments: StatementArguments) throws -> StoredRow? {
        try Row.fetchOne(statement, arguments: arguments).map { StoredRow(row: $0) }
    }
}
