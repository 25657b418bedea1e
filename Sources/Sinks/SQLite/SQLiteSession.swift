import Config
import GRDB
import Relay
import Rules

/// A batch's transaction in a SQLite file.
///
/// `BEGIN IMMEDIATE` takes the file's one write lock at once.
struct SQLiteSession: TableSession {
    let database: Database
    let statements: SQLiteStatements
    let path: String

    func begin(keys: [String], subjects: [String]) throws(TableFailure) -> [StoredState] {
        try attempt {
            try database.beginTransaction(.immediate)
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
