import Config
import Relay
import RelayTesting
import Testing

@testable import Sinks

/// Tables that are there already, and rows that the database refuses.
@Suite("SQL: existing tables and refused rows")
struct SQLTableShapeTests {
    typealias Database = SQLSinkFixture.Database

    private func create(_ user: String, _ second: Int64 = 1) -> EventSample {
        EventSample(type: "user.lifecycle.create", user: user, second: second)
    }

    private func reason(_ sink: any Sink) async -> String {
        await SinkError.misconfiguration { try await sink.prepare() }
    }

    @Test(arguments: Database.allCases)
    func missingColumnsAreAddedAndOthersLeftAlone(_ database: Database) async throws {
        let fixture = try SQLSinkFixture(database)
        try fixture.execute(
            "CREATE TABLE users (id varchar(40) PRIMARY KEY, login text, note text DEFAULT 'kept' NOT NULL)",
            "INSERT INTO users (id, login, note) VALUES ('a', 'old', 'mine')", "SELECT 1")
        try await fixture.sink.prepare()
        #expect(try await fixture.deliver([create("a"), create("b")]) == [.delivered, .delivered])
        #expect(
            try fixture.execute("SELECT id, login, note, status FROM users ORDER BY id") == [
                ["a", "a@example.com", "mine", "STAGED"], ["b", "b@example.com", "kept", "STAGED"],
            ])
    }

    @Test(arguments: Database.allCases)
    func theExactDifferenceStopsTheSink(_ database: Database) async throws {
        let fixture = try SQLSinkFixture(database)
        try fixture.execute("CREATE TABLE users (id text, must text NOT NULL)", "SELECT 1")
        let reason = await reason(fixture.sink)
        #expect(reason.contains("column \"must\" is NOT NULL without a default"))
        #expect(reason.contains("needs a primary key or unique constraint on (\"id\")"))
    }

    @Test(arguments: Database.allCases)
    func nothingIsCreatedWhereThatIsForbidden(_ database: Database) async throws {
        let fixture = try SQLSinkFixture(database)
        try fixture.execute("CREATE TABLE other (id text)", "SELECT 1")
        let sink = try fixture.another(TableConfiguration(name: "users", createsMissing: false))
        #expect(await reason(sink).contains("the table is missing"))
        try fixture.execute("CREATE TABLE users (id text PRIMARY KEY, login text)", "SELECT 1")
        #expect(await reason(sink).contains("column \"status\" is missing"))
    }

    @Test(arguments: Database.allCases)
    func thePrintedStatementsAreEnough(_ database: Database) async throws {
        let fixture = try SQLSinkFixture(database)
        let table = TableConfiguration(name: "odd \"name\"", createsMissing: false)
        let plan = try TablePlan(table)
        let ddl = TableDDL(plan: plan, dialect: database == .sqlite ? .sqlite : .postgresql)
        for statement in ddl.all { try fixture.execute(statement, "SELECT 1") }
        let sink = try fixture.another(table)
        try await sink.prepare()
        #expect(try await fixture.deliver([create("a").event], to: sink) == [.delivered])
    }

    @Test(arguments: Database.allCases)
    func anUpdateThatCarriesLessThanTheTableDemandsStillWorks(_ database: Database) async throws {
        let fixture = try SQLSinkFixture(database)
        let create = "CREATE TABLE users (id text PRIMARY KEY, status text NOT NULL, login text NOT NULL)"
        try fixture.execute(create, "SELECT 1")
        var bare = EventSample(type: "user.account.update_profile", user: "a", second: 2)
        bare.login = nil
        #expect(try await fixture.deliver([self.create("a")]) == [.delivered])
        #expect(try await fixture.deliver([bare]) == [.delivered], "status and login keep their values")
        #expect(try await fixture.rows().first?["display_name"] == "a@2")
    }

    @Test(arguments: Database.allCases)
    func aRefusedRowIsFoundAndTheRestDelivered(_ database: Database) async throws {
        let fixture = try SQLSinkFixture(database)
        let create = """
            CREATE TABLE users (
                id text PRIMARY KEY, login text CONSTRAINT no_secret CHECK (login <> 'u7@example.com'))
            """
        try fixture.execute(create, "SELECT 1")
        let outcomes = try await fixture.deliver((0..<20).map { self.create("u\($0)") })
        for (index, outcome) in outcomes.enumerated() where index != 7 { #expect(outcome == .delivered) }
        guard case .rejected(let reason) = outcomes[7] else {
            Issue.record("\(outcomes[7])")
            return
        }
        #expect(reason.contains(database == .sqlite ? "result code 275" : "SQLSTATE 23514"))
        #expect(reason.contains("no_secret") && !reason.contains("u7@"))
        #expect(try await fixture.rows().count == 19)
    }

    @Test func aValueOfTheWrongTypeNamesItsColumnAndNotItself() async throws {
        let fixture = try SQLSinkFixture(.postgresql)
        try fixture.execute(
            "CREATE TABLE users (id text PRIMARY KEY, login integer, display_name varchar(4))")
        var number = create("a")
        number.login = "12"
        number.displayName = "four"
        var long = number
        long.user = "b"
        long.id = "long"
        long.displayName = "secret"
        var word = number
        word.user = "c"
        word.id = "word"
        word.login = "secret"
        #expect(
            try await fixture.deliver([number, long, word]) == [
                .delivered,
                .rejected(reason: "PostgreSQL: SQLSTATE 22001 (value too long), column display_name"),
                .rejected(reason: "PostgreSQL: SQLSTATE 22P02 (invalid text for the type), column login"),
            ])
    }

    @Test(arguments: Database.allCases)
    func aTriggersWordsStayInTheDatabase(_ database: Database) async throws {
        let fixture = try SQLSinkFixture(database)
        try await fixture.sink.prepare()
        if database == .sqlite {
            try fixture.execute(
                "CREATE TRIGGER t BEFORE INSERT ON users BEGIN SELECT RAISE(ABORT, 'secret'); END", "SELECT 1"
            )
        } else {
            try fixture.execute(
                "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'secret'; END$$",
                "CREATE TRIGGER t BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION f()")
        }
        guard case .rejected(let reason) = try await fixture.deliver([create("a")]).first else {
            Issue.record("not rejected")
            return
        }
        #expect(!reason.contains("secret"))
    }
}
