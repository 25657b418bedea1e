import Foundation
import JSON
import Relay
import RelayTesting
import Testing

/// A database that goes away under traffic is nobody's business but its own.
@Suite(.timeLimit(.minutes(2))) struct OutageTests {
    @Test func postgreSQLCatchesUpAndNobodyElseNotices() async throws {
        let cluster = try PostgresCluster()
        let database = try cluster.makeDatabase()
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
        try cluster.stop()
        await traffic
        #expect(sender.isDone)
        #expect(Set(sender.answers.keys) == [200])
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

        try cluster.start()
        try await setup.waitUntilSettled()
        let ids = sender.events.keys.sorted()
        let query = "SELECT event_id FROM events ORDER BY event_id"
        #expect(try Rows.postgresql(database, "\(query) COLLATE \"C\"").map { $0[0] } == ids)
        #expect(try Rows.sqlite(setup.folder.file("users.sqlite"), query).map { $0[0] } == ids)
        let users = "SELECT \(UserModel.columns) FROM users ORDER BY id"
        let model = try UserModel(sender.events.values)
        let warehouse = try Rows.postgresql(database, "\(users) COLLATE \"C\"")
        #expect(model.differences(from: warehouse) == [])
        let rows = try Rows.sqlite(setup.folder.file("users.sqlite"), users)
        #expect(model.differences(from: rows) == [])
        // Nothing was sent twice to a sink that was well.
        #expect(receiver.requests.count == ids.count)
        let after = try await setup.status()
        #expect(after.sink("ledger")?["dead"]?.int == 0 && after.sink("warehouse")?["dead"]?.int == 0)
        #expect(await relay.stop() == 0)
    }
}
