import GRDB
import Relay
import Synchronization

/// Writes a batch's rows, each with statements that name only the columns it carries: an update, and where
/// that finds no row an insert.
///
/// One statement for all rows has to join the old row in, which takes three times as long; it is left for
/// tables that would notice the difference and for combinations of columns that are rare.
struct SQLiteRowWriter {
    private let database: Database
    private let statements: SQLiteStatements
    /// By which columns a row carries.
    private var ways: [[Bool]: Way] = [:]

    private enum Way {
        case parts(SQLiteParts, update: BoundStatement?, insert: BoundStatement)
        case whole(BoundStatement)
    }

    init(_ database: Database, _ statements: SQLiteStatements) {
        self.database = database
        self.statements = statements
    }

    mutating func write(_ row: TableWrite.Row) throws {
        switch try way(for: row) {
        case .whole(var statement):
            statements.bind(row, to: &statement)
            try statement.run()
        case .parts(let parts, let update, var insert):
            if var update {
                statements.bind(row, parts.changing, to: &update)
                try update.run()
                if database.changesCount > 0 { return }
            }
            statements.bind(row, parts.changing + parts.others, to: &insert)
            try insert.run()
        }
    }

    private mutating func way(for row: TableWrite.Row) throws -> Way {
        let carried = statements.plan.columns.indices.map { row.values[$0] != nil }
        if let way = ways[carried] { return way }
        let way: Way
        if let parts = statements.parts(carrying: carried) {
            way = .parts(
                parts, update: try parts.update.map { try BoundStatement(database, $0) },
                insert: try BoundStatement(database, parts.insert))
        } else {
            way = .whole(try BoundStatement(database, statements.write))
        }
        ways[carried] = way
        return way
    }
}

/// The statements for rows that carry the same columns; the first parameters are the key.
struct SQLiteParts: Sendable {
    /// Carried columns that events change, in the order of the parameters of both statements.
    let changing: [Int]
    /// Carried columns that only a new row gets: the last parameters of ``insert``.
    let others: [Int]
    /// Nil in append tables.
    let update: String?
    let insert: String
}

/// The parts that a table's rows have needed so far.
///
/// The connection keeps each statement, so there is a limit: a row with yet other columns gets none.
final class SQLitePartsCache: Sendable {
    static let countMax = 32

    private let parts = Mutex<[[Bool]: SQLiteParts]>([:])

    func parts(_ carried: [Bool], make: () -> SQLiteParts?) -> SQLiteParts? {
        parts.withLock { parts in
            if let found = parts[carried] { return found }
            guard parts.count < Self.countMax, let made = make() else { return nil }
            parts[carried] = made
            return made
        }
    }
}
