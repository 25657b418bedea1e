import Config
import Foundation
import JSON
import Relay
import RelayTesting
import Rules
import Testing

@testable import Sinks

/// Columns that people map themselves, with real templates, in both databases.
@Suite("SQL: mapped columns")
struct SQLMappingTests {
    typealias Database = SQLSinkFixture.Database

    /// A user table as somebody might want it.
    private static func licences(
        createsMissing: Bool = true, onDelete: TableConfiguration.OnDelete = .mark
    ) throws -> TableConfiguration {
        TableConfiguration(
            name: "licences",
            columns: [
                try MappedEvent.column("id", "{{ $.user.id }}"),
                try MappedEvent.column("seats", "{{ $.event.facts.seats }}", "integer"),
                try MappedEvent.column("vip", "{{ $.event.facts.vip }}", "boolean"),
                try MappedEvent.column("tags", "{{ $.event.facts.tags }}", "jsonb"),
                try MappedEvent.column("note", "{{ $.event.facts.note }}"),
                try MappedEvent.column("seen", "{{ $.event.published }}", "timestamptz"),
                try MappedEvent.column("first_seen", "{{ $.event.published }}", "timestamptz", insert: true),
                try MappedEvent.column("origin", "okta/{{ $.relay.org }}", insert: true),
                try MappedEvent.column("active", "{{ $.user.active }}", "boolean"),
            ],
            createsMissing: createsMissing, onDelete: onDelete)
    }

    private func row(_ fixture: SQLSinkFixture) async throws -> [String: String] {
        try #require(try await fixture.rows().first)
    }

    /// SQLite has no booleans: its column of that type holds 1 and 0.
    private func flag(_ value: Bool, _ database: Database) -> String {
        database == .sqlite ? (value ? "1" : "0") : "\(value)"
    }

