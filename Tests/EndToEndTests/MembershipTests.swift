import Foundation
import JSON
import Relay
import RelayTesting
import Testing

/// Memberships as tables of their own: the recipe of `docs/RULES.md`, in both databases.
@Suite(.timeLimit(.minutes(2))) struct MembershipTests {
    let database: String
    let setup: RelaySetup

    init() async throws {
        database = try await onOwnThread { try PostgresCluster.shared().makeDatabase() }
        let groups = #""group.user_membership.add": "create", "group.user_membership.remove": "delete""#
        let apps =
            #""application.user_membership.add": "create", "application.user_membership.remove": "delete""#
        func table(_ place: String, _ name: String, _ thing: String, _ operations: String) -> String {
            """
            \(place), "table": "\(name)", "onDelete": "delete", "key": ["member", "\(thing)"],
            "columns": { "member": "{{ $.user.id }}", "\(thing)": "{{ $.\(thing).id }}",
                         "name": "{{ $.\(thing).displayName }}" },
            "operations": { \(operations) }
            """
        }
        let sqlite = #""type": "sqlite", "path": "members.sqlite""#
        let postgresql = "\"type\": \"postgresql\", \"url\": \"\(database)\""
        setup = try RelaySetup(
            sinks: """
                "groups": { \(table(sqlite, "in_group", "group", groups)) },
                "apps": { \(table(sqlite, "in_app", "app", apps)) },
                "groups-pg": { \(table(postgresql, "in_group", "group", groups)) },
                "apps-pg": { \(table(postgresql, "in_app", "app", apps)) }
                """,
            rules: """
                { "name": "groups", "events": ["group.user_membership.*"], "sinks": ["groups", "groups-pg"],
                  "none": [ { "target": { "type": ["UserGroup"], "displayName": ["Everyone"] } } ] },
                { "name": "apps", "events": ["application.user_membership.*"], "sinks": ["apps", "apps-pg"] },
                { "name": "gone", "events": ["user.lifecycle.delete.initiated"], "operations": ["delete"],
                  "sinks": ["groups", "groups-pg", "apps", "apps-pg"] }
                """)
    }

    private func rows(_ table: String, _ thing: String) async throws -> [[String?]] {
        let query =
            "SELECT member, \(table == "in_app" ? "app" : "\"group\""), name FROM \(table) ORDER BY 1, 2"
        let rows = try await Rows.sqlite(setup.folder.file("members.sqlite"), query)
        #expect(try await Rows.postgresql(database, query) == rows)
        return rows
    }

    private func post(_ changes: [(second: Int, type: String, user: String, thing: String?)]) async throws {
        let events = changes.map { change in
            let kind = change.type.hasPrefix("application") ? "AppInstance" : "UserGroup"
            let thing = change.thing.map { id in
                let name = id == "all" ? "Everyone" : "The \(id)"
                return #",{"id":"\#(id)","type":"\#(kind)","displayName":"\#(name)"}"#
            }
            return Array(
                """
                {"uuid":"\(change.second)-\(change.type)-\(change.user)-\(change.thing ?? "")",
                 "eventType":"\(change.type)","published":"2026-03-01T10:00:\(10 + change.second).000Z",
                 "outcome":{"result":"SUCCESS"},"target":[{"id":"\(change.user)","type":"User",
                 "alternateId":"\(change.user)@example.com","displayName":"\(change.user)"}\(thing ?? "")]}
                """.utf8)
        }
        #expect(try await setup.post(RelaySetup.envelope(events, id: "\(changes[0].second)")) == 200)
        try await setup.waitUntilSettled()
    }

    @Test func membershipsComeAndGoAndGoWithTheirUser() async throws {
        let relay = try await setup.start()
        let (join, leave) = ("group.user_membership.add", "group.user_membership.remove")
        let (assign, unassign) = ("application.user_membership.add", "application.user_membership.remove")
        try await post([
            (1, join, "ann", "g1"), (2, join, "ann", "g2"), (2, join, "bob", "g1"), (2, join, "bob", "all"),
            (3, assign, "ann", "a1"), (3, assign, "bob", "a1"), (4, assign, "bob", "a2"),
        ])
        #expect(
            try await rows("in_group", "group") == [
                ["ann", "g1", "The g1"], ["ann", "g2", "The g2"], ["bob", "g1", "The g1"],
            ])
        #expect(try await rows("in_app", "app").map { $0[0] } == ["ann", "bob", "bob"])

        // A removal, and then the older addition once more: the fold guards each key.
        try await post([(6, leave, "ann", "g1"), (6, unassign, "bob", "a2")])
        try await post([(5, join, "ann", "g1"), (5, assign, "bob", "a2")])
        #expect(try await rows("in_group", "group").map { $0.prefix(2) } == [["ann", "g2"], ["bob", "g1"]])
        #expect(try await rows("in_app", "app").map { $0.prefix(2) } == [["ann", "a1"], ["bob", "a1"]])

        // A deleted user is in nothing any more, by the user's id alone.
        try await post([(8, "user.lifecycle.delete.initiated", "ann", nil)])
        try await post([(7, join, "ann", "g3"), (7, assign, "ann", "a3")])
        #expect(try await rows("in_group", "group").map { $0.prefix(2) } == [["bob", "g1"]])
        #expect(try await rows("in_app", "app").map { $0.prefix(2) } == [["bob", "a1"]])
        #expect(await relay.stop() == 0)
    }
}
