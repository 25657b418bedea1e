import Config
import Relay

/// A table as the database describes it.
struct ExistingTable: Sendable, Equatable {
    struct Column: Sendable, Equatable {
        let name: String
        /// As the database writes it, without length.
        let type: String
        /// The same with length and precision.
        var fullType = ""
        /// The SQL expression of its default; nil where there is none.
        let standard: String?
        let isNotNull: Bool
        /// Whether the database makes its value by itself: generated, identity, an integer primary key.
        let isAutomatic: Bool
        /// Whether it must not be written.
        let isGenerated: Bool
    }

    let columns: [Column]
    /// The column names of each unique constraint, unique index and primary key without conditions.
    let uniqueKeys: [Set<String>]
    /// Whether triggers, conflict clauses or collations would tell an upsert from an update or an insert;
    /// SQLite only.
    var mindsUpserts = false
    /// Another one after each change of a column; in SQLite, after each change of the file's schema.
    var shape = ""

    func column(_ name: String) -> Column? { columns.first { $0.name == name } }
}

/// Compares a plan with what is there.
struct TableComparison {
    let plan: TablePlan
    let ddl: TableDDL

    /// The statements that make the table fit; throws the exact difference where they are not allowed or
    /// wouldn't help.
    func statements(table: ExistingTable?, hasState: Bool) throws(SinkError) -> [String] {
        var statements: [String] = []
        if let table {
            let missing = plan.columns.indices.filter { table.column(plan.columns[$0].name) == nil }
            var differences = differences(from: table)
            if !plan.createsMissing {
                differences += missing.map { "column \"\(plan.columns[$0].name)\" is missing" }
            } else {
                differences += missing.filter(plan.key.contains).map {
                    "the key column \"\(plan.columns[$0].name)\" is missing"
                }
            }
            if !differences.isEmpty { throw misfit(differences) }
            statements += missing.map(ddl.addColumn)
        } else {
            guard plan.createsMissing else { throw misfit(["the table is missing"]) }
            statements.append(ddl.createTable)
        }
        if plan.mode == .upsert, !hasState {
            guard plan.createsMissing else {
                throw misfit(["its companion table \(plan.stateTable) is missing"])
            }
            statements += ddl.createState
        }
        return statements
    }

    private func differences(from table: ExistingTable) -> [String] {
        let planned = Set(plan.columns.map(\.name))
        var differences: [String] = []
        for column in table.columns {
            if planned.contains(column.name) {
                if column.isGenerated {
                    differences.append("column \"\(column.name)\" is generated and cannot be written")
                }
            } else if column.isNotNull, column.standard == nil, !column.isAutomatic, !column.isGenerated {
                differences.append(
                    "column \"\(column.name)\" is NOT NULL without a default, and no mapping writes it")
            }
        }
        let key = Set(plan.key.map { plan.columns[$0].name })
        if !table.uniqueKeys.contains(key), key.isSubset(of: table.columns.map(\.name)) {
            let names = ddl.keyNames.joined(separator: ", ")
            differences.append("it needs a primary key or unique constraint on (\(names))")
        }
        return differences
    }

    private func misfit(_ differences: [String]) -> SinkError {
        let hint = plan.createsMissing ? "" : " (\"create\" is false; `schema --sql` prints the statements)"
        let list = differences.joined(separator: "; ")
        return .misconfigured(reason: "table \(plan.displayName): \(list)\(hint)")
    }
}
