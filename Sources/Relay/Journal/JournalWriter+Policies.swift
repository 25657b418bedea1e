import GRDB
import Logging
import Rules

/// What the configuration says of sinks, and what changes in the journal for it.
extension JournalWriter {
    /// Takes over how long each sink's entries are held, and carries out renames.
    ///
    /// - Returns: The renames that were carried out, old names to new ones.
    func keep(_ policies: [SinkPolicy]) throws -> [String: String] {
        let configured = Set(policies.map(\.name))
        var renamed: [String: String] = [:]
        var all: [String: String] = [:]
        for policy in policies {
            guard let former = policy.renamedFrom, !configured.contains(former) else { continue }
            all[former] = policy.name
            if try rename(former, to: policy.name) { renamed[former] = policy.name }
        }
        // Requests that are under way still go by rules with the former names.
        renames = all
        self.policies = Dictionary(policies.map { ($0.name, $0) }) { first, _ in first }
        return renamed
    }

    /// Gives a sink's row and routes another name; false where there is nothing to rename.
    private func rename(_ former: String, to name: String) throws -> Bool {
        let db = try database
        let known = try String.fetchSet(
            db, sql: "SELECT name FROM sinks WHERE name IN (?, ?)", arguments: [former, name])
        guard known == [former] else { return false }
        try db.execute(
            sql: "UPDATE sinks SET name = ?, epoch = epoch + 1, is_moved = 1 WHERE name = ?",
            arguments: [name, former])
        try db.execute(sql: "UPDATE replays SET sink = ? WHERE sink = ?", arguments: [name, former])
        try routes.rename(former, to: name, db)
        try db.execute(
            sql: """
                INSERT INTO operations (at, command, sink, detail, entries)
                VALUES (?, 'rename', ?, json_object('renamedFrom', ?), 0)
                """,
            arguments: [clock.now, name, former])
        return true
    }
}

extension Route {
    /// The route with sinks' names exchanged; a sink that is named twice then counts once.
    func renaming(_ names: [String: String]) -> Route {
        guard !names.isEmpty, choices.contains(where: { names[$0.sink] != nil }) else { return self }
        var seen: Set<String> = []
        return Route(
            choices: choices.compactMap { choice in
                let sink = names[choice.sink] ?? choice.sink
                return seen.insert(sink).inserted ? Choice(sink: sink, rule: choice.rule) : nil
            })
    }
}
