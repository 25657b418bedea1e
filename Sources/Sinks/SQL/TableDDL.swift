import Config
/// The statements that create a table and its companion, in either dialect; `prepare` runs what
/// `schema --sql` prints.
struct TableDDL {
    enum Dialect: Sendable { case sqlite, postgresql }

    let plan: TablePlan
    let dialect: Dialect

    /// All of it, for an empty database.
    var all: [String] {
        var statements = [createTable]
        if let createSchema { statements.insert(createSchema, at: 0) }
        return plan.mode == .upsert ? statements + createState : statements
    }

    var createSchema: String? {
        guard dialect == .postgresql, let schema = plan.schema else { return nil }
        return "CREATE SCHEMA IF NOT EXISTS \(Self.quoted(schema))"
    }

    var createTable: String {
        let columns = plan.columns.indices.map { index in
            definition(of: index) + (plan.key.contains(index) ? " NOT NULL" : "")
        }
        let key = "PRIMARY KEY (\(keyNames.joined(separator: ", ")))"
        return """
            CREATE TABLE IF NOT EXISTS \(table) (
                \((columns + [key]).joined(separator: ",\n    "))
            )
            """
    }

    func addColumn(_ index: Int) -> String { "ALTER TABLE \(table) ADD COLUMN \(definition(of: index))" }

    /// The companion: the fold's state per key.
    ///
    /// The index serves a user's deletion.
    var createState: [String] {
        let type = dialect == .sqlite ? "TEXT" : "text"
        let create = """
            CREATE TABLE IF NOT EXISTS \(stateTable) (
                "key" \(type) NOT NULL PRIMARY KEY,
                "subject" \(type),
                "state" \(type) NOT NULL
            )
            """
        guard plan.operations != nil else { return [create] }
        let name = Self.quoted("\(plan.stateTable)_subject")
        // In PostgreSQL an index lives in its table's schema, and its name takes no schema of its own.
        return [create, "CREATE INDEX IF NOT EXISTS \(name) ON \(stateTable) (\"subject\")"]
    }

    // MARK: - Names

    var table: String { qualified(plan.name) }
    var stateTable: String { qualified(plan.stateTable) }
    var keyNames: [String] { plan.key.map { Self.quoted(plan.columns[$0].name) } }

    func name(of index: Int) -> String { Self.quoted(plan.columns[index].name) }

    /// An identifier as both dialects quote it.
    static func quoted(_ identifier: String) -> String {
        "\"" + identifier.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"")
            + "\""
    }

    private func qualified(_ name: String) -> String {
        (plan.schema.map { Self.quoted($0) + "." } ?? "") + Self.quoted(name)
    }

    private func definition(of index: Int) -> String {
        let type = plan.columns[index].type
        return "\(name(of: index)) \(dialect == .sqlite ? type.sqlite : type.postgresql)"
    }
}
