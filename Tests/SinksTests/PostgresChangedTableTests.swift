import Config
import Relay
import RelayTesting
import Rules
import Testing

@testable import Sinks

/// Somebody changes the table while the relay is connected to it.
@Suite("PostgreSQL sink: a table that changes")
struct PostgresChangedTableTests {
    private func fixture(_ shape: String? = nil) async throws -> SQLSinkFixture {
        let fixture = try SQLSinkFixture(.postgresql)
        if let shape { try fixture.execute("CREATE TABLE users (\(shape))") }
        try await fixture.sink.prepare()
        return fixture
    }

    private func user(_ name: String, _ second: Int64 = 1, login: String = "2026-01-01") -> EventSample {
        var sample = EventSample(type: "user.lifecycle.create", user: name, second: second)
        sample.login = login
        return sample
    }

    /// What is done to the table, and after that every event goes into it as before.
    @Test(arguments: [
        "ALTER TABLE users ALTER login TYPE timestamptz USING login::timestamptz",
        "ALTER TABLE users ALTER login TYPE jsonb USING to_jsonb(login)",
        "ALTER TABLE users DROP COLUMN login", "DROP TABLE users", "DROP TABLE users_relay",
        "DROP TABLE users; CREATE TABLE users (id varchar(20) PRIMARY KEY, login date)",
    ])
    func theSameEventsPass(_ change: String) async throws {
        let fixture = try await fixture()
        #expect(try await fixture.deliver([user("a")]) == [.delivered])
        for statement in change.split(separator: ";") { try fixture.execute(String(statement)) }
        let outcomes = try await fixture.deliver([user("b"), user("c")])
        #expect(outcomes == [.delivered, .delivered])
        #expect(Set(try await fixture.rows().compactMap { $0["id"] }).isSuperset(of: ["b", "c"]))
    }

    @Test func aKeyOfAnotherTypeIsComparedAsThat() async throws {
        let fixture = try await fixture()
        #expect(try await fixture.deliver([user("1")]) == [.delivered])
        try fixture.execute("ALTER TABLE users ALTER id TYPE integer USING id::integer")
        #expect(try await fixture.deliver([user("2"), user("3")]) == [.delivered, .delivered])
    }

    /// Refused for the type that the column had; a person has made room meanwhile.
    @Test func aValueIsRefusedOnlyForTheTypeThatItsColumnHasNow() async throws {
        let fixture = try await fixture("id text PRIMARY KEY, login integer")
        #expect(try await fixture.deliver([user("a", login: "1")]) == [.delivered])
        try fixture.execute("ALTER TABLE users ALTER login TYPE bigint")
        let outcomes = try await fixture.deliver([
            user("b", login: "2"), user("c", login: "3000000000"), user("d", login: "3"),
        ])
        #expect(outcomes == [.delivered, .delivered, .delivered])
    }

    /// The server would cast what is meant for the old type: JSON with its quotes, a date without its time.
    @Test(arguments: [
        ("json", "text USING login #>> '{}'", "a@example.com"),
        ("date", "timestamptz", "2026-01-01T10:00:00Z"),
        ("timestamp", "timestamptz", "2026-01-01T10:00:00+05:00"),
        ("real", "double precision", "0.1"),
    ])
    func aValueDoesNotComeByWayOfTheOldType(_ old: String, _ new: String, _ value: String) async throws {
        let fixture = try await fixture("id text PRIMARY KEY, login \(old)")
        #expect(try await fixture.deliver([user("a", login: value)]) == [.delivered])
        try fixture.execute("ALTER TABLE users ALTER login TYPE \(new)")
        #expect(try await fixture.deliver([user("b", login: value)]) == [.delivered])
        #expect(try fixture.execute("SELECT login = '\(value)' FROM users WHERE id = 'b'") == [["t"]])
    }

    @Test func anAppendTablesValueDoesNotEither() async throws {
        let fixture = try SQLSinkFixture(.postgresql, TableConfiguration(name: "users", mode: .append))
        try fixture.execute("CREATE TABLE users (event_id text PRIMARY KEY, published date)")
        #expect(try await fixture.deliver([user("a", 1)]) == [.delivered])
        try fixture.execute("ALTER TABLE users ALTER published TYPE timestamptz")
        let event = user("b", 3_600)
        #expect(try await fixture.deliver([event]) == [.delivered])
        let found = try fixture.execute(
            "SELECT published = '2026-01-01T01:00:00Z' FROM users WHERE event_id = '\(event.id)'")
        #expect(found == [["t"]])
    }

