import Foundation
import JSON
import Relay
import RelayTesting
import Testing

/// A database that goes away under traffic is nobody's business but its own.
@Suite(.timeLimit(.minutes(2))) struct OutageTests {
    @Test func postgreSQLCatchesUpAndNobodyElseNotices() async throws {
        let cluster = try await onOwnThread { try PostgresCluster() }
        let database = try await onOwnThread { try cluster.makeDatabase() }
        let receiver = try HTTPReceiver()
        defer { receiver.stop() }
        let setup = try RelaySetup(
            sinks: [
                Destinations.sqlite, Destinations.postgresql(database), Destinations.messages(receiver.url),
            ].joined(separator: ","),
            rules: Destinations.rule(to: "users", "audit", "warehouse", "ledger", "feed"))
        let relay = try await setup.start()
        let sender = PatientSender(
            .init(
                users: 60, events: 2_000, batchMax: 4, duplicates: 0.05, seed: 11,
                start: 1_772_000_000_000_000_000))

        let before = sender.milestone(400)
        async let traffic: Void = sender.send(to: setup.target)
        for await _ in before {}
        try await onOwnThread { try cluster.stop() }
        await traffic
        #expect(sender.isDone)
        // A busy machine may be late now and then; a relay that waits for the database is late each time.
        let answers = sender.answers
        #expect(Set(answers.keys).isSubset(of: [200, 503]), "\(answers)")
        #expect(answers[503, default: 0] * 10 < answers[200, default: 0], "\(answers)")
        // Okta gives up after three seconds.
        #expect(sender.slowest < .seconds(3), "\(sender.slowest)")

        // The others are through while the database is still away.
        try await setup.wait(for: "the other sinks to settle") { status in
            ["users", "audit", "feed"].allSatisfy { status.sink($0)?["waiting"]?.int == 0 }
                && status.sink("ledger")?["state"]?.isString("closed") == false
        }
        let during = try await setup.status()
        #expect((during.sink("ledger")?["waiting"]?.int ?? 0) > 0)
        #expect((during.sink("warehouse")?["waiting"]?.int ?? 0) > 0)
        #expect(during.sink("ledger")?["dead"]?.int == 0)

        try await onOwnThread { try cluster.start() }
        try await setup.waitUntilSettled()
        let ids = sender.events.keys.sorted()
        let query = "SELECT event_id FROM events ORDER BY event_id"
        #expect(try await Rows.postgresql(database, "\(query) COLLATE \"C\"").map { $0[0] } == ids)
        #expect(try await Rows.sqlite(setup.folder.file("users.sqlite"), query).map { $0[0] } == ids)
        let users = "SELECT \(UserModel.columns) FROM users ORDER BY id"
        let model = try UserModel(sender.events.values)
        let warehouse = try await Rows.postgresql(database, "\(users) COLLATE \"C\"")
        #expect(model.differences(from: warehouse) == [])
        let rows = try await Rows.sqlite(setup.folder.file("users.sqlite"), users)
        #expect(model.differences(from: rows) == [])
        // Nothing was sent twice to a sink that was well.
        #expect(receiver.requests.count == ids.count)
        let after = try await setup.status()
        #expect(after.sink("ledger")?["dead"]?.int == 0 && after.sink("warehouse")?["dead"]?.int == 0)
        #expect(await relay.stop() == 0)
    }
}
