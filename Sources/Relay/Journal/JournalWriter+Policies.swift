import GRDB
import JSON
import Logging
import Rules

/// What the configuration says of sinks, and what changes in the journal for it.
extension JournalWriter {
    /// Takes over how long each sink's entries are held, carries out renames, and makes sinks known.
    ///
    /// - Parameter starts: What sinks that are new begin with.
    /// - Returns: The renames that were carried out, old names to new ones, and the last offset before them.
    func keep(
        _ policies: [SinkPolicy], starts: [ReplayRequest] = []
    ) throws -> (names: [String: String], last: Int64) {
        // Who has had events, the counts tell.
        try writeCounts()
        let configured = Set(policies.map(\.name))
        var renamed: [String: String] = [:]
        var gone: [String: String] = [:]
        for policy in policies {
            guard let former = policy.renamedFrom, !configured.contains(former) else { continue }
            if try rename(former, to: policy.name) { renamed[former] = policy.name }
            if try sinkNumber(former, database) == nil { gone[former] = gone[former] ?? policy.name }
        }
        // Requests that are under way still go by rules with the former names. One that a sink still has in
        // the journal is that sink's, whoever wanted it.
        kept = KeptPolicies(
            policies: Dictionary(policies.map { ($0.name, $0) }) { first, _ in first }, renames: gone)
        // After the renames: whoever takes over is not new.
        for start in starts { try enroll(start, at: clock.now) }
        for policy in policies where policy.isEnabled { try know(policy.name) }
        return (renamed, lastOffset)
    }

    /// Gives a sink's row and routes another name; false where there is nothing to rename.
    private func rename(_ former: String, to name: String) throws -> Bool {
        let db = try database
        guard try sinkNumber(former, db) != nil, let epoch = try makeWay(for: name, db) else { return false }
        // What old routes sent to a sink of the new name, that one got, or it was given up.
        try routes.rename(name, to: "\(name) (former)", db)
        try db.execute(
            sql: "UPDATE sinks SET name = ?, epoch = max(epoch, ?) + 1, is_moved = ? WHERE name = ?",
            arguments: [name, epoch, PlaceChange.renamed.rawValue, former])
        try db.execute(sql: "UPDATE replays SET sink = ? WHERE sink = ?", arguments: [name, former])
        try routes.rename(former, to: name, db)
        try note("rename", sink: name, entries: 0, at: clock.now) { $0.member("renamedFrom", former) }
        return true
    }

    /// Makes a name free for a sink that takes over: where a sink has it that has had no event yet, that one
    /// goes.
    ///
    /// - Returns: The newest lease's epoch of the name; nil where the name is taken.
    private func makeWay(for name: String, _ db: Database) throws -> Int64? {
        let row = try StoredRow.fetchOne(
            db, sql: "SELECT id, epoch, \(SinkPlace.isUntouchedSQL) FROM sinks WHERE name = ?",
            arguments: [name])
        guard let row else { return 0 }
        guard try row[2] else { return nil }
        try db.execute(sql: "DELETE FROM sinks WHERE id = ?", arguments: [row[0] as Int64])
        return try row[1]
    }
}

/// What the configuration said of sinks last.
struct KeptPolicies {
    /// By sink; nil before anybody told.
    var policies: [String: SinkPolicy]?
    /// Today's names of sinks by those that older rules may still use.
    var renames: [String: String] = [:]
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
