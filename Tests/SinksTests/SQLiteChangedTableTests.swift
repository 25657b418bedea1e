import Config
import Relay
import RelayTesting
import Testing

@testable import Sinks

/// Somebody changes the table while the relay has the file open.
@Suite("SQLite sink: a table that changes")
struct SQLiteChangedTableTests {
    private static func table() throws -> TableConfiguration {
        let columns = [
            try MappedEvent.column("id", "{{ $.user.id }}"),
            try MappedEvent.column("login", "{{ $.user.login }}"),
            try MappedEvent.column("fact", "{{ $.event.facts.fact }}"),
        ]
        return TableConfiguration(name: "users", columns: columns)
    }

    private func fixture(_ shape: String? = nil) throws -> SQLSinkFixture {
        let fixture = try SQLSinkFixture(.sqlite, try Self.table())
        if let shape { try fixture.execute("CREATE TABLE users \(shape)", "SELECT 1") }
        return fixture
    }

    /// As one does what `ALTER TABLE` cannot: https://sqlite.org/lang_altertable.html#otheralter.
    private func rebuild(
        _ fixture: SQLSinkFixture, _ shape: String, _ copy: String = "(id) SELECT id"
    ) throws {
        try fixture.execute(
            "BEGIN IMMEDIATE", "CREATE TABLE fresh \(shape)", "INSERT INTO fresh \(copy) FROM users",
            "DROP TABLE users", "ALTER TABLE fresh RENAME TO users", "COMMIT", "SELECT 1")
    }

    private func user(_ name: String, login: String? = "a@example.com") -> EventSample {
        var sample = EventSample(type: "user.lifecycle.create", user: name, second: 1)
        sample.login = login
        return sample
    }

    private func users(_ count: Int) -> [EventSample] { (0..<count).map { user("u\($0)") } }

    // MARK: - It fits

    /// What is done to the file, and after that every event goes into the table as before.
    @Test(arguments: [
        "ALTER TABLE users DROP COLUMN login", "ALTER TABLE users RENAME COLUMN login TO name",
        "DROP TABLE users", "DROP TABLE users_relay", "CREATE TABLE others (id TEXT)", "VACUUM",
    ])
    func theSameEventsPass(_ change: String) async throws {
        let fixture = try fixture()
        #expect(try await fixture.deliver([user("a")]) == [.delivered])
        try fixture.execute(change, "SELECT 1")
        let outcomes = try await fixture.deliver([user("b"), user("c")])
        #expect(outcomes == [.delivered, .delivered])
        let rows = try await fixture.rows().filter { $0["login"] == "a@example.com" }
        #expect(Set(rows.compactMap { $0["id"] }).isSuperset(of: ["b", "c"]))
    }

    @Test(arguments: [
        ("(id TEXT PRIMARY KEY, fact TEXT)", "(id TEXT PRIMARY KEY, login TEXT, fact INTEGER) STRICT", "1"),
        ("(id TEXT PRIMARY KEY, fact INTEGER)", "(id TEXT PRIMARY KEY, fact TEXT)", "'true'"),
        ("(id TEXT PRIMARY KEY, fact JSON)", "(id TEXT PRIMARY KEY, fact INTEGER)", "1"),
        ("(id TEXT PRIMARY KEY, fact INTEGER)", "(id TEXT PRIMARY KEY, fact JSON)", "'true'"),
    ])
    func aFlagIsWrittenAsItsColumnHoldsOneNow(_ old: String, _ new: String, _ expected: String) async throws {
        try await check("true", old, new, expected)
    }

