import Config
import Relay

/// Looks at a table in PostgreSQL, and makes it fit.
struct PostgresSchema {
    let plan: TablePlan
    let connection: PostgresConnection

    private var ddl: TableDDL { TableDDL(plan: plan, dialect: .postgresql) }

    /// Creates what is missing, and gives the table as it is then.
    func prepare() throws(TableFailure) -> ExistingTable {
        // Two relays that start at once would both create the table.
        try run([
            PostgresStatement("BEGIN"),
            PostgresStatement("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", ["okta-relay schema"]),
        ])
        let comparison = TableComparison(plan: plan, ddl: ddl)
        let (table, hasState) = (try table(), try exists(ddl.stateTable))
        let statements: [String]
        do throws(SinkError) {
            statements = try comparison.statements(table: table, hasState: hasState)
        } catch {
            throw .sink(error)
        }
        try run(try schemaStatements() + statements.map { PostgresStatement($0) })
        let result = try self.table()
        try run([PostgresStatement("COMMIT")])
        if let result { return result }
        throw .sink(.misconfigured(reason: "table \(plan.displayName) cannot be created"))
    }

    /// Throws where ``prepare()`` would find a difference or lack a right; creates nothing.
    func check() throws(TableFailure) {
        try run([PostgresStatement("BEGIN READ ONLY")])
        let comparison = TableComparison(plan: plan, ddl: ddl)
        let (table, hasState) = (try table(), try exists(ddl.stateTable))
        do throws(SinkError) {
            _ = try comparison.statements(table: table, hasState: hasState)
        } catch {
            throw .sink(error)
        }
        if table != nil { try checkRights(on: ddl.table) }
        if hasState { try checkRights(on: ddl.stateTable) }
        try run([PostgresStatement("ROLLBACK")])
    }

    private func checkRights(on table: String) throws(TableFailure) {
        // An append table needs SELECT as well: a conflict's columns have to be read.
        var rights = ["SELECT", "INSERT"]
        if plan.mode == .upsert { rights.append("UPDATE") }
        if plan.onDelete == .delete, table == ddl.table { rights.append("DELETE") }
        let answers = try run(
            rights.map { PostgresStatement("SELECT has_table_privilege($1, $2)", [table, $0]) })
        let missing = zip(rights, answers).filter { $1.first?.first.flatMap(\.self) != "t" }.map(\.0)
        guard missing.isEmpty else {
            let list = missing.joined(separator: ", ")
            throw .sink(.misconfigured(reason: "table \(table): the role may not \(list); grant it"))
        }
    }

    private func schemaStatements() throws(TableFailure) -> [PostgresStatement] {
        guard plan.createsMissing, let schema = plan.schema, let create = ddl.createSchema else { return [] }
        let found = try run([PostgresStatement("SELECT 1 FROM pg_namespace WHERE nspname = $1", [schema])])
        // `IF NOT EXISTS` asks for the right to create schemas even where it exists.
        return found.first?.isEmpty == true ? [PostgresStatement(create)] : []
    }

    private func exists(_ table: String) throws(TableFailure) -> Bool {
        let found = try run([PostgresStatement("SELECT to_regclass($1)::text", [table])])
        return found.first?.first?.first.flatMap(\.self) != nil
    }

    @discardableResult
    private func run(_ statements: [PostgresStatement]) throws(TableFailure) -> [[[String?]]] {
        do throws(PostgresError) {
            return try connection.run(statements)
        } catch {
            throw TableFailure(postgres: error)
        }
    }

    /// Nil where there is no such table.
    private func table() throws(TableFailure) -> ExistingTable? {
        guard try exists(ddl.table) else { return nil }
        let answers = try run([
            PostgresStatement(Self.shape, [ddl.table]), PostgresStatement(Self.columns, [ddl.table]),
            PostgresStatement(Self.uniqueKeys, [ddl.table]),
        ])
        let columns = answers[1].map { row in
            ExistingTable.Column(
                name: row[0] ?? "", type: row[1] ?? "text", fullType: row[2] ?? "text", standard: row[3],
                isNotNull: row[4] == "t", isAutomatic: row[5] == "t", isGenerated: row[6] == "t")
        }
        var keys: [String: Set<String>] = [:]
        for row in answers[2] { keys[row[0] ?? "", default: []].insert(row[1] ?? "") }
        var table = ExistingTable(columns: columns, uniqueKeys: Array(keys.values))
        table.shape = answers[0].first?.first.flatMap(\.self) ?? ""
        return table
    }

    /// Which table it is, and the transactions that had the last word on each column, dropped ones and
    /// defaults included.
    static let shape = """
        SELECT concat(to_regclass($1)::oid, array_agg(a.xmin ORDER BY a.attnum)) FROM pg_attribute AS a
        WHERE a.attrelid = to_regclass($1) AND a.attnum > 0
        """

    private static let columns = """
        SELECT a.attname, format_type(a.atttypid, -1), format_type(a.atttypid, a.atttypmod),
            pg_get_expr(d.adbin, d.adrelid), a.attnotnull, a.attidentity <> '',
            a.attgenerated <> '' OR a.attidentity = 'a'
        FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
        """

    private static let uniqueKeys = """
        SELECT i.indexrelid::text, a.attname
        FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY AS k(number, place), pg_attribute a
        WHERE i.indrelid = to_regclass($1) AND i.indisunique AND i.indimmediate AND i.indisvalid
            AND i.indpred IS NULL AND i.indexprs IS NULL AND k.place <= i.indnkeyatts
            AND a.attrelid = i.indrelid AND a.attnum = k.number
        """
}
