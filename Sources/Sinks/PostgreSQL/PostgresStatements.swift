import Config
import Foundation
import JSON
import Relay
import Rules

/// The statements for one table in PostgreSQL, and how values become their parameters.
///
/// A statement writes any number of rows: each column is an array of texts, unnested side by side and cast to
/// the column's own type, so there is one plan and no limit on rows.
struct PostgresStatements: Sendable {
    let plan: TablePlan
    let ddl: TableDDL
    /// Per column of the plan, as the table has it.
    let columns: [ExistingTable.Column]
    private let shape: String

    init(_ plan: TablePlan, _ table: ExistingTable) throws(SinkError) {
        self.plan = plan
        ddl = TableDDL(plan: plan, dialect: .postgresql)
        columns = plan.columns.compactMap { table.column($0.name) }
        shape = table.shape
        guard columns.count == plan.columns.count else {
            throw .misconfigured(reason: "table \(plan.displayName): a column is missing")
        }
    }

    /// Has whoever changes the table wait until the transaction ends, by the lock that writing takes: a
    /// weaker one would have to be raised then, which is a deadlock where it meets a migration.
    func keepTable() -> PostgresStatement {
        PostgresStatement("LOCK TABLE ONLY \(ddl.table) IN ROW EXCLUSIVE MODE")
    }

    /// Fails where a column is not as it was when the table was looked at.
    ///
    /// Most changes of a type would go unseen, for the server casts what is written for the old one: a
    /// `timestamptz` from a `timestamp` that has lost its zone, a `text` from JSON with its quotes. To ask
    /// for a setting that nobody has is how plain SQL fails on purpose.
    func checkShape() -> PostgresStatement {
        PostgresStatement(
            """
            SELECT current_setting(
                CASE WHEN (\(PostgresSchema.shape)) = $2 THEN 'server_version'
                ELSE 'okta-relay: the table has changed' END)
            """, [ddl.table, shape])
    }

    /// Keeps other writers of this table, other relays that is, waiting until the transaction ends.
    func lockTable() -> PostgresStatement {
        PostgresStatement(
            "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", ["okta-relay \(ddl.stateTable)"])
    }

    /// States by their keys, each looked up by itself: for a list of 2,000 the planner reads the whole table.
    func readStates(keys: [String]) -> PostgresStatement {
        PostgresStatement(
            """
            SELECT s.* FROM unnest($1::text[]) AS u(k) CROSS JOIN LATERAL (
                SELECT "key", "subject", "state" FROM \(ddl.stateTable) WHERE "key" = u.k OFFSET 0
            ) AS s
            """, [PostgresArray.literal(keys)])
    }

    /// States by their subjects: in a statement of its own, for an `OR` with the keys reads the whole table.
    func readStates(subjects: [String]) -> PostgresStatement {
        PostgresStatement(
            """
            SELECT "key", "subject", "state" FROM \(ddl.stateTable) WHERE "subject" = ANY ($1::text[])
            """, [PostgresArray.literal(subjects)])
    }

    func writeStates(_ states: [StoredState]) -> PostgresStatement {
        PostgresStatement(
            """
            INSERT INTO \(ddl.stateTable) ("key", "subject", "state")
            SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
            ON CONFLICT ("key") DO UPDATE SET "subject" = excluded."subject", "state" = excluded."state"
            """,
            [
                PostgresArray.literal(states.map(\.key)), PostgresArray.literal(states.map(\.subject)),
                PostgresArray.literal(states.map(\.state)),
            ])
    }

    /// The changing columns of rows, each with the key's place in `keys` from 1.
    func read(_ keys: [[RenderedValue]]) -> PostgresStatement {
        let values = plan.changing.map { "r.\(ddl.name(of: $0))::text" }
        return PostgresStatement(
            """
            SELECT \((["u.n"] + values).joined(separator: ", "))
            FROM unnest(\(arrays(plan.key.count))) WITH ORDINALITY AS u(\(keyAliases), n)
            CROSS JOIN \(oldRow("OFFSET 0"))
            """, keyArrays(keys))
    }

