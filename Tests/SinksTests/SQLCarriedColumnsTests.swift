import Config
import Relay
import RelayTesting
import Testing

@testable import Sinks

/// Rows that carry some of a table's columns, and what the table's own rules see of that.
@Suite("SQL: carried columns")
struct SQLCarriedColumnsTests {
    typealias Database = SQLSinkFixture.Database

    private static let names = ["a", "b", "c", "d", "e", "f"]

    /// Columns that an event carries where its facts have them, and one that is written with a new row only.
    private static func table(_ mode: TableConfiguration.Mode = .upsert) throws -> TableConfiguration {
        let id = mode == .upsert ? "{{ $.user.id }}" : "{{ $.event.uuid }}"
        var columns = [try MappedEvent.column("id", id)]
        for name in names { columns.append(try MappedEvent.column(name, "{{ $.event.facts.\(name) }}")) }
        columns.append(try MappedEvent.column("first", "{{ $.event.facts.first }}", insert: true))
        return TableConfiguration(name: "people", mode: mode, columns: columns, key: ["id"])
    }

    private func create(_ user: String, _ facts: String, at second: Int = 1) throws -> Event {
        try MappedEvent("user.lifecycle.create", at: second, facts, user: user).event
    }

    private func update(_ user: String, _ facts: String, at second: Int = 2) throws -> Event {
        try MappedEvent("user.account.update_profile", at: second, facts, user: user).event
    }

    /// More combinations than there are statements for, each twice: first new rows, then rows that are there.
    @Test(arguments: Database.allCases)
    func everyCombinationOfColumnsIsWritten(_ database: Database) async throws {
        let fixture = try SQLSinkFixture(database, try Self.table())
        #expect(1 << Self.names.count > SQLitePartsCache.countMax)
        func facts(_ set: Int, _ value: String) -> String {
            let members = Self.names.enumerated().filter { set & (1 << $0.offset) != 0 }
                .map { "\"\($0.element)\": \"\(value)\"" }
            return "{\(members.joined(separator: ", "))}"
        }
        let sets = 0..<(1 << Self.names.count)
        let creations = try sets.map { try create("u\(100 + $0)", facts($0, "old")) }
        _ = try await fixture.deliver(creations)
        // Each row gets the complement, and one column of what it has.
        let updates = try sets.map { try update("u\(100 + $0)", facts(~$0 | 1, "new")) }
        _ = try await fixture.deliver(updates)
        let rows = try await fixture.rows()
        #expect(rows.count == sets.count)
        for (set, row) in zip(sets, rows) {
            for (index, name) in Self.names.enumerated() {
                let isOld = index > 0 && set & (1 << index) != 0
                #expect(row[name] == (isOld ? "old" : "new"), "\(set) \(name)")
            }
        }
    }

