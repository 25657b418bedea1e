import Config
import Relay
import Rules
import GRDB

/// The statements for one table in SQLite, and how values are bound to them.
struct SQLiteStatements: Sendable {
    let plan: TablePlan
    private let ddl: TableDDL
    /// Per column of the plan, as the table has it.
    private let columns: [ExistingTable.Column]

    init(_ plan: TablePlan, _ table: ExistingTable) throws(SinkError) {
        self.plan = plan
        ddl = TableDDL(plan: plan, dialect: .sqlite)
        columns = plan.columns.compactMap { table.column($0.name) }
        guard columns.count == plan.columns.count else {
            throw .misconfigured(reason: "table \(plan.displayName): a column is missing")
        }
    }

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

    var delete: String { "DELETE FROM \(ddl.table) WHERE \(match(""))" }

    var read: String {
        "SELECT \(plan.changing.map(ddl.name).joined(separator: ", ")) FROM \(ddl.table) WHERE \(match(""))"
    }

    var readState: String {
        "SELECT \"key\", \"subject\", \"state\" FROM \(ddl.stateTable) WHERE \"key\" = ?"
    }

    var readSubject: String {
        "SELECT \"key\", \"subject\", \"state\" FROM \(ddl.stateTable) WHERE \"subject\" = ?"
    }

    var writeState: String {
        """
        INSERT INTO \(ddl.stateTable) ("key", "subject", "state") VALUES (?, ?, ?)
        ON CONFLICT ("key") DO UPDATE SET "subject" = excluded."subject", "state" = excluded."state"
        """
    }

    /// A page of rows by ascending key; the first parameters are the key to start behind.
    func page(isFirst: Bool) -> String {
        let names = plan.columns.indices.map(ddl.name).joined(separator: ", ")
        let key = ddl.keyNames.joined(separator: ", ")
        let marks = plan.key.map { _ in "?" }.joined(separator: ", ")
        let filter = isFirst ? "" : " WHERE (\(key)) > (\(marks))"
        return "SELECT \(names) FROM \(ddl.table)\(filter) ORDER BY \(key) LIMIT ?"
    }

    // MARK: - Values

    /// The arguments of ``write``.
    func arguments(_ row: TableWrite.Row) -> StatementArguments {
        var values = [DatabaseValue](repeating: .null, count: 2 * columns.count)
        for (position, index) in plan.key.enumerated() {
            values[2 * index] = bound(row.key[position], index)
        }
        for (index, value) in row.values {
            values[2 * index] = bound(value, index)
            values[2 * index + 1] = true.databaseValue
        }
        return StatementArguments(values)
    }

    /// The arguments of ``delete``, ``read`` and ``page(isFirst:)``.
    func arguments(key: [RenderedValue]) -> [DatabaseValue] {
        zip(key, plan.key).map { bound($0, $1) }
    }

    /// A value from the table, as ``read`` gives it.
    func value(_ value: DatabaseValue, _ column: Int) -> RenderedValue {
        switch value.storage {
        case .null: return .null
        case .int64(let number): return .number(String(number))
        case .double(let number): return .number("\(number)")
        case .string(let text): return isJSON(column) ? RenderedValue(jsonText: text) : .string(text)
        case .blob: return .missing
        }
    }

    func isJSON(_ column: Int) -> Bool { columns[column].type.uppercased().hasPrefix("JSON") }

    private func bound(_ value: RenderedValue, _ column: Int) -> DatabaseValue {
        if value == .missing || value == .null { return .null }
        if isJSON(column) { return value.jsonText.databaseValue }
        switch value {
        case .missing, .null: return .null
        case .bool(let flag): return isText(column) ? "\(flag)".databaseValue : flag.databaseValue
        case .number(let text):
            // As text, so that a TEXT column keeps the spelling; other columns convert it by their affinity.
            if isBlob(column) { return (Int64(text)?.databaseValue ?? Double(text)?.databaseValue) ?? .null }
            return text.databaseValue
        case .string(let text): return text.databaseValue
        case .json(let bytes): return String(decoding: bytes, as: UTF8.self).databaseValue
        }
    }

    /// By the rules of https://sqlite.org/datatype3.html#determination_of_column_affinity.
    private func isText(_ column: Int) -> Bool {
        let type = columns[column].type.uppercased()
        return !type.contains("INT") && ["CHAR", "CLOB", "TEXT"].contains { type.contains($0) }
    }

    private func isBlob(_ column: Int) -> Bool {
        columns[column].type.isEmpty || columns[column].type.uppercased().contains("BLOB")
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
