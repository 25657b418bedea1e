import Config
import Foundation
import Relay
import RelayTesting
import Testing

@testable import Sinks

/// Rows that PostgreSQL refuses in the words for a wrong statement, a missing table or an error of its own.
@Suite("PostgreSQL sink: whose fault a refusal is")
struct PostgresRefusedRowTests {
    private func user(_ name: String, login: String) -> EventSample {
        var sample = EventSample(type: "user.lifecycle.create", user: name, second: 1)
        sample.login = login
        return sample
    }

    /// Twenty users, one of whom has another login.
    private func users(_ login: String, but odd: String) -> [EventSample] {
        (0..<20).map { user("u\($0)", login: $0 == 7 ? odd : login) }
    }

    // MARK: - A value

    @Test(arguments: [
        ("jsonpath", "$.a", "$.secret[", "42601 (syntax error)"),
        ("tsquery", "a & b", "secret &", "42601 (syntax error)"),
        ("regclass", "pg_class", "secret", "42P01 (no such table)"),
        ("regtype", "text", "secret", "42704 (no such object)"),
        ("regnamespace", "public", "secret", "3F000 (no such schema)"),
        ("regproc", "now", "elsewhere.secret.now", "0A000"),
        ("picky", "a", "secret", "XX000"),
    ])
    func aValueThatItsTypeRefusesIsThatUsersAlone(
        _ type: String, _ good: String, _ bad: String, _ state: String
    ) async throws {
        let fixture = try SQLSinkFixture(.postgresql)
        try fixture.execute(
            """
            CREATE FUNCTION fits(value text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
                IF value = 'secret' THEN RAISE '%', value USING ERRCODE = 'XX000'; END IF;
                RETURN true;
            END $$
            """, "CREATE DOMAIN picky AS text CHECK (fits(VALUE))",
            "CREATE TABLE users (id text PRIMARY KEY, login \(type))")
        let refused = Receipt.Outcome.rejected(reason: "PostgreSQL: SQLSTATE \(state), column login")
        let outcomes = try await fixture.deliver(users(good, but: bad))
        #expect(outcomes == (0..<20).map { $0 == 7 ? refused : .delivered })
        #expect(try await fixture.rows().count == 19)
        #expect(try await fixture.deliver([user("alone", login: bad)]) == [refused])
    }

