import GRDB
import Relay

/// Looks at a table in a SQLite file, and makes it fit.
struct SQLiteSchema {
    let plan: TablePlan
    let database: Database
    let path: String

    /// Creates what is missing, and gives the table as it is then.
    func prepare() throws(TableFailure) -> ExistingTable {
        try transaction { (.commit, try fitting()) }
    }

    /// The same in the transaction that has begun, with the write lock.
    func fitting() throws -> ExistingTable {
        for statement in try missing() { try database.execute(sql: statement) }
        guard var table = try table() else {
            throw SinkError.misconfigured(reason: "table \(plan.displayName) cannot be created in \(path)")
        }
        table.shape = try shape()
        return table
    }

    /// The number of the file's schema, which each change of it raises, whoever makes it
    /// (https://sqlite.org/pragma.html#pragma_schema_version).
    func shape() throws -> String {
        try Int.fetchOne(database, sql: "PRAGMA schema_version").map(String.init) ?? ""
    }

    /// Throws where ``prepare()`` would; creates nothing.
    func check() throws(TableFailure) {
        try transaction {
            _ = try missing()
            return (.rollback, ())
        }
    }

    /// With the write lock from the start, for that is what deliveries need.
    private func transaction<Value>(
        _ body: () throws -> (Database.TransactionCompletion, Value)
    ) throws(TableFailure) -> Value {
        do {
            var result: Value?
            try database.inTransaction(.immediate) {
                let (completion, value) = try body()
                result = value
                return completion
            }
            if let result { return result }
        } catch {
            throw TableFailure(sqlite: error, path: path)
        }
        throw .sink(.unavailable(reason: "\(path): a transaction did not run"))
    }

    /// The statements that would make the table fit.
    private func missing() throws -> [String] {
        let comparison = TableComparison(plan: plan, ddl: TableDDL(plan: plan, dialect: .sqlite))
        return try comparison.statements(table: table(), hasState: hasState())
    }

    private func hasState() throws -> Bool {
        try String.fetchOne(
            database, sql: "SELECT name FROM sqlite_schema WHERE type = 'table' AND lower(name) = lower(?)",
            arguments: [plan.stateTable]) != nil
    }

    /// Nil where there is no such table.
    ///
    /// SQLite's names ignore case, so they are compared in lower case, except where the plan spells them.
    private func table() throws -> ExistingTable? {
        let rows = try Row.fetchAll(
            database,
            sql: "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?)",
            arguments: [plan.name])
        guard !rows.isEmpty else { return nil }
        var primaryKey: Set<String> = []
        let columns = rows.map { row in
            let name = spelled(row["name"])
            let type: String = row["type"]
            let isKey = (row["pk"] as Int) > 0
            if isKey { primaryKey.insert(name) }
            return ExistingTable.Column(
                name: name, type: type, standard: row["dflt_value"], isNotNull: row["notnull"],
                isAutomatic: isKey && type.uppercased() == "INTEGER",
                isGenerated: (row["hidden"] as Int) > 1)
        }
        return ExistingTable(
            columns: columns, uniqueKeys: try uniqueKeys() + [primaryKey], mindsUpserts: try mindsUpserts())
    }

    /// Whether an upsert does something else there than an update, else an insert.
    ///
    /// It fires other triggers, heeds other clauses, and finds another row where an index compares in another
    /// way than its column.
    ///
    /// A column that is called conflict counts as a clause, which costs time only.
    private func mindsUpserts() throws -> Bool {
        let count = try Int.fetchOne(
            database,
            sql: """
                SELECT count(*) FROM sqlite_schema
                WHERE lower(tbl_name) = lower(?) AND (
                    type = 'trigger' OR sql LIKE '%conflict%' OR sql LIKE '%collate%')
                """,
            arguments: [plan.name])
        return count != 0
    }

    private func uniqueKeys() throws -> [Set<String>] {
        let indices = try String.fetchAll(
            database, sql: "SELECT name FROM pragma_index_list(?) WHERE \"unique\" AND NOT partial",
            arguments: [plan.name])
        return try indices.map { index in
            let names = try String?.fetchAll(
                database, sql: "SELECT name FROM pragma_index_info(?)", arguments: [index])
            // An expression has no name; such an index is nobody's key.
            return names.contains(nil) ? [] : Set(names.compactMap(\.self).map(spelled))
        }
    }

    private func spelled(_ name: String) -> String {
        plan.columns.first { $0.name.lowercased() == name.lowercased() }?.name ?? name
    }
}
