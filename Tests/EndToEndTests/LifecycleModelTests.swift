import Foundation
import JSON
import Relay
import RelayTesting
import Testing

/// Hundreds of random lives, sent in no order at all, some of it twice, while the relay is stopped and killed
/// and the CRM is unreliable: every destination ends exactly as the model says.
@Suite(.timeLimit(.minutes(30))) struct LifecycleModelTests {
    /// `OKTA_RELAY_LIVES_SEED=n` replays one seed, `OKTA_RELAY_LIVES_SEEDS=n` runs that many.
    @Test func everyDestinationEndsAsTheModelSays() async throws {
        for seed in Soak.seeds("LIVES", short: 1, long: 12) { try await play(seed) }
    }

    private func play(_ seed: UInt64) async throws {
        let replay: Comment =
            "replay with: OKTA_RELAY_LIVES_SEED=\(seed) swift test --filter LifecycleModelTests"
        let store = ContactStore(troubleOneOf: 12, seed: seed)
        let receiver = try HTTPReceiver { store.answer($0) }
        defer { receiver.stop() }
        let database = try PostgresCluster.shared().makeDatabase()
        let setup = try RelaySetup(
            server: #", "shutdownTimeout": "5s""#,
            sinks: [
                Destinations.sqlite, Destinations.postgresql(database),
                Destinations.contacts(receiver.url, posts: true),
            ].joined(separator: ","),
            rules: Destinations.rule(to: "users", "audit", "warehouse", "ledger", "crm"))
        var history = LifecycleHistory(users: Soak.isOn ? 800 : 250, seed: seed)
        let sender = PatientSender(history.envelopes(batchMax: 12))

        for (share, signal) in [(3, SIGKILL), (2, SIGTERM)] {
            let relay = try await setup.start()
            let moment = sender.milestone(history.events.count / share)
            async let traffic: Void = sender.send(to: setup.target)
            for await _ in moment {}
            let status = signal == SIGKILL ? await relay.kill() : await relay.stop()
            #expect(status == (signal == SIGKILL ? 128 + SIGKILL : 0), replay)
            await traffic
        }
        let last = try await setup.start()
        await sender.send(to: setup.target)
        #expect(sender.isDone, replay)
        try await setup.waitUntilSettled()
        let status = try await setup.status()
        for sink in ["users", "audit", "warehouse", "ledger", "crm"] {
            #expect(status.sink(sink)?["dead"]?.int == 0, replay)
        }
        #expect(await last.stop() == 0, replay)

        let model = try UserModel(history.events)
        let users = "SELECT \(UserModel.columns) FROM users ORDER BY id"
        let rows = try Rows.sqlite(setup.folder.file("users.sqlite"), users)
        #expect(model.differences(from: rows) == [], replay)
        let warehouse = try Rows.postgresql(database, "\(users) COLLATE \"C\"")
        #expect(model.differences(from: warehouse) == [], replay)
        #expect(differences(store.contacts, from: model.contacts) == [], replay)
        #expect(store.troubles > 0)
        #expect(store.doubled == [], replay)
        // Nobody is made anew more often than they were created in Okta.
        let lives = Dictionary(grouping: history.events.filter { $0.type == .create }, by: \.userID)
        #expect(store.creations.filter { $0.value > lives[$0.key]?.count ?? 0 } == [:], replay)
    }
}
