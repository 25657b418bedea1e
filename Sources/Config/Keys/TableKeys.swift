import JSON
import Rules

/// The keys that describe a table, the same for both SQL sinks.
enum TableKeys {
    static let table = Field.required(
        "table", .text(.tableName), "The table; with its schema in PostgreSQL, as `schema.table`.")
    static let mode = Field.defaulted(
        "mode", .choice(TableConfiguration.Mode.upsert, .append), .upsert, standard: "upsert",
        "`upsert`: one row per key, kept current; `append`: one row per event.")
    static let columns = Field.optional(
        "columns", .map(.columnName, to: columnShape, "columns", isEmptyAllowed: false),
        standard: "the mode's own columns", "Columns, each a mapping or an object with `value`.")
    static let key = Field.optional(
        "key", .list(of: .text(.columnName), "column names", count: 1...),
        standard: "`id`, or `event_id` in append mode", "The columns that identify a row.")
    static let operations = Field.optional(
        "operations", .map(.eventType, to: operation, "operations", isEmptyAllowed: false),
        standard: "what the event types mean for a user",
        "Event types to operations, for a table of other things than users; needs `key`.")
    static let create = Field.defaulted(
        "create", .bool, true, standard: "true", "Whether missing tables and columns are created.")
    static let onDelete = Field.defaulted(
        "onDelete", .choice(TableConfiguration.OnDelete.mark, .delete), .mark, standard: "mark",
        "What a deletion does: mark the row as deleted, or remove it.")

    static let all = [
        table.description, mode.description, columns.description, key.description, operations.description,
        create.description, onDelete.description,
    ]

    private static let operation = Shape<Operation>.choice(
        .create, .update, .reactivate, .deactivate, .delete)

    static func read(_ reader: ObjectReader) -> TableConfiguration {
        let name = reader[table]
        return TableConfiguration(
            schema: name.schema,
            name: name.name,
            mode: reader[mode],
            columns: reader[columns]?.compactMap { name, column in
                column.value.map {
                    ColumnConfiguration(
                        name: name, value: $0, type: column.type, isInsertOnly: column.isInsertOnly)
                }
            },
            key: reader[key],
            operations: reader[operations].map {
                Dictionary($0.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
            },
            createsMissing: reader[create],
            onDelete: reader[onDelete]
        )
    }

    // MARK: - Columns

    struct Column: Sendable {
        var value: Template?
        var type: String?
        var isInsertOnly = false
    }

    static let value = Field.required(
        "value", Shape<Template?>.anyTemplate, "The mapping that gives the column's value.")
    static let type = Field.optional(
        "type", .text(.columnType), standard: "text", "The SQL type that the column is created with.")
    static let insert = Field.defaulted(
        "insert", .bool, false, standard: "false", "Whether only a new row gets the value.")

    private static let columnObject = Shape<Column>.object([
        value.description, type.description, insert.description,
    ]) { reader in
        Column(value: reader[value], type: reader[type], isInsertOnly: reader[insert])
    }

    /// An object is the long form; anything else is the mapping itself.
    private static let columnShape = Shape<Column>(
        phrase: "a mapping, or an object with `value`",
        schema: ["if": ["type": "object"], "then": columnObject.schema],
        members: columnObject.members,
        standIn: Column()
    ) { node, context in
        node.value.kind == .object
            ? columnObject.decode(node, context)
            : Column(value: Shape<Template?>.anyTemplate.decode(node, context))
    }
}