    /// Locks rows that the table's other users may be changing, so that the join in ``write(_:)`` sees the
    /// last word on columns that aren't carried.
    private func lockRows(_ keys: [[RenderedValue]]) -> PostgresStatement {
        PostgresStatement(
            """
            SELECT count(*) FROM unnest(\(arrays(plan.key.count))) AS u(\(keyAliases))
            CROSS JOIN \(oldRow("FOR UPDATE"))
            """, keyArrays(keys))
    }

    func delete(_ keys: [[RenderedValue]]) -> PostgresStatement {
        PostgresStatement(
            """
            DELETE FROM \(ddl.table) AS r USING unnest(\(arrays(plan.key.count))) AS u(\(keyAliases))
            WHERE \(match)
            """, keyArrays(keys))
    }

    /// Writes rows: a column that a row doesn't carry keeps its value, or gets its default in a new row.
    ///
    /// What no row carries needs no values, and what all carry no flags: most columns are one or the other,
    /// and the server spends much of its time on taking arrays apart. Where all carry all, the old rows don't
    /// matter.
    func write(_ rows: [TableWrite.Row]) -> [PostgresStatement] {
        let others = plan.columns.indices.filter { !plan.key.contains($0) }
        let extents = others.map { Extent(of: $0, in: rows) }
        let carried = zip(others, extents).filter { $1 != .none }.map(\.0)
        let flagged = zip(others, extents).filter { $1 == .some }.map(\.0)
        let texts = arrays(plan.key.count + carried.count)
        let flags = flagged.indices.map { "$\(plan.key.count + carried.count + $0 + 1)::bool[]" }
        let aliases = [keyAliases] + carried.map { "v\($0)" } + flagged.map { "f\($0)" }
        let names = (plan.key + others).map(ddl.name)
        let sources =
            plan.key.enumerated().map { keyValue($0.offset, $0.element) } + zip(others, extents).map(source)
        let isUpsert = plan.mode == .upsert
        let needsOld =
            isUpsert && zip(others, extents).contains { $1 != .all || plan.columns[$0].isInsertOnly }
        let join = needsOld ? " LEFT JOIN \(oldRow("OFFSET 0")) ON true" : ""
        let changes = plan.changing.filter(carried.contains).map {
            "\(ddl.name(of: $0)) = excluded.\(ddl.name(of: $0))"
        }
        let action =
            isUpsert && !changes.isEmpty ? "UPDATE SET \(changes.joined(separator: ", "))" : "NOTHING"
        let arrays = ([texts] + flags).joined(separator: ", ")
        let sql = """
            INSERT INTO \(ddl.table) (\(names.joined(separator: ", ")))
            SELECT \(sources.joined(separator: ", "))
            FROM unnest(\(arrays)) AS u(\(aliases.joined(separator: ", ")))\(join)
            ON CONFLICT (\(ddl.keyNames.joined(separator: ", "))) DO \(action)
            """
        let values = carried.map { column in
            PostgresArray.literal(rows.map { row in row.values[column].flatMap { text($0, column) } })
        }
        let whether = flagged.map { column in
            PostgresArray.literal(rows.map { $0.values[column] == nil ? "f" : "t" })
        }
        let keys = rows.map(\.key)
        let write = PostgresStatement(sql, keyArrays(keys) + values + whether)
        return needsOld ? [lockRows(keys), write] : [write]
    }

    /// Which rows of a batch carry a column.
    private enum Extent {
        case none, some, all

        init(of column: Int, in rows: [TableWrite.Row]) {
            let count = rows.count { $0.values[column] != nil }
            self = count == 0 ? .none : count == rows.count ? .all : .some
        }
    }

    /// A page of rows by ascending key, as JSON values, then the key's values as text.
    func page(after: [RenderedValue]?, limit: Int) -> PostgresStatement {
        let values = plan.columns.indices.map { "to_json(\(ddl.name(of: $0)))::text" }
        let keys = ddl.keyNames.map { "\($0)::text" }
        let marks = plan.key.enumerated().map { "$\($0.offset + 1)::text::\(columns[$0.element].type)" }
        let key = ddl.keyNames.joined(separator: ", ")
        let filter = after == nil ? "" : " WHERE (\(key)) > (\(marks.joined(separator: ", ")))"
        return PostgresStatement(
            "SELECT \((values + keys).joined(separator: ", ")) FROM \(ddl.table)\(filter) "
                + "ORDER BY \(key) LIMIT \(limit)",
            zip(after ?? [], plan.key).map { text($0, $1) })
    }

