import JSON
import Rules

extension TableConfiguration.Mode {
    /// The columns of a table for which the file names none.
    public var standardColumnNames: [String] {
        switch self {
        case .upsert:
            [
                "id", "login", "email", "first_name", "last_name", "display_name", "status", "profile",
                "deleted_at", "last_event_id", "last_event_type", "updated_at",
            ]
        case .append:
            [
                "event_id", "event_type", "published", "received_at", "hook", "user_id", "user_login",
                "operation", "outcome", "body",
            ]
        }
    }

    /// The key column of a table for which the file names none.
    public var standardKey: String {
        switch self {
        case .upsert: "id"
        case .append: "event_id"
        }
    }
}

extension ConfigChecks {
    /// Every sink by itself.
    func checkSinks() {
        let journal = ConfigSurroundings.absolute(draft.journal.path, in: context.directory)
        checkPath(draft.journal.path, at: place("journal", "path"))
        for (name, sink) in draft.sinks {
            let pointer = place("sinks", .name(name))
            switch sink.kind {
            case .sqlite(let sqlite):
                checkPath(sqlite.path, at: pointer.appending("path"))
                let path = ConfigSurroundings.absolute(sqlite.path, in: context.directory)
                if isSound(pointer.appending("path")), isSound(place("journal", "path")), path == journal {
                    error("the journal's own file; give the sink another", at: pointer.appending("path"))
                }
                checkTable(sqlite.table, at: pointer)
                if let schema = sqlite.table.schema, isSound(pointer.appending("table")) {
                    error(
                        "a SQLite file has no schema \"\(quotable(schema))\"; write"
                            + " \"\(quotable(sqlite.table.name))\"", at: pointer.appending("table"))
                }
            case .postgresql(let postgresql):
                checkPostgreSQL(postgresql, at: pointer)
                checkTable(postgresql.table, at: pointer)
            case .http, nil: break
            }
        }
    }

    private func checkPostgreSQL(_ sink: PostgreSQLSinkConfiguration, at pointer: JSONPointer) {
        let url = pointer.appending("url")
        guard isSound(url) else { return }
        let text = sink.url.revealed
        let isURI = text.hasPrefix("postgresql://") || text.hasPrefix("postgres://")
        if !isURI, !text.contains("=") {
            error(
                "not a connection string; write postgresql://user@host/database or \"host=… dbname=…\"",
                at: url)
        }
        if isLiteral(url), text.contains("password=") || (isURI && hasPassword(text)) {
            warning("a password in the config file itself; write ${env:…} or ${file:…}", at: url)
        }
    }

    private func hasPassword(_ uri: String) -> Bool {
        let rest = uri.split(separator: "//", maxSplits: 1).last ?? ""
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        guard let at = authority.lastIndex(of: "@") else { return false }
        return authority[..<at].contains(":")
    }

    // MARK: - One table

    private func checkTable(_ table: TableConfiguration, at pointer: JSONPointer) {
        if table.mode == .append, isSound(pointer.appending("mode")) {
            for key in ["onDelete", "operations"] where has(pointer.appending(key)) {
                error(
                    "\"\(key)\" means nothing in append mode, which keeps every event; leave it out",
                    at: pointer.appending(key))
            }
            for column in table.columns ?? [] where column.isInsertOnly {
                error(
                    "in append mode every row is new; leave \"insert\" out",
                    at: pointer.appending("columns").appending(column.name).appending("insert"))
            }
        }
        if table.operations != nil, table.key == nil, table.mode == .upsert {
            error(
                "a table with \"operations\" holds other things than users, so it needs \"key\" with its key"
                    + " columns", at: pointer.appending("operations"))
        }
        guard isSound(pointer.appending("columns")), isSound(pointer.appending("key")),
            isSound(pointer.appending("mode"))
        else { return }
        checkKey(table, at: pointer)
    }

    private func checkKey(_ table: TableConfiguration, at pointer: JSONPointer) {
        let names = table.columns?.map(\.name) ?? table.mode.standardColumnNames
        guard let key = table.key else {
            if !names.contains(table.mode.standardKey) {
                error(
                    "no column \"\(table.mode.standardKey)\"; name the key columns with \"key\"",
                    at: pointer.appending("columns"))
            }
            return checkKeyColumns([table.mode.standardKey], table, at: pointer)
        }
        for (index, column) in key.enumerated() where !names.contains(column) {
            error(
                "\"\(quotable(column))\" is not among the columns"
                    + NearestName.question(column, among: names),
                at: pointer.appending("key").appending(index))
        }
        checkKeyColumns(key, table, at: pointer)
    }

    private func checkKeyColumns(_ key: [String], _ table: TableConfiguration, at pointer: JSONPointer) {
        guard table.mode == .upsert else { return }
        let columns = pointer.appending("columns")
        for column in table.columns ?? [] where key.contains(column.name) && column.isInsertOnly {
            error(
                "a key column identifies the row, so every event must give it; leave \"insert\" out",
                at: columns.appending(column.name).appending("insert"))
        }
        guard table.operations == nil, table.columns != nil else { return }
        let isByUser = key.contains { columnText($0, at: pointer).contains("$.user.id") }
        if !isByUser, key.allSatisfy({ has(columns.appending($0)) }) {
            warning(
                "no key column holds {{ $.user.id }}; a user whose key value changes, a login say, gets a"
                    + " second row", at: has(pointer.appending("key")) ? pointer.appending("key") : columns)
        }
    }

    /// The mapping of a column as it is written.
    func columnText(_ column: String, at pointer: JSONPointer) -> String {
        let value = context.value(at: pointer.appending("columns").appending(column))
        return value.map { String(decoding: $0.raw, as: UTF8.self) } ?? ""
    }

    // MARK: - Tables against each other

    /// Two sinks on one table would overwrite each other's rows and states.
    func checkTables() {
        var owners: [String: String] = [:]
        let tables = draft.sinks.compactMap { name, sink in place(of: name, sink) }
        for (name, table, state) in tables {
            let pointer = place("sinks", .name(name), "table")
            if let owner = owners[table] {
                error("the sink \"\(owner)\" writes to this table already", at: pointer)
            } else {
                owners[table] = name
            }
            if let state, let other = tables.first(where: { $0.table == state }) {
                error(
                    "the sink \"\(name)\" keeps its state in this table; choose another name",
                    at: place("sinks", .name(other.name), "table"))
            }
        }
    }

    private func place(
        of name: String, _ sink: SinkKeys.Draft
    ) -> (name: String, table: String, state: String?)? {
        let pointer = place("sinks", .name(name))
        guard sink.isEnabled, isSound(pointer.appending("table")) else { return nil }
        let database: String
        let table: TableConfiguration
        switch sink.kind {
        case .sqlite(let sqlite):
            guard isSound(pointer.appending("path")) else { return nil }
            database = ConfigSurroundings.absolute(sqlite.path, in: context.directory)
            table = sqlite.table
        case .postgresql(let postgresql):
            guard isSound(pointer.appending("url")) else { return nil }
            database = postgresql.url.revealed
            table = postgresql.table
        case .http, nil: return nil
        }
        var full = "\(database)\u{0}\(table.schema ?? "")\u{0}\(table.name)"
        if case .sqlite = sink.kind { full = full.lowercased() }
        return (name, full, table.mode == .upsert ? full + "_relay" : nil)
    }
}
