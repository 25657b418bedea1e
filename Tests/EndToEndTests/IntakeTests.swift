import Foundation
import JSON
import Relay
import RelayTesting
import Testing

/// What may come in, against the whole relay: the accepted is in the databases, the rest is accounted for.
@Suite(.timeLimit(.minutes(2))) struct IntakeTests {
    let database: String
    let setup: RelaySetup

    init() async throws {
        database = try await onOwnThread { try PostgresCluster.shared().makeDatabase() }
        setup = try RelaySetup(
            server: #", "maxBody": "2MiB", "requestTimeout": "6s""#,
            sinks: "\(Destinations.sqlite), \(Destinations.postgresql(database))",
            rules: Destinations.rule(to: "users", "audit", "warehouse", "ledger"))
    }

    /// The uuids in both append tables, which must not differ.
    private func delivered() async throws -> [String?] {
        let query = "SELECT event_id FROM events ORDER BY event_id"
        let ids = try await Rows.sqlite(setup.folder.file("users.sqlite"), query).map { $0[0] }
        #expect(try await Rows.postgresql(database, "\(query) COLLATE \"C\"").map { $0[0] } == ids)
        return ids
    }

    private func audited(_ column: String, _ id: String) async throws -> String? {
        let query = "SELECT \(column) FROM events WHERE event_id = '\(id)'"
        return try await Rows.sqlite(setup.folder.file("users.sqlite"), query).first?[0]
    }

    @Test func whatWasAcceptedArrivesAndTheRestIsQuarantined() async throws {
        let relay = try await setup.start()
        let good = { (id: String) in LogEventFixture(uuid: id, userID: "u-\(id)").json }
        let unnamed = Array(#"{"eventType":"user.lifecycle.create","note":"no uuid in here"}"#.utf8)

        #expect(try await setup.post(RelaySetup.envelope([good("a"), unnamed, good("b")])) == 200)
        #expect(try await setup.post(RelaySetup.envelope([good("refused")]), secret: "wrong") == 401)
        #expect(try await setup.post(Array(#"{"hello":"there"}"#.utf8)) == 400)
        #expect(try await tooLong() == 413)
        // The same envelope twice, and two that share one event.
        for elements in [[good("c"), good("d")], [good("c"), good("d")], [good("d"), good("e")]] {
            #expect(try await setup.post(RelaySetup.envelope(elements)) == 200)
        }
        // Without targets it is nobody's, but an event all the same.
        let nobody = Array(
            """
            {"uuid":"n","eventType":"user.lifecycle.create","published":"2026-03-01T10:00:00.123456789Z",
            "outcome":{"result":"SUCCESS"},"actor":null,"target":null,"debugContext":null}
            """.utf8)
        #expect(try await setup.post(RelaySetup.envelope([nobody])) == 200)
        try await setup.waitUntilSettled()

        #expect(try await delivered() == ["a", "b", "c", "d", "e", "n"])
        #expect(try await audited("published", "n") == "2026-03-01T10:00:00.123456789Z")
        #expect(try await audited("body", "n")?.utf8.elementsEqual(nobody) == true)
        let status = try await setup.status()
        #expect(status.events("accepted") == 6)
        #expect(status.events("duplicates") == 3)
        #expect(status.events("quarantined") == 2)
        #expect(status.sink("users")?["dead"]?.int == 1)
        try await expectQuarantine(unnamed)
        #expect(await relay.stop() == 0)
    }

    private func expectQuarantine(_ unnamed: [UInt8]) async throws {
        let list = try await setup.json("quarantine", "list")
        #expect(list.elements.map { $0["reason"]?.string?.contains("uuid") } == [false, true])
        let id = try #require(list.elements.map { $0 }.last?["id"]?.int)
        let shown = try await setup.run("quarantine", "show", String(id), "--raw")
        #expect(shown.output.utf8.elementsEqual(unnamed))
        let text = try await setup.run("quarantine", "show", String(id)).output
        #expect(text.contains("no uuid in here"))
    }

    private func tooLong() async throws -> Int {
        try await RawHTTPClient.connect(port: setup.port) { client in
            try await client.send(
                "POST /okta/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: \(RelaySetup.secret)\r\n"
                    + "Content-Length: \(3 << 20)\r\n\r\n{")
            return try await client.response().status
        }
    }

    @Test func aBodyThatNeverEndsIsCutOffAndLeavesNothing() async throws {
        let relay = try await setup.start()
        let started = ContinuousClock.now
        let port = setup.port
        let rest = try await RawHTTPClient.connect(port: port) { client in
            try await client.send(
                "POST /okta/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: \(RelaySetup.secret)\r\n"
                    + "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"dat\r\n")
            return await client.untilClosed()
        }
        #expect(!String(decoding: rest, as: UTF8.self).contains(" 200 "))
        #expect(ContinuousClock.now - started < .seconds(20))
        // Others never noticed.
        #expect(try await setup.post(RelaySetup.envelope([LogEventFixture(uuid: "after").json])) == 200)
        try await setup.waitUntilSettled()
        #expect(try await delivered() == ["after"])
        #expect(await relay.stop() == 0)
    }

    @Test func eventsOfOneInstantEndInOneOrder() async throws {
        let relay = try await setup.start()
        let types = ["activate", "create", "suspend"].map { "user.lifecycle.\($0)" }
        let instant = "2026-03-01T10:00:00.5Z"
        // Each user gets the three in another order.
        for (user, order) in [[0, 1, 2], [2, 1, 0], [1, 2, 0]].enumerated() {
            let elements = order.map { index in
                LogEventFixture(
                    uuid: "\(user)-\(index)", type: types[index], published: instant, userID: "u\(user)"
                ).json
            }
            #expect(try await setup.post(RelaySetup.envelope(elements)) == 200)
        }
        try await setup.waitUntilSettled()
        let query = "SELECT id, status, last_event_type FROM users ORDER BY id"
        let rows = try await Rows.sqlite(setup.folder.file("users.sqlite"), query)
        #expect(rows == (0..<3).map { ["u\($0)", "SUSPENDED", "user.lifecycle.suspend"] })
        #expect(try await Rows.postgresql(database, query) == rows)
        #expect(await relay.stop() == 0)
    }

    @Test func fiveHundredEventsOfOneEnvelopeArrive() async throws {
        let relay = try await setup.start()
        let padding = String(repeating: "x", count: 2_000)
        let elements = (0..<500).map { index -> [UInt8] in
            let event = LogEventFixture(
                uuid: "bulk-\(index + 1_000)", type: "user.lifecycle.create", userID: "u\(index)")
            return event.json.dropLast() + Array(",\"debugContext\":{\"debugData\":\"\(padding)\"}}".utf8)
        }
        let body = RelaySetup.envelope(elements)
        #expect(body.count > 1 << 20)
        #expect(try await setup.post(body) == 200)
        try await setup.waitUntilSettled()
        #expect(try await delivered() == (0..<500).map { "bulk-\($0 + 1_000)" })
        #expect(try await setup.status().sink("warehouse")?["delivered"]?.int == 500)
        #expect(await relay.stop() == 0)
    }
}
