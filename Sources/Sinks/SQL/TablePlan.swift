import Config
import JSON
import Relay
import Rules

/// One description of a table, shared by SQLite and PostgreSQL: its columns, its key, and what events do to
/// it.
struct TablePlan: Sendable {
    /// Nil where the config file names none.
    let schema: String?
    let name: String
    let mode: TableConfiguration.Mode
    /// Key columns included, in the config file's order.
    let columns: [Column]
    /// Indices into ``columns``.
    let key: [Int]
    let operations: [String: Operation]?
    let createsMissing: Bool
    let onDelete: TableConfiguration.OnDelete
    /// Columns that tell whether the row's subject is alive: a deletion has the last word on them.
    let lifeColumns: Set<Int>
    /// Indices of the columns that events change: neither key nor written with a new row only.
    let changing: [Int]

    struct Column: Sendable {
        let name: String
        let source: Source
        let type: ColumnType
        /// Written only with a new row.
        let isInsertOnly: Bool
    }

    enum Source: Sendable {
        case standard(DefaultValue)
        case template(Template)
    }

    init(
        schema: String?, name: String, mode: TableConfiguration.Mode, columns: [Column], key: [Int],
        operations: [String: Operation]?, createsMissing: Bool, onDelete: TableConfiguration.OnDelete,
        lifeColumns: Set<Int>
    ) {
        self.schema = schema
        self.name = name
        self.mode = mode
        self.columns = columns
        self.key = key
        self.operations = operations
        self.createsMissing = createsMissing
        self.onDelete = onDelete
        self.lifeColumns = lifeColumns
        changing = columns.indices.filter { !key.contains($0) && !columns[$0].isInsertOnly }
    }

    /// The companion table, which holds the fold's state.
    var stateTable: String { "\(name)_relay" }

    /// The table as messages name it.
    var displayName: String { schema.map { "\($0).\(name)" } ?? name }


    /// Whether a deletion takes this column's value away, or covers it.
    func isHiddenByDeletion(_ column: Int) -> Bool {
        onDelete == .delete || lifeColumns.contains(column)
    }

    func column(named name: String) -> Int? { columns.firstIndex { $0.name.utf8.elementsEqual(name.utf8) } }
}

/// How a plan is read out of the configuration.
extension TablePlan {
    init(_ table: TableConfiguration) throws(SinkError) {
        let columns = Self.columns(of: table)
        let key = try Self.key(of: table, among: columns)
        self.init(
            schema: table.schema,
            name: table.name,
            mode: table.mode,
            columns: columns,
            key: key,
            operations: table.operations,
            createsMissing: table.createsMissing,
            onDelete: table.onDelete,
            lifeColumns: Self.lifeColumns(of: table, among: columns, except: key)
        )
    }

    private static func columns(of table: TableConfiguration) -> [Column] {
        if let mapped = table.columns {
            return mapped.map { column in
                let type = column.type.map { ColumnType(sqlite: $0, postgresql: $0) } ?? .text
                return Column(
                    name: column.name, source: .template(column.value), type: type,
                    isInsertOnly: column.isInsertOnly)
            }
        }
        var rows = table.mode == .upsert ? DefaultColumns.upsert : DefaultColumns.append
        if table.key?.contains(DefaultColumns.org.name) == true { rows.insert(DefaultColumns.org, at: 0) }
        return rows.map {
            Column(name: $0.name, source: .standard($0.value), type: $0.type, isInsertOnly: false)
        }
    }

    private static func key(
        of table: TableConfiguration, among columns: [Column]
    ) throws(SinkError) -> [Int] {
        let standard = table.mode == .upsert ? DefaultColumns.upsertKey : DefaultColumns.appendKey
        let names = table.key ?? [standard]
        var key: [Int] = []
        for name in names {
            guard let index = columns.firstIndex(where: { $0.name == name }) else {
                throw .misconfigured(
                    reason: "table \(table.name): the key column \"\(name)\" is not among the columns; "
                        + "map it, or name the key with \"key\"")
            }
            key.append(index)
        }
        guard !key.isEmpty else {
            throw .misconfigured(reason: "table \(table.name): the key has no columns")
        }
        return key
    }

    /// The default columns are known; a mapped one is tried with a living and with a deleted user.
    private static func lifeColumns(
        of table: TableConfiguration, among columns: [Column], except key: [Int]
    ) -> Set<Int> {
        guard table.mode == .upsert, table.onDelete == .mark else { return [] }
        let alive = LifeProbe.document(status: nil, isActive: nil, .update)
        let deleted = LifeProbe.document(status: "DELETED", isActive: false, .delete)
        return Set(
            columns.indices.filter { index in
                guard !key.contains(index), !columns[index].isInsertOnly else { return false }
                switch columns[index].source {
                case .standard(.status), .standard(.deletedAt): return true
                case .standard: return false
                case .template(let template):
                    guard let alive, let deleted else { return false }
                    return (try? template.render(alive.root)) != (try? template.render(deleted.root))
                }
            })
    }
}

/// A made-up event, to see which templates speak of life and death.
private enum LifeProbe {
    static func document(status: String?, isActive: Bool?, _ operation: Operation) -> JSONDocument? {
        let text = """
            {"uuid":"probe","eventType":"user.account.update_profile","published":"2026-01-01T00:00:00Z",
             "outcome":{"result":"SUCCESS"},"target":[{"type":"User","id":"probe","alternateId":"probe",
             "displayName":"probe"}]}
            """
        guard let body = try? JSONDocument(text),
            let event = try? Event(body: body, hook: "probe", org: "probe", receivedAt: 0)
        else { return nil }
        let user = EventDocument.User(
            id: "probe", login: "probe", displayName: "probe", status: status, isActive: isActive)
        let context = EventDocument.Context(
            sink: "probe", rule: "probe", attempt: 1, idempotencyKey: "probe", operation: operation)
        return EventDocument.make(event, user: user, context)
    }
}
