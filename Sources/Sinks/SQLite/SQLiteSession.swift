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

    func rows(_ keys: [[RenderedValue]]) throws(TableFailure) -> [String: [Int: RenderedValue]] {
        try attempt {
            let statement = try database.cachedStatement(sql: statements.read)
            let columns = statements.plan.changing
            var rows: [String: [Int: RenderedValue]] = [:]
            for key in keys {
                statement.setUncheckedArguments(StatementArguments(statements.arguments(key: key)))
                guard let row = try Row.fetchOne(statement) else { continue }
                var values: [Int: RenderedValue] = [:]
                for (position, column) in columns.enumerated() {
                    values[column] = statements.value(row[position], column)
                }
                rows[RowKey.text(key)] = values
            }
            return rows
        }
    }

    func commit(_ write: TableWrite) throws(TableFailure) {
        try attempt {
            let delete = try database.cachedStatement(sql: statements.delete)
            for key in write.deletions {
                try delete.execute(arguments: StatementArguments(statements.arguments(key: key)))
            }
            let upsert = try database.cachedStatement(sql: statements.write)
            for row in write.rows { try upsert.execute(arguments: statements.arguments(row)) }
            if !write.states.isEmpty {
                let state = try database.cachedStatement(sql: statements.writeState)
                for row in write.states { try state.execute(arguments: [row.key, row.subject, row.state]) }
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
        let statement = try database.cachedStatement(sql: sql)
        for argument in arguments {
            statement.setUncheckedArguments([argument])
            for row in try Row.fetchAll(statement) {
                let state = StoredState(key: row[0], subject: row[1], state: row[2])
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
