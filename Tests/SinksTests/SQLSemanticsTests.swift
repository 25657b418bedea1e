import Config
import Relay
import RelayTesting
import Rules
import Testing

@testable import Sinks

/// What single events do to the rows of the default tables, in both databases.
@Suite("SQL: what events mean for rows")
struct SQLSemanticsTests {
    typealias Database = SQLSinkFixture.Database

    private func create(_ user: String, _ second: Int64) -> EventSample {
        EventSample(type: "user.lifecycle.create", user: user, second: second)
    }
    private func update(_ user: String, _ second: Int64) -> EventSample {
        EventSample(type: "user.account.update_profile", user: user, second: second)
    }
    private func deactivate(_ user: String, _ second: Int64) -> EventSample {
        EventSample(type: "user.lifecycle.deactivate", user: user, second: second)
    }
    private func delete(_ user: String, _ second: Int64) -> EventSample {
        EventSample(type: "user.lifecycle.delete.initiated", user: user, second: second)
    }

    @Test(arguments: Database.allCases)
    func aCreationGivesARow(_ database: Database) async throws {
        let fixture = try SQLSinkFixture(database)
        #expect(try await fixture.deliver([create("a", 1)]) == [.delivered])
        let row = try #require(try await fixture.rows().first)
        #expect(row["id"] == "a")
        #expect(row["login"] == "a@example.com")
        #expect(row["display_name"] == "a@1")
        #expect(row["status"] == "STAGED")
        #expect(row["last_event_type"] == "user.lifecycle.create")
        #expect(row["deleted_at"] == nil && row["email"] == nil && row["profile"] == nil)
        #expect(row["updated_at"]?.hasPrefix("2026-01-01T00:00:01") == true)
    }

    @Test(arguments: Database.allCases)
    func aNewerProfileDoesNotMakeAnOlderDeactivationStale(_ database: Database) async throws {
        let fixture = try SQLSinkFixture(database)
        _ = try await fixture.deliver([create("a", 1), update("a", 5)])
        #expect(try await fixture.deliver([deactivate("a", 3)]) == [.delivered])
        let row = try #require(try await fixture.rows().first)
        #expect(row["status"] == "DEPROVISIONED")
        #expect(row["display_name"] == "a@5")
        #expect(try await fixture.deliver([deactivate("a", 2)]) == [.superseded])
    }

    @Test(arguments: Database.allCases)
    func aUserFirstSeenByADeactivationIsInserted(_ database: Database) async throws {
        let fixture = try SQLSinkFixture(database)
        #expect(try await fixture.deliver([deactivate("a", 3)]) == [.delivered])
        #expect(try await fixture.rows().first?["status"] == "DEPROVISIONED")
    }

    @Test(arguments: Database.allCases)
    func aDeletionMarksTheRowAndKeepsTheRealLogin(_ database: Database) async throws {
        let fixture = try SQLSinkFixture(database)
        var renamed = update("a", 4)
        renamed.login = "a@deleted.invalid"
        renamed.displayName = "gone"
        _ = try await fixture.deliver([create("a", 1), delete("a", 3), renamed])
        let row = try #require(try await fixture.rows().first)
        #expect(row["status"] == "DELETED")
        #expect(row["deleted_at"]?.hasPrefix("2026-01-01T00:00:04") == true)
        #expect(row["login"] == "a@example.com")
        #expect(row["display_name"] == "a@3")
        // A tombstone is final, though fields go on merging …
        #expect(try await fixture.deliver([deactivate("a", 6)]) == [.delivered])
        #expect(try await fixture.rows().first?["status"] == "DELETED")
        // … until a newer create.
        #expect(try await fixture.deliver([create("a", 5)]) == [.delivered])
        let revived = try #require(try await fixture.rows().first)
        #expect(revived["status"] == "DEPROVISIONED", "what is newer than the creation holds")
        #expect(revived["deleted_at"] == nil)
        #expect(revived["display_name"] == "a@6")
    }

    @Test(arguments: Database.allCases)
    func aHardDeletionTakesTheRow(_ database: Database) async throws {
        let fixture = try SQLSinkFixture(database, TableConfiguration(name: "users", onDelete: .delete))
        _ = try await fixture.deliver([create("a", 1), create("b", 1), delete("a", 3)])
        #expect(try await fixture.rows().map { $0["id"] } == ["b"])
        #expect(try await fixture.deliver([update("a", 5)]) == [.superseded])
        #expect(try await fixture.deliver([delete("a", 3)]) == [.delivered], "the deletion again")
        #expect(try await fixture.rows().count == 1)
        _ = try await fixture.deliver([create("a", 4)])
        let row = try #require(try await fixture.rows().first { $0["id"] == "a" })
        #expect(row["display_name"] == "a@5", "the update was newer than the new life's creation")
    }

