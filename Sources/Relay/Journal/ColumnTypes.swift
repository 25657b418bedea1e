import GRDB

/// What the columns of a table hold, as a new journal has it.
struct ColumnTypes: Sendable {
    private struct Column {
        let name: String
        let type: String
        let mayBeNull: Bool
    }

    /// Tables that grow with the events: to look at all of their rows takes long.
    private static let growing: Set = [
        "entries", "bodies", "seen_pages", "dead_letters", "quarantine", "user_states", "settlements",
        "receipts", "removals", "attempts", "operations", "detached",
    ]

    let table: String
    private var columns: [Column] = []

    var isGrowing: Bool { Self.growing.contains(table) }

    /// Of every table.
    static func all() throws -> [ColumnTypes] {
        let sql = """
            SELECT tables.name, columns.name, lower(columns.type), "notnull" = 0 AND pk = 0
            FROM sqlite_schema AS tables, pragma_table_info(tables.name) AS columns
            WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite_%' ORDER BY tables.name, cid
            """
        var all: [ColumnTypes] = []
        for row in try JournalSchema.fresh().read({ try StoredRow.fetchAll($0, sql: sql) }) {
            let table: String = try row[0]
            if all.last?.table != table { all.append(ColumnTypes(table: table)) }
            try all[all.count - 1].columns.append(Column(name: row[1], type: row[2], mayBeNull: row[3]))
        }
        return all
    }

    /// Columns that have values of the wrong type, and how many.
    ///
    /// What reads them may take such a value for another one, and what writes them may make it one.
    func problems(_ db: Database) throws -> [String] {
        let counts = columns.map { column in
            let types = column.mayBeNull ? "'\(column.type)', 'null'" : "'\(column.type)'"
            return #"count(*) FILTER (WHERE typeof(\#(table)."\#(column.name)") NOT IN (\#(types)))"#
        }
        // An index has values of its own.
        let select = "SELECT \(counts.joined(separator: ", ")) FROM \(table) NOT INDEXED"
        guard let row = try StoredRow.fetchOne(db, sql: select) else { return [] }
        return try columns.enumerated().compactMap { index, column in
            let count: Int = try row[index]
            guard count > 0 else { return nil }
            return "\(count) values of \(table).\(column.name) are not of type \(column.type)"
        }
    }
}