    @Test(arguments: Database.allCases)
    func typedValuesArriveAndWhatIsNotCarriedStays(_ database: Database) async throws {
        let fixture = try SQLSinkFixture(database, try Self.licences())
        let facts = #"{"seats": 3, "vip": true, "tags": ["a", {"b": 1.50}], "note": "n"}"#
        let joined = try MappedEvent("user.lifecycle.create", at: 1, facts)
        #expect(try await fixture.deliver([joined.event]) == [.delivered])
        var row = try await row(fixture)
        #expect(row["seats"] == "3" && row["vip"] == flag(true, database) && row["note"] == "n")
        #expect(row["tags"]?.replacing(" ", with: "") == #"["a",{"b":1.50}]"#)
        #expect(row["origin"] == "okta/acme" && row["active"] == flag(false, database))
        let firstSeen = row["first_seen"]
        #expect(firstSeen?.hasPrefix("2026-01-01T00:00:01") == true && row["seen"] == firstSeen)

        let changed = try MappedEvent("user.account.update_profile", at: 5, #"{"seats": null, "vip": false}"#)
        #expect(try await fixture.deliver([changed.event]) == [.delivered])
        row = try await self.row(fixture)
        #expect(row["seats"] == nil, "an explicit null is carried")
        #expect(row["vip"] == flag(false, database))
        #expect(row["note"] == "n" && row["tags"] != nil, "a missing member is not")
        #expect(row["seen"]?.hasPrefix("2026-01-01T00:00:05") == true)
        #expect(row["first_seen"] == firstSeen, "written with the new row only")

        let late = try MappedEvent("user.account.update_profile", at: 3, #"{"seats": 9, "note": "late"}"#)
        #expect(try await fixture.deliver([late.event]) == [.delivered])
        row = try await self.row(fixture)
        #expect(row["seats"] == nil && row["note"] == "late", "each column keeps its newest value")
    }

    @Test(arguments: Database.allCases)
    func aMappedColumnThatTellsOfLifeIsTheDeletions(_ database: Database) async throws {
        let fixture = try SQLSinkFixture(database, try Self.licences())
        let events = [
            try MappedEvent("user.lifecycle.create", at: 1),
            try MappedEvent("user.lifecycle.activate", at: 2),
        ]
        _ = try await fixture.deliver(events.map(\.event))
        #expect(try await row(fixture)["active"] == flag(true, database))
        _ = try await fixture.deliver([try MappedEvent("user.lifecycle.delete.initiated", at: 4).event])
        #expect(try await row(fixture)["active"] == flag(false, database))
        _ = try await fixture.deliver([try MappedEvent("user.lifecycle.activate", at: 6).event])
        #expect(try await row(fixture)["active"] == flag(false, database))
    }

    @Test(arguments: Database.allCases)
    func anOrgInAMappedKeyKeepsUsersApart(_ database: Database) async throws {
        let table = TableConfiguration(
            name: "people",
            columns: [
                try MappedEvent.column("tenant", "{{ $.relay.org }}"),
                try MappedEvent.column("number", "{{ $.event.facts.number }}", "integer"),
                try MappedEvent.column("login", "{{ $.user.login | upper }}"),
            ],
            key: ["tenant", "number"])
        let fixture = try SQLSinkFixture(database, table)
        let facts = #"{"number": 7}"#
        let events = [
            try MappedEvent("user.lifecycle.create", at: 1, facts),
            try MappedEvent("user.lifecycle.create", at: 2, facts, org: "other"),
            try MappedEvent("user.lifecycle.create", at: 3, facts, user: "b"),
            try MappedEvent("user.lifecycle.create", at: 4, #"{"number": null}"#, user: "c"),
        ]
        #expect(
            try await fixture.deliver(events.map(\.event)) == [
                .delivered, .delivered, .delivered,
                .rejected(reason: "no value for the key column number"),
            ])
        let rows = try await fixture.rows(pageSize: 1)
        #expect(rows.map { "\($0["tenant"] ?? "")/\($0["number"] ?? "")" } == ["acme/7", "other/7"])
        #expect(rows.map { $0["login"] } == ["B@EXAMPLE.COM", "A@EXAMPLE.COM"])
    }

    // MARK: - Tables of other things than users

    private static func memberships(_ onDelete: TableConfiguration.OnDelete) throws -> TableConfiguration {
        TableConfiguration(
            name: "memberships",
            columns: [
                try MappedEvent.column("member", "{{ $.user.id }}"),
                try MappedEvent.column("team", "{{ $.group.id }}"),
                try MappedEvent.column("team_name", "{{ $.group.displayName }}"),
                try MappedEvent.column(
                    "gone", "{{ $.operation | map({\"delete\": true}) | default(false) }}",
                    "boolean"),
            ],
            key: ["member", "team"],
            operations: [
                "group.user_membership.add": .create, "group.user_membership.remove": .delete,
            ],
            onDelete: onDelete)
    }

    private func change(_ verb: String, _ team: String, at second: Int) throws -> Event {
        try MappedEvent("group.user_membership.\(verb)", at: second, group: team).event
    }

    @Test(arguments: Database.allCases)
    func membershipsComeAndGoAndGoWithTheirUser(_ database: Database) async throws {
        let fixture = try SQLSinkFixture(database, try Self.memberships(.delete))
        func teams() async throws -> [String] { try await fixture.rows().map { $0["team"] ?? "" } }
        _ = try await fixture.deliver([try change("add", "g1", at: 1), try change("add", "g2", at: 2)])
        #expect(try await teams() == ["g1", "g2"])
        _ = try await fixture.deliver([try change("remove", "g1", at: 3)])
        #expect(try await teams() == ["g2"])
        #expect(try await fixture.deliver([try change("add", "g1", at: 1)]) == [.superseded])
        _ = try await fixture.deliver([try change("add", "g1", at: 4)])
        #expect(try await teams() == ["g1", "g2"])
        let profile = try MappedEvent("user.account.update_profile", at: 5)
        #expect(try await fixture.deliver([profile.event]) == [.skipped("no effect on a row")])
        let deletion = try MappedEvent("user.lifecycle.delete.initiated", at: 6)
        #expect(try await fixture.deliver([deletion.event]) == [.delivered])
        #expect(try await teams().isEmpty)
        _ = try await fixture.deliver([try change("add", "g3", at: 5)])
        #expect(try await teams().isEmpty, "it was before the user's deletion")
        _ = try await fixture.deliver([try change("add", "g3", at: 7)])
        #expect(try await teams() == ["g3"])
    }

    @Test(arguments: Database.allCases)
    func membershipsOfADeletedUserAreMarked(_ database: Database) async throws {
        let fixture = try SQLSinkFixture(database, try Self.memberships(.mark))
        _ = try await fixture.deliver([try change("add", "g1", at: 1), try change("add", "g2", at: 2)])
        _ = try await fixture.deliver([try change("remove", "g2", at: 3)])
        #expect(try await fixture.rows().map { $0["gone"] } == [flag(false, database), flag(true, database)])
        _ = try await fixture.deliver([try MappedEvent("user.lifecycle.delete.initiated", at: 4).event])
        #expect(try await fixture.rows().map { $0["gone"] } == [flag(true, database), flag(true, database)])
        #expect(try await fixture.rows().map { $0["team_name"] } == ["Group g1", "Group g2"])
    }

    // MARK: - Tables that are there already

    @Test(arguments: Database.allCases)
    func valuesAreCastToTheTypesOfAnExistingTable(_ database: Database) async throws {
        let fixture = try SQLSinkFixture(database, try Self.licences(createsMissing: false))
        try fixture.execute(
            """
            CREATE TABLE licences (
                id varchar(40) PRIMARY KEY, seats bigint, vip varchar(5), tags text, note varchar(40),
                seen timestamp(0), first_seen date, origin varchar(40) NOT NULL, active varchar(5))
            """,
            "CREATE TABLE licences_relay (\"key\" text PRIMARY KEY, subject text, state text NOT NULL)",
            "SELECT 1")
        try await fixture.sink.prepare()
        let facts = #"{"seats": 3, "vip": true, "tags": ["a"], "note": 12345678901234567890}"#
        let events = [
            try MappedEvent("user.lifecycle.create", at: 1, facts),
            try MappedEvent("user.lifecycle.activate", at: 2),
        ]
        #expect(try await fixture.deliver(events.map(\.event)) == [.delivered, .delivered])
        let row = try await row(fixture)
        #expect(row["seats"] == "3" && row["vip"] == "true" && row["active"] == "true")
        #expect(row["tags"] == #"["a"]"# && row["note"] == "12345678901234567890")
        #expect(row["first_seen"]?.hasPrefix("2026-01-01") == true)
    }

    @Test(arguments: Database.allCases)
    func aMissingColumnIsTheExactDifference(_ database: Database) async throws {
        let fixture = try SQLSinkFixture(database, try Self.licences(createsMissing: false))
        let columns = "seats bigint, vip boolean, tags text, seen text, first_seen text, active boolean"
        try fixture.execute(
            "CREATE TABLE licences (id varchar(40) PRIMARY KEY, \(columns), must text NOT NULL)", "SELECT 1")
        let error = await #expect(throws: SinkError.self) { try await fixture.sink.prepare() }
        #expect(
            error?.reason
                == "table licences: column \"must\" is NOT NULL without a default, and no mapping writes it; "
                + "column \"note\" is missing; column \"origin\" is missing "
                + "(\"create\" is false; `schema --sql` prints the statements)")
    }

    /// What `schema --sql` prints is all that an empty database needs.
    @Test(arguments: Database.allCases, ["users", "events", "licences", "memberships"])
    func printedStatementsMakeAnEmptyDatabaseFit(_ database: Database, _ name: String) async throws {
        var table: TableConfiguration =
            switch name {
            case "licences": try Self.licences()
            case "memberships": try Self.memberships(.mark)
            case "events": TableConfiguration(name: name, mode: .append)
            default: TableConfiguration(name: name, key: ["org", "id"])
            }
        if database == .postgresql { table.schema = "okta" }
        let fixture = try SQLSinkFixture(database, table)
        let kind: SinkConfiguration.Kind =
            database == .sqlite
            ? .sqlite(SQLiteSinkConfiguration(path: fixture.place, table: table))
            : .postgresql(PostgreSQLSinkConfiguration(url: Secret(fixture.place), table: table))
        let printed = try #require(
            try SinkFactory.ddl(of: SinkConfiguration(name: "sink", kind: kind)))
        for statement in printed.components(separatedBy: ";\n") where !statement.isEmpty {
            try fixture.execute(statement, "SELECT 1")
        }
        table.createsMissing = false
        let sink = try fixture.another(table)
        try await sink.probe()
        try await sink.prepare()
        let event = try MappedEvent("group.user_membership.add", at: 1, group: "g1").event
        let creation = try MappedEvent("user.lifecycle.create", at: 2).event
        let outcomes = try await fixture.deliver([name == "memberships" ? event : creation], to: sink)
        #expect(outcomes == [.delivered])
        #expect(try await fixture.rows(of: sink).count == 1)
    }