    /// Both were made in one transaction, so nothing but the table itself tells them apart.
    @Test func aTableThatIsSwappedInIsWrittenAsItIs() async throws {
        let columns = [
            try MappedEvent.column("id", "{{ $.user.id }}"),
            try MappedEvent.column("login", "{{ $.user.login }}"),
        ]
        let fixture = try SQLSinkFixture(.postgresql, TableConfiguration(name: "users", columns: columns))
        try fixture.execute(
            "BEGIN", "CREATE TABLE users (id text PRIMARY KEY, login date)",
            "CREATE TABLE next (id text PRIMARY KEY, login timestamptz)", "COMMIT")
        let login = "2026-01-01T10:00:00Z"
        #expect(try await fixture.deliver([user("a", login: login)]) == [.delivered])
        try fixture.execute(
            "BEGIN", "ALTER TABLE users RENAME TO last", "ALTER TABLE next RENAME TO users", "COMMIT")
        #expect(try await fixture.deliver([user("b", login: login)]) == [.delivered])
        #expect(try fixture.execute("SELECT login = '\(login)' FROM users") == [["t"]])
    }

    /// Its first statement keeps writers out, its second readers as well: who had begun to read in between
    /// and went on to write would wait for the migration, and it for them.
    @Test(arguments: [TableConfiguration.Mode.upsert, .append])
    func aMigrationPasses(_ mode: TableConfiguration.Mode) async throws {
        let fixture = try SQLSinkFixture(.postgresql, TableConfiguration(name: "users", mode: mode))
        #expect(try await fixture.deliver([user("a")]) == [.delivered])
        let migration = try PostgresConnector(url: Secret(fixture.place)).connect()
        let index = "CREATE INDEX ON users (\(mode == .append ? "event_type" : "login"))"
        try migration.run([PostgresStatement("BEGIN"), PostgresStatement(index)])
        async let outcomes = fixture.deliver([user("b")])
        // A look is a connection of its own.
        try await waitUntil(every: .milliseconds(20)) {
            let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'users'::regclass"
            return try fixture.execute(waiting) == [["1"]]
        }
        try migration.run([
            PostgresStatement("ALTER TABLE users ADD note text"), PostgresStatement("COMMIT"),
        ])
        #expect(try await outcomes == [.delivered])
        #expect(try await fixture.rows().count == 2)
    }

    @Test func aNewRowGetsTheDefaultThatItsColumnHasNow() async throws {
        let fixture = try await fixture("id text PRIMARY KEY, email text DEFAULT 'old'")
        #expect(try await fixture.deliver([user("a")]) == [.delivered])
        try fixture.execute("ALTER TABLE users ALTER email SET DEFAULT 'new'")
        #expect(try await fixture.deliver([user("b")]) == [.delivered])
        #expect(try fixture.execute("SELECT email FROM users ORDER BY id") == [["old"], ["new"]])
    }

    /// Every row is refused then, and none is at fault.
    @Test func aColumnThatNobodyWritesMakesNoDeadLetters() async throws {
        let fixture = try await fixture()
        #expect(try await fixture.deliver([user("a")]) == [.delivered])
        try fixture.execute(
            "ALTER TABLE users ADD must text NOT NULL DEFAULT ''",
            "ALTER TABLE users ALTER must DROP DEFAULT")
        let reason = await fixture.misconfiguration([user("b")])
        #expect(reason.contains("column \"must\" is NOT NULL without a default"))
        try fixture.execute("ALTER TABLE users ALTER must SET DEFAULT ''")
        #expect(try await fixture.deliver([user("b")]) == [.delivered])
    }

    @Test func aTableThatNoLongerFitsStopsTheSinkWithTheDifference() async throws {
        let fixture = try await fixture("id text PRIMARY KEY, login text")
        #expect(try await fixture.deliver([user("a")]) == [.delivered])
        try fixture.execute("ALTER TABLE users DROP CONSTRAINT users_pkey")
        let reason = await fixture.misconfiguration([user("b")])
        #expect(reason.contains("it needs a primary key or unique constraint on (\"id\")"))
        try fixture.execute("ALTER TABLE users ADD PRIMARY KEY (id)")
        #expect(try await fixture.deliver([user("b")]) == [.delivered])
    }
}
