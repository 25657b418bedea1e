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

    @Test func aTableThatNoLongerFitsStopsTheSinkWithTheDifference() async throws {
        let fixture = try await fixture("id text PRIMARY KEY, login text")
        #expect(try await fixture.deliver([user("a")]) == [.delivered])
        try fixture.execute("ALTER TABLE users DROP CONSTRAINT users_pkey")
        await #expect {
            try await fixture.deliver([user("b")])
        } throws: { error in
            guard case .misconfigured(let reason)? = error as? SinkError else { return false }
            return reason.contains("it needs a primary key or unique constraint on (\"id\")")
        }
        try fixture.execute("ALTER TABLE users ADD PRIMARY KEY (id)")
        #expect(try await fixture.deliver([user("b")]) == [.delivered])
    }
}