    // MARK: - Values that are no good

    @Test(arguments: Database.allCases)
    func aValueThatItsColumnRefusesIsThatRowsMatterAlone(_ database: Database) async throws {
        let fixture = try SQLSinkFixture(database, try Self.licences())
        if database == .sqlite {
            // Only a strict table of SQLite refuses a value.
            try fixture.execute(
                """
                CREATE TABLE licences (
                    id TEXT PRIMARY KEY, seats INTEGER, vip INTEGER, tags TEXT, note TEXT, seen TEXT,
                    first_seen TEXT, origin TEXT, active INTEGER) STRICT
                """, "SELECT 1")
        }
        let events = try (0..<5).map { index in
            let seats = index == 3 ? "\"secret\"" : "\(index)"
            return try MappedEvent("user.lifecycle.create", at: 1, "{\"seats\": \(seats)}", user: "u\(index)")
                .event
        }
        let outcomes = try await fixture.deliver(events)
        #expect(outcomes.filter { $0 == .delivered }.count == 4)
        guard case .rejected(let reason) = outcomes[3] else {
            Issue.record("\(outcomes[3])")
            return
        }
        #expect(reason.contains("seats") && !reason.contains("secret"))
        #expect(try await fixture.rows().map { $0["id"] } == ["u0", "u1", "u2", "u4"])
    }

