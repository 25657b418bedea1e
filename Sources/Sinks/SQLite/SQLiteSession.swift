import Config
import GRDB
import Relay
import Rules

/// A batch's transaction in a SQLite file.
///
/// `BEGIN IMMEDIATE` takes the file's one write lock at once, so the table stays as it is found until the
/// transaction ends.
final class SQLiteSession: TableSession {
    private let database: Database
    /// For the table as it was found last, in a transaction that was not undone.
    private(set) var statements: SQLiteStatements
    private let path: String
    /// The statements of before the transaction.
    private var before: SQLiteStatements

    init(database: Database, statements: SQLiteStatements, path: String) {
        self.database = database
        self.statements = statements
        self.path = path
        before = statements
    }

    func begin(keys: [String], subjects: [String]) throws(TableFailure) -> [StoredState] {
        try attempt {
            before = statements
            try database.beginTransaction(.immediate)
            try follow()
            guard statements.plan.mode == .upsert else { return [] }
            var found: [String: StoredState] = [:]
            try read(statements.readState, keys, into: &found)
            try read(statements.readSubject, subjects, into: &found)
            return Array(found.values)
        }
    }

    func rows(_ keys: [[RenderedValue]]) throws(TableFailure) -> [String: RowValues] {
        try attempt {
            var statement = try BoundStatement(database, statements.read)
            var rows: [String: RowValues] = [:]
            for key in keys {
                statements.bind(key: key, to: &statement)
                while try statement.nextRow() {
                    var values = RowValues(columns: statements.plan.columns.count)
                    for (position, column) in statements.plan.changing.enumerated() {
                        values[column] = statements.value(statement.value(position), column)
                    }
                    rows[RowKey.text(key)] = values
                }
            }
            return rows
        }
    }

    func commit(_ write: TableWrite) throws(TableFailure) {
        try attempt {
            var delete = try BoundStatement(database, statements.delete)
            for key in write.deletions {
                statements.bind(key: key, to: &delete)
                try delete.run()
            }
            var writer = SQLiteRowWriter(database, statements)
            for row in write.rows { try writer.write(row) }
            if !write.states.isEmpty {
                var state = try BoundStatement(database, statements.writeState)
                for row in write.states {
                    state.bind(row.key)
                    state.bind(row.subject)
                    state.bind(row.state)
                    try state.run()
                }
            }
            try database.commit()
        }
    }

    func rollback() {
        // SQLite has rolled back by itself after some errors; there is nothing to do then.
        if database.isInsideTransaction { try? database.rollback() }
        statements = before
    }

    /// A page of the table's rows, outside of any transaction.
    func page(after key: [RenderedValue]?, limit: Int) throws(TableFailure) -> RowPage {
        try attempt {
            try follow()
            return try SQLiteRows(statements: statements).page(database, after: key, limit: limit)
        }
    }

    /// Looks at the table anew where somebody has changed the file's schema since.
    private func follow() throws {
        let schema = SQLiteSchema(plan: statements.plan, database: database, path: path)
        if try schema.shape() == statements.shape { return }
        let table = try database.isInsideTransaction ? schema.fitting() : schema.prepare()
        statements = try SQLiteStatements(schema.plan, table)
    }

    private func read(
        _ sql: String, _ arguments: [String], into found: inout [String: StoredState]
    ) throws {
        guard !arguments.isEmpty else { return }
        var statement = try BoundStatement(database, sql)
        for argument in arguments {
            statement.bind(argument)
            while try statement.nextRow() {
                let state = StoredState(
                    key: statement.text(0) ?? "", subject: statement.text(1), state: statement.text(2) ?? "")
                found[state.key] = state
            }
        }
    }

    private func attempt<Value>(_ body: () throws -> Value) throws(TableFailure) -> Value {
        do {
            return try body()
        } catch {
            throw TableFailure(sqlite: error, path: path)
        }
    }
}