    @Test(arguments: Database.allCases)
    func theTablesOwnRulesHoldForTheWholeRow(_ database: Database) async throws {
        let fixture = try SQLSinkFixture(database, try Self.table())
        try fixture.execute(
            """
            CREATE TABLE people (
                id text PRIMARY KEY, a text NOT NULL, b text DEFAULT 'standard' NOT NULL, c text UNIQUE,
                d text, e text, f text, first text NOT NULL, mine text DEFAULT 'kept',
                CHECK (d IS NULL OR e IS NOT NULL))
            """, "SELECT 1")
        let full = #"{"a": "1", "c": "x", "d": "1", "e": "1", "first": "1"}"#
        #expect(try await fixture.deliver([try create("u", full)]) == [.delivered])
        // What isn't carried counts with the value that it has …
        let partial = try update("u", #"{"d": "2", "first": null}"#)
        #expect(try await fixture.deliver([partial]) == [.delivered])
        #expect(
            try await fixture.rows() == [
                ["id": "u", "a": "1", "b": "standard", "c": "x", "d": "2", "e": "1", "first": "1"]
            ])
        // … and in a new row with its default.
        let outcomes = try await fixture.deliver([
            try create("v", #"{"c": "y", "first": "1"}"#),
            try create("w", #"{"a": "1", "d": "1", "first": "1"}"#),
            try create("x", #"{"a": "1", "c": "x", "first": "1"}"#),
            try create("y", #"{"a": "1", "b": "1", "c": "z", "first": "1"}"#),
            try update("u", #"{"e": null}"#, at: 3),
            try update("u", #"{"a": null}"#, at: 4),
        ])
        let codes =
            database == .sqlite
            ? ["code 1299", "code 275", "code 2067", "", "code 275", "code 1299"]
            : ["23502", "23514", "23505", "", "23514", "23502"]
        for (outcome, code) in zip(outcomes, codes) {
            if code.isEmpty {
                #expect(outcome == .delivered)
            } else if case .rejected(let reason) = outcome {
                #expect(reason.contains(code), "\(reason)")
            } else {
                Issue.record("\(outcome) instead of \(code)")
            }
        }
        #expect(try await fixture.rows().map { $0["id"] } == ["u", "y"])
        #expect(
            try fixture.execute("SELECT mine, b FROM people ORDER BY id") == [
                ["kept", "standard"], ["kept", "1"],
            ])
    }

    @Test(arguments: Database.allCases)
    func anAppendTableTakesWhatIsCarriedAndDefaults(_ database: Database) async throws {
        let fixture = try SQLSinkFixture(database, try Self.table(.append))
        let columns = Self.names.map { "\($0) text DEFAULT 'standard'" }.joined(separator: ", ")
        try fixture.execute("CREATE TABLE people (id text PRIMARY KEY, \(columns), first text)", "SELECT 1")
        let event = try create("u", #"{"a": "1", "b": null, "first": "1"}"#)
        let again = try create("u", #"{"a": "2", "c": "2"}"#)
        #expect(try await fixture.deliver([event, again]) == [.delivered, .delivered])
        var row = try #require(try await fixture.rows().first)
        row["id"] = nil
        #expect(
            row == [
                "a": "1", "c": "standard", "d": "standard", "e": "standard", "f": "standard", "first": "1",
            ])
    }

    /// A trigger tells an upsert from an update: one before each insert sees all rows, whole.
    @Test func aTriggerOfSQLiteSeesAnUpsertOfTheWholeRow() async throws {
        let fixture = try SQLSinkFixture(.sqlite, try Self.table())
        try await fixture.sink.prepare()
        try fixture.execute(
            "CREATE TABLE seen (what text, a text, b text)",
            """
            CREATE TRIGGER t BEFORE INSERT ON people
            BEGIN INSERT INTO seen VALUES ('insert', new.a, new.b); END
            """,
            """
            CREATE TRIGGER o AFTER UPDATE OF b ON people
            BEGIN INSERT INTO seen VALUES ('update', new.a, new.b); END
            """, "SELECT 1")
        let sink = try fixture.another(try Self.table())
        let events = [try create("u", #"{"a": "1", "b": "1"}"#), try update("u", #"{"a": "2"}"#)]
        for event in events { #expect(try await fixture.deliver([event], to: sink) == [.delivered]) }
        #expect(
            try fixture.execute("SELECT what, a, b FROM seen ORDER BY rowid") == [
                ["insert", "1", "1"], ["insert", "2", "1"], ["update", "2", "1"],
            ])
    }

    /// An update would heed the table's own conflict clause, where an upsert's does not.
    @Test func aConflictClauseOfSQLiteSeesAnUpsert() async throws {
        let fixture = try SQLSinkFixture(.sqlite, try Self.table())
        let others = "b text, c text, d text, e text, f text, first text"
        try fixture.execute(
            "CREATE TABLE people (id text PRIMARY KEY, a text UNIQUE ON CONFLICT REPLACE, \(others))",
            "SELECT 1")
        _ = try await fixture.deliver([try create("u", #"{"a": "1"}"#), try create("v", #"{"a": "2"}"#)])
        guard case .rejected = try await fixture.deliver([try update("v", #"{"a": "1"}"#)]).first else {
            Issue.record("not rejected")
            return
        }
        #expect(try await fixture.rows().map { $0["id"] } == ["u", "v"])
    }

    /// The index finds the row that a comparison by the column does not.
    @Test func anIndexOfSQLiteThatComparesInAnotherWayFindsItsRow() async throws {
        let fixture = try SQLSinkFixture(.sqlite, try Self.table())
        let others = "a text, b text, c text, d text, e text, f text, first text"
        try fixture.execute(
            "CREATE TABLE people (id text NOT NULL, \(others))",
            "CREATE UNIQUE INDEX people_id ON people (id COLLATE NOCASE)",
            "INSERT INTO people (id, a) VALUES ('Ada', '1')")
        #expect(try await fixture.deliver([try create("ada", #"{"a": "2"}"#)]) == [.delivered])
        #expect(try await fixture.rows().map { $0["a"] } == ["2"])
    }
}