    @Test(arguments: Database.allCases)
    func aTemplateThatCannotBeRenderedIsThatEventsMatterAlone(_ database: Database) async throws {
        let table = TableConfiguration(
            name: "people",
            columns: [
                try MappedEvent.column("id", "{{ $.user.id }}"),
                try MappedEvent.column("target", "{{ $.event.target[*].id }}"),
            ])
        let fixture = try SQLSinkFixture(database, table)
        let events = [
            try MappedEvent("user.lifecycle.create", at: 1, user: "a", group: "g1"),
            try MappedEvent("user.lifecycle.create", at: 1, user: "b"),
        ]
        let outcomes = try await fixture.deliver(events.map(\.event))
        guard case .rejected(let reason) = outcomes[0] else {
            Issue.record("\(outcomes[0])")
            return
        }
        #expect(reason.hasPrefix("column target: ") && !reason.contains("g1"))
        #expect(outcomes[1] == .delivered)
    }
}

/// A LogEvent with members of its own under `facts`, for templates to find.
struct MappedEvent {
    let event: Event

    init(
        _ type: String, at second: Int, _ facts: String = "{}", user: String = "a", org: String = "acme",
        group: String? = nil
    ) throws {
        let time = "2026-01-01T00:00:0\(second).000Z"
        let team =
            group.map { #"{"type": "UserGroup", "id": "\#($0)", "displayName": "Group \#($0)"},"# } ?? ""
        let text = """
            {"uuid": "\(type)/\(user)/\(second)/\(group ?? "")", "eventType": "\(type)",
             "published": "\(time)", "outcome": {"result": "SUCCESS"}, "facts": \(facts),
             "target": [\(team) {"type": "User", "id": "\(user)", "alternateId": "\(user)@example.com"}]}
            """
        event = try Event(
            body: JSONDocument(text), hook: "hook", org: org, receivedAt: 1_767_225_600_000_000_000)
    }

    /// A mapped column; the template is the text of a JSON string.
    static func column(
        _ name: String, _ template: String, _ type: String? = nil, insert: Bool = false
    ) throws -> ColumnConfiguration {
        var writer = JSONWriter()
        writer.string(template)
        return ColumnConfiguration(
            name: name, value: try HTTPFixtures.template(writer.text, .value), type: type,
            isInsertOnly: insert)
    }
}