    @Test(arguments: [
        (#""007""#, "JSON", "TEXT", "'007'"), (#""007""#, "TEXT", "JSON", #"'"007"'"#),
        ("1.50", "BLOB", "TEXT", "'1.50'"), ("7", "TEXT", "BLOB", "7"),
    ])
    func aValueIsWrittenForTheTypeThatItsColumnHasNow(
        _ fact: String, _ old: String, _ new: String, _ expected: String
    ) async throws {
        try await check(
            fact, "(id TEXT PRIMARY KEY, fact \(old))", "(id TEXT PRIMARY KEY, fact \(new))", expected)
    }

    private func check(_ fact: String, _ old: String, _ new: String, _ expected: String) async throws {
        let fixture = try fixture(old)
        func event(_ user: String) throws -> Event {
            try MappedEvent("user.lifecycle.create", at: 1, "{\"fact\": \(fact)}", user: user).event
        }
        #expect(try await fixture.deliver([try event("a")]) == [.delivered])
        try rebuild(fixture, new)
        #expect(try await fixture.deliver([try event("b")]) == [.delivered])
        #expect(try fixture.execute("SELECT quote(fact) FROM users WHERE id = 'b'") == [[expected]])
    }

    @Test func aNewRowGetsTheDefaultThatItsColumnHasNow() async throws {
        func shape(_ standard: String) -> String {
            "(id TEXT PRIMARY KEY, login TEXT DEFAULT '\(standard)' COLLATE NOCASE)"
        }
        let fixture = try fixture(shape("old"))
        #expect(try await fixture.deliver([user("a", login: nil)]) == [.delivered])
        try rebuild(fixture, shape("new"), "(id, login) SELECT id, login")
        #expect(try await fixture.deliver([user("b", login: nil)]) == [.delivered])
        #expect(try fixture.execute("SELECT login FROM users ORDER BY id") == [["old"], ["new"]])
    }

    /// A trigger before inserts sees rows that are there as well, for they are written by upserts then.
    @Test func aTriggerSeesWhatComesAfterIt() async throws {
        let fixture = try fixture()
        #expect(try await fixture.deliver([user("a")]) == [.delivered])
        try fixture.execute(
            "CREATE TABLE seen (id TEXT)",
            "CREATE TRIGGER t BEFORE INSERT ON users BEGIN INSERT INTO seen VALUES (new.id); END", "SELECT 1")
        let update = EventSample(type: "user.account.update_profile", user: "a", second: 2)
        #expect(try await fixture.deliver([update]) == [.delivered])
        #expect(try fixture.execute("SELECT id FROM seen") == [["a"]])
    }

    @Test func aPageShowsTheTableAsItIs() async throws {
        let fixture = try fixture()
        #expect(try await fixture.deliver([user("a")]) == [.delivered])
        try fixture.execute("ALTER TABLE users DROP COLUMN login", "SELECT 1")
        #expect(try await fixture.rows() == [["id": "a"]])
        #expect(try await fixture.deliver([user("b")]) == [.delivered])
    }

    /// The columns that are added go with the transaction that a refused row undoes.
    @Test func aRefusedRowTakesNoColumnAlong() async throws {
        let fixture = try fixture()
        #expect(try await fixture.deliver([user("a")]) == [.delivered])
        let shape = "(id TEXT PRIMARY KEY CONSTRAINT no_secret CHECK (id <> 'u7'))"
        try rebuild(fixture, shape)
        let outcomes = try await fixture.deliver([user("u7")])
        guard case .rejected(let reason)? = outcomes.first else {
            Issue.record("\(outcomes)")
            return
        }
        #expect(reason.contains("no_secret"))
        #expect(try await fixture.deliver([user("b")]) == [.delivered])
        try rebuild(fixture, shape)
        let later = try await fixture.deliver(users(20))
        #expect(later.indices.filter { later[$0] != .delivered } == [7])
        #expect(try await fixture.rows().count == 21)
    }

    // MARK: - It doesn't fit

    @Test(arguments: [
        (
            "(id TEXT PRIMARY KEY, tenant TEXT NOT NULL)", "(id, tenant) SELECT id, 'acme'",
            "table users: column \"tenant\" is NOT NULL without a default, and no mapping writes it"
        ),
        (
            "(id TEXT, login TEXT)", "(id) SELECT id",
            "table users: it needs a primary key or unique constraint on (\"id\")"
        ),
        (
            "(id TEXT PRIMARY KEY, login TEXT, fact INTEGER, tenant TEXT NOT NULL) STRICT",
            "(id, tenant) SELECT id, 'acme'",
            "table users: column \"tenant\" is NOT NULL without a default, and no mapping writes it"
        ),
    ])
    func nothingIsADeadLetter(_ shape: String, _ copy: String, _ difference: String) async throws {
        let fixture = try fixture()
        #expect(try await fixture.deliver([user("a")]) == [.delivered])
        try rebuild(fixture, shape, copy)
        for _ in 0..<2 { #expect(await fixture.misconfiguration(users(100)) == difference) }
        try rebuild(fixture, "(id TEXT PRIMARY KEY, login TEXT, tenant TEXT NOT NULL DEFAULT 'acme')")
        try await fixture.sink.prepare()
        #expect(try await fixture.deliver(users(100)).allSatisfy { $0 == .delivered })
        #expect(try await fixture.rows().count == 101)
    }

    @Test func anotherTableOfTheFileIsWrittenOn() async throws {
        let fixture = try fixture()
        let factory = SinkFactory(clock: ManualClock(), logger: .quiet)
        func make(_ table: TableConfiguration) throws -> any Sink {
            let sqlite = SQLiteSinkConfiguration(path: fixture.place, table: table)
            return try factory.make(SinkConfiguration(name: table.name, kind: .sqlite(sqlite)))
        }
        let users = try make(try Self.table())
        let events = try make(TableConfiguration(name: "events", mode: .append))
        for sink in [users, events] {
            #expect(try await fixture.deliver([user("a").event], to: sink) == [.delivered])
        }
        try rebuild(fixture, "(id TEXT PRIMARY KEY, tenant TEXT NOT NULL)", "(id, tenant) SELECT id, 'acme'")
        for name in ["b", "c"] {
            await #expect(throws: SinkError.self) {
                try await fixture.deliver([user(name).event], to: users)
            }
            #expect(try await fixture.deliver([user(name).event], to: events) == [.delivered])
        }
    }

    @Test(arguments: [
        (
            "(id TEXT PRIMARY KEY, login INTEGER, fact TEXT) STRICT",
            "SQLite: result code 3091 (constraint failed): "
                + "cannot store TEXT value in INTEGER column users.login"
        ),
        (
            "(id INTEGER PRIMARY KEY, login TEXT)",
            "SQLite: result code 20 (datatype mismatch): an INTEGER PRIMARY KEY holds whole numbers only"
        ),
    ])
    func aValueThatItsColumnsTypeRefusesIsADeadLetter(_ shape: String, _ reason: String) async throws {
        let fixture = try fixture(shape)
        let outcomes = try await fixture.deliver([
            user("1", login: "1"), user("odd", login: "odd"), user("3", login: "3"),
        ])
        #expect(outcomes == [.delivered, .rejected(reason: reason), .delivered])
        #expect(try await fixture.deliver([user("odd", login: "odd")]) == [.rejected(reason: reason)])
    }
}
