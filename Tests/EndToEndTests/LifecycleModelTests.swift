import Foundation
import JSON
import Relay
import RelayTesting
import Testing

/// Hundreds of random lives, sent in no order at all, some of it twice, while the relay is stopped and killed
/// and the CRM is unreliable: every destination ends exactly as the model says.
@Suite(.timeLimit(.minutes(30))) struct LifecycleModelTests {
    /// `OKTA_RELAY_LIVES_SEED=n` replays one seed, `OKTA_RELAY_LIVES_SEEDS=n` runs that many.
    @Test(.serialized, arguments: Soak.seeds("LIVES", short: 1, long: 12))
    func everyDestinationEndsAsTheModelSays(_ seed: UInt64) async throws {
        let replay = Comment(
            rawValue: Soak.replay(of: "LifecycleModelTests", "OKTA_RELAY_LIVES_SEED=\(seed)"))
        let store = ContactStore(troubleOneOf: 12, seed: seed)
        let receiver = try HTTPReceiver { store.answer($0) }
        defer { receiver.stop() }
        let database = try await onOwnThread { try PostgresCluster.shared().makeDatabase() }
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
        let rows = try await Rows.sqlite(setup.folder.file("users.sqlite"), users)
        #expect(model.differences(from: rows) == [], replay)
        let warehouse = try await Rows.postgresql(database, "\(users) COLLATE \"C\"")
        #expect(model.differences(from: warehouse) == [], replay)
        // Every event once, whatever came of it for its user.
        let events = "SELECT event_id, event_type, user_id FROM events ORDER BY event_id"
        let appended = history.events.map { [$0.id, $0.type.rawValue, $0.userID] }.sorted { $0[0] < $1[0] }
        #expect(try await Rows.sqlite(setup.folder.file("users.sqlite"), events) == appended, replay)
        #expect(try await Rows.postgresql(database, "\(events) COLLATE \"C\"") == appended, replay)
        let wrong = differences(store.contacts, from: model.contacts)
        #expect(wrong == [], "\(replay); \(requests(of: wrong, at: receiver))")
        #expect(store.troubles > 0, replay)
        #expect(store.doubled == [], replay)
        // Nobody is made anew more often than they were created in Okta.
        let lives = Dictionary(grouping: history.events.filter { $0.type == .create }, by: \.userID)
        #expect(store.creations.filter { $0.value > lives[$0.key]?.count ?? 0 } == [:], replay)
    }

    /// What was asked of the CRM for those people, in order.
    private func requests(of differences: [String], at receiver: HTTPReceiver) -> [String] {
        let people = Set(differences.compactMap { $0.split(separator: ":").first.map(String.init) })
        return receiver.requests.filter { people.contains($0.header("x-external-id") ?? "") }
            .map { "\($0.number): \($0.method) \($0.header("x-event") ?? "") over \($0.connection)" }
    }
}
