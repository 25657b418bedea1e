import Foundation
import JSON
import Relay
import RelayTesting
import Testing

/// The whole way, as a user has it: hook requests in, rows and requests out, for all three kinds of sink.
@Suite(.timeLimit(.minutes(2))) struct MainJobTests {
    let receiver: HTTPReceiver
    let database: String
    let setup: RelaySetup

    init() async throws {
        receiver = try HTTPReceiver()
        database = try await onOwnThread { try PostgresCluster.shared().makeDatabase() }
        setup = try RelaySetup(
            sinks: [
                Destinations.sqlite, Destinations.postgresql(database), Destinations.contacts(receiver.url),
            ].joined(separator: ","),
            rules: Destinations.rule(to: "users", "audit", "warehouse", "ledger", "crm"))
    }

    /// Both tables of users, which must not differ.
    private func userRows() async throws -> [[String?]] {
        let query = "SELECT \(UserModel.columns) FROM users ORDER BY id"
        let rows = try await Rows.sqlite(setup.folder.file("users.sqlite"), query)
        #expect(try await Rows.postgresql(database, query) == rows)
        return rows
    }

    /// What each event says, as both append tables have it.
    private func eventRows() async throws -> [[String?]] {
        let query = "SELECT event_id, event_type, user_id, operation, hook FROM events ORDER BY event_id"
        let rows = try await Rows.sqlite(setup.folder.file("users.sqlite"), query)
        #expect(try await Rows.postgresql(database, query) == rows)
        return rows
    }

    /// The last request for each contact: its method, and what it says.
    private var contacts: [String: String] {
        Dictionary(receiver.requests.map { ($0.target, "\($0.method) \($0.text)") }) { _, last in last }
    }

    private static func event(
        _ uuid: String, _ type: String, _ user: String?, at second: String, name: String = "Ada Lovelace",
        login: String? = nil
    ) -> [UInt8] {
        var event = LogEventFixture(
            uuid: uuid, type: type, published: "2026-03-01T10:00:\(second)Z", userID: user,
            login: login ?? "\(user ?? "nobody")@example.com")
        event.displayName = name
        return event.json
    }

    private static let lock = Array(
        """
        {"uuid":"d2","eventType":"user.account.lock","published":"2026-03-01T10:00:09.000Z",
        "outcome":{"result":"FAILURE","reason":"LOCKED_OUT"},"target":null,
        "actor":{"id":"dan","type":"User","alternateId":"dan@example.com","displayName":"Dan"}}
        """.utf8)

    @Test func rowsAndRequestsAreWhatTheEventsMean() async throws {
        defer { receiver.stop() }
        let relay = try await setup.start()
        let event = Self.event
        let envelopes: [[[UInt8]]] = [
            // A newcomer, all at once and out of order.
            [
                event("a3", "user.account.update_profile", "ada", "03.5", "Ada King", nil),
                event("a1", "user.lifecycle.create", "ada", "01.000", "Ada Lovelace", nil),
                event("a2", "user.lifecycle.activate", "ada", "02.123456789", "Ada Lovelace", nil),
            ],
            // Somebody who left; what is older comes later.
            [event("b1", "user.lifecycle.create", "bob", "01", "Bob", nil)],
            [event("b3", "user.lifecycle.deactivate", "bob", "05", "Bob", nil)],
            [event("b2", "user.lifecycle.activate", "bob", "02", "Bob", nil)],
            // A deletion, and the profile update that Okta sends behind it.
            [event("c1", "user.lifecycle.create", "cay", "01", "Cay", nil)],
            [event("c2", "user.lifecycle.delete.initiated", "cay", "02", "Cay", nil)],
            [event("c3", "user.account.update_profile", "cay", "02.03", "Cay", "cay@deleted.invalid")],
            // A lock says who in its actor, and calls itself a failure.
            [event("d1", "user.lifecycle.activate", "dan", "01", "Dan", nil), Self.lock],
            // Somebody without a user, and an event that no rule names.
            [event("e1", "user.lifecycle.create", nil, "01", "Nobody", nil)],
            [event("g1", "group.user_membership.add", "ada", "04", "Ada King", nil)],
        ]
        for envelope in envelopes {
            #expect(try await setup.post(RelaySetup.envelope(envelope)) == 200)
        }
        try await setup.waitUntilSettled()

        let create = "user.lifecycle.create", update = "user.account.update_profile"
        #expect(
            try await userRows() == [
                ["ada", "ada@example.com", "Ada King", "ACTIVE", "a3", update],
                ["bob", "bob@example.com", "Bob", "DEPROVISIONED", "b3", "user.lifecycle.deactivate"],
                ["cay", "cay@example.com", "Cay", "DELETED", "c3", update],
                ["dan", "dan@example.com", "Dan", "LOCKED_OUT", "d2", "user.account.lock"],
            ])
        let events = try await eventRows()
        #expect(
            events.map { $0[0] } == ["a1", "a2", "a3", "b1", "b2", "b3", "c1", "c2", "c3", "d1", "d2", "e1"])
        #expect(events[0] == ["a1", create, "ada", "create", "okta"])
        #expect(events[8] == ["c3", update, "cay", "delete", "okta"])
        #expect(events[11] == ["e1", create, nil, "create", "okta"])
        #expect(
            contacts == [
                "/contacts/ada": #"PUT {"name":"Ada King","active":true}"#,
                "/contacts/bob": #"PUT {"name":"Bob","active":false}"#,
                "/contacts/cay": "DELETE ",
                "/contacts/dan": #"PUT {"name":"Dan","active":true}"#,
            ])
        try await expectCounts()
        #expect(await relay.stop() == 0)
    }

    /// What `status` says after the story above, and that keys and secrets go where they belong only.
    private func expectCounts() async throws {
        let status = try await setup.json("status")
        #expect(status.events("accepted") == 13)
        #expect(status.events("unrouted") == 1)
        #expect(status.events("quarantined") == 0)
        for sink in ["users", "warehouse", "crm"] {
            #expect(status.sink(sink)?["dead"]?.int == 1, "e1 is nobody's: \(sink)")
        }
        #expect(status.sink("audit")?["delivered"]?.int == 12)
        #expect(status.sink("ledger")?["delivered"]?.int == 12)
        // Each event is one of these for a sink, and there are no others.
        for sink in status["sinks"]?.elements.map({ $0 }) ?? [] {
            let ends = ["delivered", "superseded", "skipped", "dead"].map { sink[$0]?.int ?? -1 }
            #expect(ends.reduce(0, +) == 12, "\(String(decoding: sink.raw, as: UTF8.self))")
        }
        let letters = try await setup.run("dead-letters", "list").output
        #expect(letters.contains("no user") && letters.contains("e1"))
        let requests = receiver.requests
        #expect(requests.allSatisfy { $0.header("authorization") == "Bearer a-token-for-the-crm" })
        let keys = requests.compactMap { $0.header("idempotency-key") }
        #expect(Set(keys).count == requests.count)
    }

    /// Payloads that Okta really sent, where the machine has some.
    @Test(.enabled(if: !Samples.files.isEmpty, "there are no recorded payloads here"))
    func recordedPayloadsAreDelivered() async throws {
        defer { receiver.stop() }
        let relay = try await setup.start()
        for file in Samples.files {
            #expect(try await setup.post(Array(Data(contentsOf: file))) == 200, "\(file.lastPathComponent)")
        }
        try await setup.waitUntilSettled()
        let expected = try Samples.events()
        let audited = try await eventRows()
        let users = expected.filter {
            $0.type.hasPrefix("user.lifecycle.") || $0.type.hasPrefix("user.account.")
        }
        #expect(Set(audited.compactMap { $0[0] }) == Set(users.map(\.id)))
        #expect(audited.count == Set(users.map(\.id)).count)
        let named = Set(users.compactMap(\.user))
        #expect(Set(try await userRows().compactMap { $0[0] }) == named)
        #expect(Set(contacts.keys) == Set(named.map { "/contacts/\($0)" }))
        let status = try await setup.json("status")
        let distinct = Dictionary(expected.map { ($0.id, $0.type) }) { first, _ in first }
        #expect(status.events("accepted") == distinct.count)
        #expect(status.events("duplicates") == expected.count - distinct.count)
        #expect(status.events("unrouted") == distinct.count - Set(users.map(\.id)).count)
        #expect(await relay.stop() == 0)
    }
}

/// Recorded hook requests that lie beside the package on some machines, and never in it.
enum Samples {
    static let files: [URL] = {
        let folder = URL(fileURLWithPath: #filePath)
            .appending(path: "../../../../shared/okta/samples").standardizedFileURL
        let all =
            (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
        return all.filter { $0.lastPathComponent.hasPrefix("hook-") }
            .sorted { $0.lastPathComponent < $1.lastPathComponent }
    }()

    /// What each element says, in order.
    static func events() throws -> [(id: String, type: String, user: String?)] {
        try files.flatMap { file in
            let root = try JSONDocument(Array(Data(contentsOf: file))).root
            return (root["data"]?["events"]?.elements.map { $0 } ?? []).map { event in
                let user = event["target"]?.elements.first { $0["type"]?.isString("User") == true }
                return (
                    event["uuid"]?.string ?? "", event["eventType"]?.string ?? "", user?["id"]?.string
                )
            }
        }
    }
}
