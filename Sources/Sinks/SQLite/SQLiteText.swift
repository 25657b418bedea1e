import Config

/// The SQL of one table's statements.
struct SQLiteText {
    let plan: TablePlan
    let ddl: TableDDL
    /// Per column of the plan, as the table has it.
    let columns: [ExistingTable.Column]

    /// Writes one row: each column of the plan has a value and a flag that tells whether it is carried.
    ///
    /// The old row is joined in, because SQLite checks NOT NULL before it sees a conflict: a column that
    /// isn't carried must come with its old value.
    var write: String {
        let names = plan.columns.indices.map(ddl.name)
        let sources = plan.columns.indices.map(source)
        let isUpsert = plan.mode == .upsert
        let join = isUpsert ? " LEFT JOIN \(ddl.table) AS r ON \(match("r."))" : ""
        let changes = plan.changing.map { "\(ddl.name(of: $0)) = excluded.\(ddl.name(of: $0))" }
        let action =
            isUpsert && !changes.isEmpty ? "UPDATE SET \(changes.joined(separator: ", "))" : "NOTHING"
        return """
            INSERT INTO \(ddl.table) (\(names.joined(separator: ", ")))
            SELECT \(sources.joined(separator: ", ")) FROM (SELECT 1)\(join) WHERE true
            ON CONFLICT (\(ddl.keyNames.joined(separator: ", "))) DO \(action)
            """
    }

    /// The statements for rows that carry these columns; nil where an update would have nothing to set.
    func parts(carrying carried: [Bool]) -> SQLiteParts? {
        let changing = plan.changing.filter { carried[$0] }
        let others = plan.columns.indices.filter { carried[$0] && plan.columns[$0].isInsertOnly }
            .filter { !plan.key.contains($0) }
        let columns = plan.key + changing + others
        let marks = columns.indices.map { "?\($0 + 1)" }.joined(separator: ", ")
        let insert =
            "INSERT INTO \(ddl.table) (\(columns.map(ddl.name).joined(separator: ", "))) VALUES (\(marks))"
        guard plan.mode == .upsert else {
            let keys = ddl.keyNames.joined(separator: ", ")
            return SQLiteParts(
                changing: changing, others: others, update: nil,
                insert: "\(insert) ON CONFLICT (\(keys)) DO NOTHING")
        }
        if changing.isEmpty { return nil }
        let changes = changing.enumerated().map { "\(ddl.name(of: $1)) = ?\(plan.key.count + $0 + 1)" }
        let update = "UPDATE \(ddl.table) SET \(changes.joined(separator: ", ")) WHERE \(match(""))"
        return SQLiteParts(changing: changing, others: others, update: update, insert: insert)
    }

    var delete: String { "DELETE FROM \(ddl.table) WHERE \(match(""))" }

    var read: String {
        "SELECT \(plan.changing.map(ddl.name).joined(separator: ", ")) FROM \(ddl.table) WHERE \(match(""))"
    }

    /// States by their key or by their subject.
    func readState(_ column: String) -> String {
        "SELECT \"key\", \"subject\", \"state\" FROM \(ddl.stateTable) WHERE \"\(column)\" = ?"
    }

    var writeState: String {
        """
        INSERT INTO \(ddl.stateTable) ("key", "subject", "state") VALUES (?, ?, ?)
        ON CONFLICT ("key") DO UPDATE SET "subject" = excluded."subject", "state" = excluded."state"
        """
    }

    // MARK: - Pieces

    private func source(of column: Int) -> String {
        let value = "?\(2 * column + 1)"
        guard !plan.key.contains(column) else { return value }
        let flag = "?\(2 * column + 2)"
        let standard = columns[column].standard.map { "(\($0))" } ?? "NULL"
        guard plan.mode == .upsert, let key = ddl.keyNames.first else {
            return "CASE WHEN \(flag) THEN \(value) ELSE \(standard) END"
        }
        let old = "r.\(ddl.name(of: column))"
        return plan.columns[column].isInsertOnly
            ? "CASE WHEN r.\(key) IS NOT NULL THEN \(old) WHEN \(flag) THEN \(value) ELSE \(standard) END"
            : "CASE WHEN \(flag) THEN \(value) WHEN r.\(key) IS NULL THEN \(standard) ELSE \(old) END"
    }

    /// In ``write`` parameters are numbered; elsewhere the key's come first.
    private func match(_ prefix: String) -> String {
        plan.key.enumerated().map { position, index in
            let parameter = prefix.isEmpty ? position + 1 : 2 * index + 1
            return "\(prefix)\(ddl.name(of: index)) = ?\(parameter)"
        }.joined(separator: " AND ")
    }
}
