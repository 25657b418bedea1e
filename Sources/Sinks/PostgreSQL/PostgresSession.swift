import Config
import Relay
import Rules

/// A batch's transaction in PostgreSQL: one round trip to begin and read, one to write and commit.
struct PostgresSession: TableSession {
    let connection: PostgresConnection
    let statements: PostgresStatements

    func begin(keys: [String], subjects: [String]) throws(TableFailure) -> [StoredState] {
        // Nothing to read in append tables: one round trip is enough then.
        guard statements.plan.mode == .upsert else { return [] }
        let start = [PostgresStatement("BEGIN ISOLATION LEVEL READ COMMITTED"), statements.lockTable()]
        var list = start
        if !keys.isEmpty { list.append(statements.readStates(keys: keys)) }
        if !subjects.isEmpty { list.append(statements.readStates(subjects: subjects)) }
        var found: [String: StoredState] = [:]
        for row in try run(list).dropFirst(start.count).joined() {
            let state = StoredState(key: row[0] ?? "", subject: row[1], state: row[2] ?? "")
            found[state.key] = state
        }
        return Array(found.values)
    }

    func rows(_ keys: [[RenderedValue]]) throws(TableFailure) -> [String: RowValues] {
        let tables = try run([statements.read(keys)])
        var rows: [String: RowValues] = [:]
        for row in tables.first ?? [] {
            guard let place = row.first.flatMap(\.self).flatMap({ Int($0) }) else { continue }
            var values = RowValues(columns: statements.plan.columns.count)
            for (column, text) in zip(statements.plan.changing, row.dropFirst()) {
                values[column] = text.map { value($0, column) } ?? .null
            }
            rows[RowKey.text(keys[place - 1])] = values
        }
        return rows
    }

    func commit(_ write: TableWrite) throws(TableFailure) {
        var list: [PostgresStatement] = []
        if statements.plan.mode == .append { list.append(PostgresStatement("BEGIN")) }
        if !write.deletions.isEmpty { list.append(statements.delete(write.deletions)) }
        if !write.rows.isEmpty { list += statements.write(write.rows) }
        if !write.states.isEmpty { list.append(statements.writeStates(write.states)) }
        list.append(PostgresStatement("COMMIT"))
        do throws(PostgresError) {
            try connection.run(list)
        } catch {
            throw TableFailure(postgres: naming(error, write))
        }
    }

    func rollback() {
        guard connection.isUsable, connection.isInTransaction else { return }
        // Where it fails the connection is lost, and the server rolls back by itself.
        _ = try? connection.run([PostgresStatement("ROLLBACK")])
    }

    private func run(_ list: [PostgresStatement]) throws(TableFailure) -> [[[String?]]] {
        do throws(PostgresError) {
            return try connection.run(list)
        } catch {
            throw TableFailure(postgres: error)
        }
    }

    private func value(_ text: String, _ column: Int) -> RenderedValue {
        ["json", "jsonb"].contains(statements.columns[column].type) ? .json(Array(text.utf8)) : .string(text)
    }

    /// PostgreSQL doesn't tell which column a value would not fit in; a single row is tried column by column.
    private func naming(_ error: PostgresError, _ write: TableWrite) -> PostgresError {
        guard case .server(var report) = error, report.column == nil, report.state.hasPrefix("22"),
            write.rows.count == 1, let row = write.rows.first
        else { return error }
        rollback()
        for (column, value) in Array(zip(statements.plan.key, row.key)) + row.values.present {
            do throws(PostgresError) {
                let answer = try connection.run([statements.trial(value, column)])
                if answer.first?.first?.first != "t" { continue }
            } catch {
                guard case .server = error else { return .server(report) }
            }
            report.column = statements.plan.columns[column].name
            break
        }
        return .server(report)
    }
}
