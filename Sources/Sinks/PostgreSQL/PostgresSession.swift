import Config
import Relay
import Rules

/// A batch's transaction in PostgreSQL: one round trip to begin and read, one to write and commit.
struct PostgresSession: TableSession {
    let connection: PostgresConnection
    let statements: PostgresStatements

    private static let begin = PostgresStatement("BEGIN ISOLATION LEVEL READ COMMITTED")

    func begin(keys: [String], subjects: [String]) throws(TableFailure) -> [StoredState] {
        // Nothing to read in append tables: one round trip is enough then.
        guard statements.plan.mode == .upsert else { return [] }
        let start = [
            Self.begin, statements.lockTable(), statements.keepTable(), statements.checkShape(),
        ]
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
        let read = statements.read(keys)
        let tables: [[[String?]]]
        do throws(PostgresError) {
            tables = try connection.run([read])
        } catch {
            throw failure(error, of: [read], keys.count == 1 ? keyValues(keys[0]) : [])
        }
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
        let isBegun = statements.plan.mode == .upsert
        let start = isBegun ? [] : [Self.begin, statements.keepTable(), statements.checkShape()]
        var work: [PostgresStatement] = []
        if !write.deletions.isEmpty { work.append(statements.delete(write.deletions)) }
        if !write.rows.isEmpty { work += statements.write(write.rows) }
        if !write.states.isEmpty { work.append(statements.writeStates(write.states)) }
        do throws(PostgresError) {
            try connection.run(start + work + [PostgresStatement("COMMIT")])
        } catch {
            throw failure(error, of: work, suspects(in: write))
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

    // MARK: - Who is at fault

    /// What it means that the server refuses statements with rows.
    ///
    /// - Parameter suspects: What may be at fault; nothing where it is more than one row.
    private func failure(
        _ error: PostgresError, of work: [PostgresStatement], _ suspects: [Suspect]
    ) -> TableFailure {
        guard case .server(var report) = error else { return TableFailure(postgres: error) }
        let isUnclear = SQLState.mayBeAValues(report.state)
        guard isUnclear || report.state.hasPrefix("22") else { return TableFailure(postgres: error) }
        rollback()
        if isUnclear {
            do throws(PostgresError) {
                try connection.run([statements.checkShape()] + work.map(\.planned))
            } catch {
                return .sink(TableFailure(postgres: error).sinkError)
            }
        }
        if let column = suspects.first(where: { isRefused($0, report.state) })?.column {
            report.column = report.column ?? statements.plan.columns[column].name
            report.message = ""
            return .data("PostgreSQL: \(report.description)")
        }
        guard isUnclear else { return TableFailure(postgres: error) }
        // What is said of a row may quote it; that a right is missing, and on what, does not.
        if report.state != "42501" || report.message.isEmpty { report.message = Self.advice }
        return .unclear("PostgreSQL: \(report.description)")
    }

    private static let advice =
        "the table takes such a statement, but not this row; look at its triggers, defaults and policies, "
        + "and into the server's log"

    /// A value that may be at fault.
    private typealias Suspect = (column: Int, value: RenderedValue)

    private func keyValues(_ key: [RenderedValue]) -> [Suspect] {
        zip(statements.plan.key, key).map { (column: $0, value: $1) }
    }

    private func suspects(in write: TableWrite) -> [Suspect] {
        guard write.rows.count <= 1, write.deletions.count <= 1 else { return [] }
        return write.deletions.flatMap(keyValues)
            + write.rows.flatMap { keyValues($0.key) + $0.values.present }
    }

    /// Whether it is this value that the server refuses with this SQLSTATE: PostgreSQL doesn't tell, so each
    /// is tried alone, away from the table.
    private func isRefused(_ suspect: Suspect, _ state: String) -> Bool {
        do throws(PostgresError) {
            let answer = try connection.run([statements.trial(suspect.value, suspect.column)])
            return ["22001", "22026"].contains(state) && answer.first?.first?.first == "t"
        } catch {
            guard case .server(let report) = error else { return false }
            return report.state == state
        }
    }
}
