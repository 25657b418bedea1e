import GRDB
import Relay
import Rules
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
        do {
            try statements.taken.note(row, run(row))
        } catch let error as DatabaseError {
            guard !statements.taken.areAll(of: row), let failure = TableFailure.unclear(error) else {
                throw error
            }
            throw failure
        }
    }

    /// The columns beside the key that were written for sure.
    private mutating func run(_ row: TableWrite.Row) throws -> [Int] {
        switch try way(for: row) {
        case .whole(var statement):
            statements.bind(row, to: &statement)
            try statement.run()
            return statements.plan.changing
        case .parts(let parts, let update, var insert):
            if var update {
                statements.bind(row, parts.changing, to: &update)
                try update.run()
                if database.changesCount > 0 { return parts.changing }
            }
            let columns = parts.changing + parts.others
            statements.bind(row, columns, to: &insert)
            try insert.run()
            return columns
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

/// The columns that have taken a value since the table was looked at.
///
/// By that it shows whose fault it is that a value does not fit its column's type: where others fit, it is
/// the value that is odd, else it may be the type.
final class SQLiteTakenColumns: Sendable {
    private let plan: TablePlan
    private let taken: Mutex<[Bool]>

    init(_ plan: TablePlan) {
        self.plan = plan
        taken = Mutex(Array(repeating: false, count: plan.columns.count))
    }

    /// - Parameter columns: Those of the row that were written, without the key.
    func note(_ row: TableWrite.Row, _ columns: [Int]) {
        taken.withLock { taken in
            for column in plan.key { taken[column] = true }
            for column in columns where !taken[column] { taken[column] = row.hasValue(column) }
        }
    }

    /// Whether that holds for all columns that the row has a value for.
    func areAll(of row: TableWrite.Row) -> Bool {
        taken.withLock { taken in
            plan.columns.indices.allSatisfy { column in
                taken[column] || !(plan.key.contains(column) || row.hasValue(column))
            }
        }
    }
}

extension TableWrite.Row {
    fileprivate func hasValue(_ column: Int) -> Bool {
        if let value = values[column] { value != .null } else { false }
    }
}