    @Test(arguments: Database.allCases)
    func whatHasNoPlaceInAnUpsertTable(_ database: Database) async throws {
        let fixture = try SQLSinkFixture(database)
        let samples = [
            EventSample(type: "user.session.start", user: "a", second: 1),
            EventSample(type: "user.lifecycle.create", user: nil, second: 1),
            EventSample(type: "user.lifecycle.create", user: "a", second: nil),
            EventSample(type: "user.lifecycle.create", user: "a", second: 1, outcome: "FAILURE"),
        ]
        #expect(
            try await fixture.deliver(samples) == [
                .skipped("no effect on a user"), .rejected(reason: "no user"),
                .rejected(reason: "no usable published"), .skipped("no effect on a user"),
            ])
        #expect(try await fixture.rows().isEmpty)
    }

    @Test(arguments: Database.allCases)
    func anAppendTableTakesEveryEventOnce(_ database: Database) async throws {
        let table = TableConfiguration(name: "events", mode: .append)
        let fixture = try SQLSinkFixture(database, table)
        let samples = [
            create("a", 1), create("a", 1), EventSample(type: "system.odd", user: nil, second: nil),
        ]
        for _ in 0..<2 {
            #expect(try await fixture.deliver(samples).allSatisfy { $0 == .delivered })
        }
        let rows = try await fixture.rows()
        #expect(rows.count == 2)
        let row = try #require(rows.first { $0["user_id"] == "a" })
        #expect(row["operation"] == "create" && row["outcome"] == "SUCCESS" && row["hook"] == "hook")
        #expect(row["body"]?.contains("\"uuid\"") == true)
    }

    /// What its limits count, and what is told of users that were removed.
    @Test func aLogLosesNoRowAndIsToldOfRemovals() throws {
        let types = [
            "user.lifecycle.deactivate", "user.lifecycle.delete.initiated", "group.user_membership.remove",
        ]
        let events = types.map { EventSample(type: $0, user: "a", second: 1).event }
        func operations(_ table: TableConfiguration) throws -> [[Operation]] {
            let plan = try TablePlan(table)
            return [events.map(plan.operation(of:)), events.map(plan.userOperation(of:))]
        }
        #expect(
            try operations(TableConfiguration(name: "events", mode: .append)) == [
                [.none, .none, .none], [.deactivate, .delete, .none],
            ])
        #expect(
            try operations(TableConfiguration(name: "users")) == [
                [.deactivate, .delete, .none], [.deactivate, .delete, .none],
            ])
        // Of memberships: what takes one away removes nobody.
        let memberships = TableConfiguration(name: "members", operations: [types[2]: .delete])
        #expect(try operations(memberships) == [[.none, .delete, .delete], [.none, .delete, .none]])
    }

    @Test(arguments: Database.allCases)
    func twoOrgsAreTwoRowsWhereTheKeySaysSo(_ database: Database) async throws {
        let fixture = try SQLSinkFixture(database, TableConfiguration(name: "users", key: ["org", "id"]))
        var other = create("a", 2)
        other.org = "other"
        _ = try await fixture.deliver([create("a", 1), other])
        #expect(try await fixture.rows().map { $0["org"] } == ["acme", "other"])
    }

    @Test(arguments: Database.allCases)
    func pagesGoThroughAllRowsInOrder(_ database: Database) async throws {
        let fixture = try SQLSinkFixture(database)
        _ = try await fixture.deliver((0..<25).map { create("u\(10 + $0)", 1) })
        let rows = try await fixture.rows(pageSize: 4)
        #expect(rows.map { $0["id"] ?? "" } == (0..<25).map { "u\(10 + $0)" })
    }

    @Test(arguments: Database.allCases)
    func nastyTextSurvives(_ database: Database) async throws {
        let fixture = try SQLSinkFixture(database)
        let texts = [
            "NULL", "null", "", "{a,b}", "\"quoted\"", "back\\slash\\", "a,b", "'; DROP TABLE users; --",
            " x ",
            "line\nbreak\ttab", "e\u{301}\u{1F600}", "$1", "?1", "\\N", "{", "}", "\u{7F}\u{1}",
        ]
        let samples = texts.enumerated().map { index, text in
            var sample = create("u\(100 + index)", 1)
            sample.displayName = text
            return sample
        }
        #expect(try await fixture.deliver(samples).allSatisfy { $0 == .delivered })
        let found = try await fixture.rows().map { Array(($0["display_name"] ?? "missing").utf8) }
        #expect(found == texts.map { Array($0.utf8) })
    }

    @Test(arguments: Database.allCases)
    func aNULByteBecomesAReplacementCharacter(_ database: Database) async throws {
        let fixture = try SQLSinkFixture(database)
        var sample = create("a", 1)
        sample.displayName = "a\u{0}b"
        #expect(try await fixture.deliver([sample, create("b", 1)]) == [.delivered, .delivered])
        #expect(try await fixture.rows().first?["display_name"] == "a\u{FFFD}b")
    }
}
