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
    private let affinities: [Affinity]
    private let text: SQLiteText
    /// ``SQLiteSchema/shape()`` when the table was looked at.
    let shape: String
    /// Nil where every row is written with ``write``.
    private let cache: SQLitePartsCache?
    /// Made once, for they are the key under which the connection keeps its prepared statements.
    let write: String
    let delete: String
    let read: String
    let readState: String
    let readSubject: String
    let writeState: String

    init(_ plan: TablePlan, _ table: ExistingTable) throws(SinkError) {
        self.plan = plan
        ddl = TableDDL(plan: plan, dialect: .sqlite)
        columns = plan.columns.compactMap { table.column($0.name) }
        guard columns.count == plan.columns.count else {
            throw .misconfigured(reason: "table \(plan.displayName): a column is missing")
        }
        affinities = columns.map { Affinity(ofType: $0.type) }
        text = SQLiteText(plan: plan, ddl: ddl, columns: columns)
        shape = table.shape
        cache = table.mindsUpserts ? nil : SQLitePartsCache()
        write = text.write
        delete = text.delete
        read = text.read
        readState = text.readState("key")
        readSubject = text.readState("subject")
        writeState = text.writeState
    }

    /// The statements for rows that carry these columns, by column index; nil where ``write`` is to be used.
    func parts(carrying carried: [Bool]) -> SQLiteParts? {
        cache?.parts(carried) { text.parts(carrying: carried) }
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

    /// Binds the parameters of ``write``: each column's value, and whether it is carried.
    func bind(_ row: TableWrite.Row, to statement: inout BoundStatement) {
        for column in columns.indices {
            if let place = plan.key.firstIndex(of: column) {
                bind(row.key[place], column, to: &statement)
                statement.bindNull()
            } else if let value = row.values[column] {
                bind(value, column, to: &statement)
                statement.bind(Int64(1))
            } else {
                statement.bindNull()
                statement.bindNull()
            }
        }
    }

    /// Binds the parameters of one of ``SQLiteParts``: the key, then these columns.
    func bind(_ row: TableWrite.Row, _ columns: [Int], to statement: inout BoundStatement) {
        bind(key: row.key, to: &statement)
        for column in columns { bind(row.values[column] ?? .missing, column, to: &statement) }
    }

    /// Binds the first parameters of ``delete``, ``read`` and ``page(isFirst:)``.
    func bind(key: [RenderedValue], to statement: inout BoundStatement) {
        for (value, column) in zip(key, plan.key) { bind(value, column, to: &statement) }
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

    func isJSON(_ column: Int) -> Bool { affinities[column] == .json }

    private func bind(_ value: RenderedValue, _ column: Int, to statement: inout BoundStatement) {
        let affinity = affinities[column]
        switch value {
        case .missing, .null: statement.bindNull()
        case .json(let bytes): statement.bind(text: bytes)
        case _ where affinity == .json: statement.bind(value.jsonText)
        case .bool(let flag) where affinity == .text: statement.bind(flag ? "true" : "false")
        case .bool(let flag): statement.bind(Int64(flag ? 1 : 0))
        case .number(let text) where affinity == .none:
            if let number = Int64(text) {
                statement.bind(number)
            } else if let number = Double(text) {
                statement.bind(number)
            } else {
                statement.bindNull()
            }
        // As text, so that a TEXT column keeps the spelling; other columns convert it by their affinity.
        case .number(let text), .string(let text): statement.bind(text)
        }
    }

    /// What becomes of a value in a column, as far as it matters here, by the rules of
    /// https://sqlite.org/datatype3.html#determination_of_column_affinity.
    private enum Affinity {
        case json, text, none, other

        init(ofType type: String) {
            let type = type.uppercased()
            if type.hasPrefix("JSON") {
                self = .json
            } else if type.contains("INT") {
                self = .other
            } else if ["CHAR", "CLOB", "TEXT"].contains(where: { type.contains($0) }) {
                self = .text
            } else {
                self = type.isEmpty || type.contains("BLOB") ? .none : .other
            }
        }
    }
}
