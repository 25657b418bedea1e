import Config
import Foundation
import GRDB
import Relay
import RelayTesting
import Rules
import Synchronization

@testable import Sinks

/// A table in one of the places that a ``TableSession`` may be, with what a test wants to know of it.
protocol TableBench {
    func deliver(_ rows: [TableRow]) throws -> [Receipt.Outcome]
    /// Per row key, the changing columns that are not NULL, as text.
    func contents() throws -> [String: [Int: String]]
}

extension TableBench {
    func deliver(
        _ rows: [TableRow], _ plan: TablePlan, _ session: some TableSession
    ) throws -> [Receipt.Outcome] {
        let numbered = rows.enumerated().map { (offset: Offset(rawValue: Int64($0.offset)), row: $0.element) }
        let delivery = TableDelivery(plan: plan, sink: "bench", session: session)
        return try delivery.deliver(numbered[...]).sorted { $0.offset < $1.offset }.map(\.outcome)
    }
}

/// A table in memory: the fold alone.
final class MemoryBench: TableBench, TableSession {
    let plan: TablePlan
    private var states: [String: StoredState] = [:]
    private var table: [String: RowValues] = [:]

    init(_ plan: TablePlan) { self.plan = plan }

    func deliver(_ rows: [TableRow]) throws -> [Receipt.Outcome] { try deliver(rows, plan, self) }

    func contents() -> [String: [Int: String]] {
        table.mapValues { values in
            Dictionary(uniqueKeysWithValues: values.present.map { ($0.column, SQLHistory.text($0.value)) })
                .compactMapValues(\.self)
        }
    }

    func begin(keys: [String], subjects: [String]) throws(TableFailure) -> [StoredState] {
        states.values.filter { keys.contains($0.key) || subjects.contains($0.subject ?? "") }
    }

    func rows(_ keys: [[RenderedValue]]) throws(TableFailure) -> [String: RowValues] {
        var rows: [String: RowValues] = [:]
        for key in keys { rows[RowKey.text(key)] = table[RowKey.text(key)] }
        return rows
    }

    func commit(_ write: TableWrite) throws(TableFailure) {
        for key in write.deletions { table[RowKey.text(key)] = nil }
        for row in write.rows {
            table[RowKey.text(row.key), default: RowValues(columns: plan.columns.count)].merge(row.values)
        }
        for state in write.states { states[state.key] = state }
    }

    func rollback() {}
}

/// A table in a SQLite file of its own.
final class SQLiteBench: TableBench {
    let plan: TablePlan
    let folder: TemporaryFolder
    let queue: DatabaseQueue
    private let statements: SQLiteStatements

    init(_ plan: TablePlan) throws {
        self.plan = plan
        folder = try TemporaryFolder()
        let (file, path) = (SQLiteFile(path: folder.file("bench.sqlite")), "bench")
        queue = try file.connection(createsMissing: true)
        statements = try queue.writeWithoutTransaction { database in
            try SQLiteStatements(plan, SQLiteSchema(plan: plan, database: database, path: path).prepare())
        }
    }

    func deliver(_ rows: [TableRow]) throws -> [Receipt.Outcome] {
        try queue.writeWithoutTransaction { database in
            try deliver(rows, plan, SQLiteSession(database: database, statements: statements, path: "bench"))
        }
    }

    func contents() throws -> [String: [Int: String]] {
        try queue.read { database in
            let names = plan.columns.map { TableDDL.quoted($0.name) }.joined(separator: ", ")
            var rows: [String: [Int: String]] = [:]
            for row in try Row.fetchAll(database, sql: "SELECT \(names) FROM \(TableDDL.quoted(plan.name))") {
                let key = RowKey.text(plan.key.map { .string(row[$0]) })
                rows[key] = [:]
                for column in plan.changing { rows[key]?[column] = row[column] }
            }
            return rows
        }
    }
}

/// A table in a PostgreSQL database of its own.
final class PostgresBench: TableBench {
    let plan: TablePlan
    private let connection: PostgresConnection
    private let statements: PostgresStatements

    init(_ plan: TablePlan) throws {
        self.plan = plan
        connection = try PostgresConnector(url: Secret(PostgresCluster.shared().makeDatabase())).connect()
        statements = try PostgresStatements(
            plan, PostgresSchema(plan: plan, connection: connection).prepare())
    }

    func deliver(_ rows: [TableRow]) throws -> [Receipt.Outcome] {
        try deliver(rows, plan, PostgresSession(connection: connection, statements: statements))
    }

    func contents() throws -> [String: [Int: String]] {
        let names = plan.columns.map { TableDDL.quoted($0.name) }.joined(separator: ", ")
        let answer = try connection.run([
            PostgresStatement("SELECT \(names) FROM \(TableDDL.quoted(plan.name))")
        ])
        var rows: [String: [Int: String]] = [:]
        for row in answer.first ?? [] {
            let key = RowKey.text(plan.key.map { .string(row[$0] ?? "") })
            rows[key] = [:]
            for column in plan.changing { rows[key]?[column] = row[column] }
        }
        return rows
    }
}