    @Test func aKeyThatItsTypeRefusesIsThatUsersAlone() async throws {
        let fixture = try SQLSinkFixture(.postgresql, TableConfiguration(name: "users", onDelete: .delete))
        try fixture.execute("CREATE TABLE users (id regtype PRIMARY KEY)")
        let refused = Receipt.Outcome.rejected(
            reason: "PostgreSQL: SQLSTATE 42704 (no such object), column id")
        #expect(
            try await fixture.deliver([user("text", login: "a"), user("secret", login: "a")]) == [
                .delivered, refused,
            ])
        let deletion = EventSample(type: "user.lifecycle.delete.initiated", user: "secret", second: 2)
        #expect(try await fixture.deliver([deletion]) == [refused])
    }

    // MARK: - Nobody can tell

    private static let advice = """
        the table takes such a statement, but not this row; look at its triggers, defaults and policies, \
        and into the server's log
        """
    private static let noTable = "PostgreSQL: SQLSTATE 42P01 (no such table): \(advice)"

    /// With a trigger that does this with each row whose login begins with "secret".
    private func fixture(
        _ deed: String = "PERFORM NEW.login::regclass;"
    ) async throws -> SQLSinkFixture {
        let fixture = try SQLSinkFixture(.postgresql)
        try await fixture.sink.prepare()
        try fixture.execute(
            """
            CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF NEW.login LIKE 'secret%' THEN \(deed) END IF;
                RETURN NEW;
            END $$
            """, "CREATE TRIGGER look BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION look()")
        return fixture
    }

    /// The engine finds out by letting others pass.
    @Test func aRowThatATriggerFailsOnHoldsTheSink() async throws {
        let fixture = try await fixture()
        let samples = [user("a", login: "secret"), user("b", login: "good")]
        for batch in [samples, [samples[0]]] {
            #expect(await fixture.misconfiguration(batch) == Self.noTable)
            #expect(try await fixture.rows().isEmpty)
        }
        #expect(try await fixture.deliver([samples[1]]) == [.delivered])
    }

    /// Nothing of a user is written before what comes first.
    @Test func aUsersNextEventIsWrittenWhenTheOneBeforeItHasEnded() async throws {
        let fixture = try await fixture()
        let (other, bad) = (user("other", login: "good"), user("a", login: "secret"))
        var next = EventSample(type: "user.account.update_profile", user: "a", second: 2)
        next.login = nil
        #expect(await fixture.misconfiguration([bad, next, other]) == Self.noTable)
        #expect(try await fixture.rows().isEmpty)
        #expect(await fixture.misconfiguration([other, bad, next]) == Self.noTable)
        #expect(try await fixture.rows().count == 1)
    }

    /// What a function says may be anything, whatever the SQLSTATE that it gives.
    @Test(arguments: ["42501", "23514", "57014", "XX000"])
    func whatATriggerSaysIsNotRepeated(_ state: String) async throws {
        let fixture = try await fixture("RAISE 'it is %', NEW.login USING ERRCODE = '\(state)';")
        do {
            let outcomes = try await fixture.deliver(users("good", but: "secret7"))
            guard case .rejected(let reason) = outcomes[7] else {
                Issue.record("\(outcomes)")
                return
            }
            #expect(reason.contains(state))
            #expect(!reason.contains("secret"))
        } catch let error as SinkError {
            #expect(error.reason.contains(state))
            #expect(!error.reason.contains("secret"))
        }
    }

    @Test func aTriggerThatFailsOnEveryRowHoldsTheSink() async throws {
        let fixture = try await fixture()
        let all = (0..<100).map { user("u\($0)", login: "secret\($0)") }
        let reason = await fixture.misconfiguration(all)
        #expect(reason == Self.noTable)
        try fixture.execute("DROP TRIGGER look ON users")
        let outcomes = try await fixture.deliver(all)
        #expect(outcomes.allSatisfy { $0 == .delivered })
    }

    // MARK: - The table

    /// A sink whose role has just these rights.
    private func withRole(
        _ name: String, _ shape: String, _ table: TableConfiguration = TableConfiguration(name: "users"),
        _ body: (SQLSinkFixture, any Sink, String) async throws -> Void
    ) async throws {
        let fixture = try SQLSinkFixture(.postgresql)
        try fixture.execute("CREATE TABLE users (\(shape))")
        try await fixture.sink.prepare()
        let role = "\(name)_\(ProcessInfo.processInfo.processIdentifier)"
        try fixture.execute(
            "CREATE ROLE \(role) LOGIN",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON users, users_relay TO \(role)")
        let url = fixture.place + (fixture.place.contains("?") ? "&" : "?") + "options=-c%20role%3D\(role)"
        let sink = try SQLSinkFixture.makeSink(.postgresql, url, table)
        try await body(fixture, sink, role)
        await sink.shutdown()
        try fixture.execute("DROP OWNED BY \(role)", "DROP ROLE \(role)")
    }

    private func reason(_ sink: any Sink, _ samples: [EventSample]) async -> String {
        let batch = samples.enumerated().map { index, sample in
            Delivery(offset: Offset(rawValue: Int64(index)), event: sample.event, rule: "all", attempt: 1)
        }
        do throws(SinkError) {
            let outcomes = try await sink.deliver(batch).map(\.outcome)
            return outcomes.allSatisfy { $0 == .delivered } ? "delivered" : "\(outcomes)"
        } catch {
            guard case .misconfigured(let reason) = error else { return "not misconfigured: \(error)" }
            return reason
        }
    }

    @Test func aRightThatIsTakenAwayHoldsTheSink() async throws {
        try await withRole("writer", "id text PRIMARY KEY, login text") { fixture, sink, role in
            #expect(await reason(sink, [user("a", login: "a")]) == "delivered")
            try fixture.execute("REVOKE INSERT ON users FROM \(role)")
            let expected = "PostgreSQL: SQLSTATE 42501 (no right): permission denied for table users"
            #expect(await reason(sink, [user("b", login: "b")]) == expected)
            #expect(await reason(sink, users("a", but: "b")) == expected)
        }
    }

    /// It shows with rows only, as if they were at fault.
    @Test func aRightThatADefaultLacksHoldsTheSink() async throws {
        let shape = "id text PRIMARY KEY, login text, number bigserial"
        try await withRole("counter", shape) { fixture, sink, role in
            let expected =
                "PostgreSQL: SQLSTATE 42501 (no right): permission denied for sequence users_number_seq"
            #expect(await reason(sink, users("a", but: "b")) == expected)
            try fixture.execute("GRANT USAGE ON SEQUENCE users_number_seq TO \(role)")
            #expect(await reason(sink, [user("a", login: "a")]) == "delivered")
        }
    }

    /// A deletion inserts nothing, so it does not show that the table takes rows.
    @Test func itHoldsTheSinkBehindADeletion() async throws {
        let table = TableConfiguration(name: "users", onDelete: .delete)
        let shape = "id text PRIMARY KEY, login text, number bigserial"
        try await withRole("remover", shape, table) { fixture, sink, _ in
            let deletion = EventSample(type: "user.lifecycle.delete.initiated", user: "gone", second: 1)
            #expect(await reason(sink, [deletion]) == "delivered")
            #expect(await reason(sink, [deletion] + users("a", but: "b")).contains("users_number_seq"))
        }
    }

    @Test func aColumnThatIsDroppedHoldsTheSink() async throws {
        let table = TableConfiguration(name: "users", createsMissing: false)
        let fixture = try SQLSinkFixture(.postgresql)
        try await fixture.sink.prepare()
        let sink = try fixture.another(table)
        #expect(await reason(sink, [user("a", login: "a")]) == "delivered")
        try fixture.execute("ALTER TABLE users DROP COLUMN login")
        #expect(await reason(sink, users("a", but: "b")).contains("column \"login\" is missing"))
    }
}