    /// Whether one column alone refuses a value, or would cut it off: true then.
    func trial(_ value: RenderedValue, _ column: Int) -> PostgresStatement {
        let type = columns[column].type
        let whole = columns[column].fullType
        return PostgresStatement(
            "SELECT ($1::text::\(type)::\(whole))::text IS DISTINCT FROM ($1::text::\(type))::text",
            [text(value, column)])
    }

    // MARK: - Values

    /// A value in the text form of the column's type; nil is NULL.
    func text(_ value: RenderedValue, _ column: Int) -> String? {
        if value == .missing || value == .null { return nil }
        let type = columns[column].type
        if type == "jsonb" {
            if case .json(let bytes) = value { return SearchableJSON.text(bytes) }
            return SearchableJSON.text(value.jsonText.utf8)
        }
        if type == "json" {
            if case .json(let bytes) = value { return String(decoding: bytes, as: UTF8.self) }
            return value.jsonText
        }
        switch value {
        case .missing, .null: return nil
        case .bool(let flag): return flag ? "true" : "false"
        case .number(let text), .string(let text): return text
        case .json(let bytes):
            if type.hasSuffix("[]"), let root = try? JSONDocument(bytes).root, root.kind == .array {
                return PostgresArray.literal(
                    root.elements.map {
                        $0.isNull ? nil : $0.string ?? String(decoding: $0.raw, as: UTF8.self)
                    })
            }
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    private func keyArrays(_ keys: [[RenderedValue]]) -> [String?] {
        plan.key.enumerated().map { position, column in
            PostgresArray.literal(keys.map { text($0[position], column) })
        }
    }

    // MARK: - Pieces

    /// The row with a key of `u`.
    ///
    /// What ends it, `OFFSET 0` or `FOR UPDATE`, also keeps it from being merged into the query around it:
    /// then the planner would read tables of up to some 100,000 rows as a whole.
    private func oldRow(_ end: String) -> String {
        let names = plan.columns.indices.map { "r.\(ddl.name(of: $0))" }.joined(separator: ", ")
        return "LATERAL (SELECT \(names) FROM \(ddl.table) AS r WHERE \(match) \(end)) AS r"
    }

    private var keyAliases: String { plan.key.indices.map { "k\($0)" }.joined(separator: ", ") }

    private var match: String {
        plan.key.enumerated().map { position, index in
            "r.\(ddl.name(of: index)) = \(keyValue(position, index))"
        }.joined(separator: " AND ")
    }

    private func keyValue(_ position: Int, _ index: Int) -> String {
        "u.k\(position)::\(columns[index].type)"
    }

    private func arrays(_ count: Int) -> String {
        (1...count).map { "$\($0)::text[]" }.joined(separator: ", ")
    }

    /// What a column is set to: its value where it is carried, else what it was, else its default.
    private func source(of column: Int, _ extent: Extent) -> String {
        let type = columns[column].type
        let standard = columns[column].standard.map { "(\($0))::\(type)" } ?? "NULL"
        let value = "u.v\(column)::\(type)"
        let carried =
            switch extent {
            case .none: standard
            case .some: "CASE WHEN u.f\(column) THEN \(value) ELSE \(standard) END"
            case .all: value
            }
        guard plan.mode == .upsert, let key = ddl.keyNames.first else { return carried }
        let old = "r.\(ddl.name(of: column))"
        if plan.columns[column].isInsertOnly || extent == .none {
            return "CASE WHEN r.\(key) IS NOT NULL THEN \(old) ELSE \(carried) END"
        }
        if extent == .all { return value }
        return "CASE WHEN u.f\(column) THEN \(value) WHEN r.\(key) IS NULL THEN \(standard) ELSE \(old) END"
    }
}
