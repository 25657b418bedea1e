import Foundation
import JSON
import Relay
import RelayTesting
import Testing

/// SIGTERM and SIGKILL under load: what was acknowledged arrives, whatever ends the process.
@Suite(.timeLimit(.minutes(10))) struct StopTests {
    let receiver: HTTPReceiver
    let database: String
    let setup: RelaySetup

    init() throws {
        receiver = try HTTPReceiver()
        database = try PostgresCluster.shared().makeDatabase()
        setup = try RelaySetup(
            server: #", "shutdownTimeout": "5s""#,
            sinks: [
                Destinations.sqlite, Destinations.postgresql(database), Destinations.contacts(receiver.url),
                Destinations.messages(receiver.url),
            ].joined(separator: ","),
            rules: Destinations.rule(to: "users", "audit", "warehouse", "ledger", "crm", "feed"))
    }

    private static func options(events: Int) -> LifecycleGenerator.Options {
        .init(
            users: 40, events: events, batchMax: 4, duplicates: 0.1, seed: 7, start: 1_772_000_000_000_000_000
        )
    }

    @Test func aGracefulStopEndsInTimeAndTheNextStartGoesOn() async throws {
        defer { receiver.stop() }
        let sender = PatientSender(Self.options(events: 800))
        let first = try await setup.start()
        let underLoad = sender.milestone(300)
        async let traffic: Void = sender.send(to: setup.target)
        for await _ in underLoad {}
        let started = ContinuousClock.now
        #expect(await first.stop() == 0, "\(first.log)")
        #expect(ContinuousClock.now - started < .seconds(15))
        await traffic
        #expect(sender.acknowledged.isSubset(of: try journaled()))

        let second = try await setup.start()
        await sender.send(to: setup.target)
        #expect(sender.isDone)
        try await setup.waitUntilSettled()
        #expect(await second.stop() == 0)
        try expectEverything(of: sender)
        // What was in flight had been finished, so nothing came twice.
        #expect(messages.count == sender.events.count)
    }

    @Test func killedAgainAndAgainItLosesAndDoublesNothing() async throws {
        defer { receiver.stop() }
        let text = ProcessInfo.processInfo.environment["OKTA_RELAY_CRASH_ROUNDS"] ?? ""
        let rounds = Int(text) ?? 6
        var random = SeededGenerator(seed: 0x5EED)
        let sender = PatientSender(Self.options(events: (rounds + 1) * 160))
        for _ in 0..<rounds {
            let relay = try await setup.start()
            let next = sender.acknowledged.count + Int.random(in: 1...160, using: &random)
            let moment = sender.milestone(next)
            async let traffic: Void = sender.send(to: setup.target)
            for await _ in moment {}
            #expect(await relay.kill() == 128 + SIGKILL)
            await traffic
            let lost = sender.acknowledged.subtracting(try journaled())
            #expect(lost.isEmpty, "acknowledged and not in the journal")
        }
        let last = try await setup.start()
        await sender.send(to: setup.target)
        #expect(sender.isDone)
        try await setup.waitUntilSettled()
        #expect(await last.stop() == 0)
        try expectEverything(of: sender)
        // A crash repeats what was in flight or not yet settled: no more than a worker holds at a time.
        let repeated = messages.count - sender.events.count
        #expect(repeated <= rounds * 64, "\(repeated) repeated in \(rounds) rounds")
    }

    // MARK: - What must hold

    private func expectEverything(of sender: PatientSender) throws {
        let file = setup.folder.file("users.sqlite")
        #expect(try Rows.sqlite(file, "PRAGMA integrity_check") == [["ok"]])
        #expect(try Rows.sqlite(setup.folder.file("journal.sqlite"), "PRAGMA integrity_check") == [["ok"]])

        let ids = sender.events.keys.sorted()
        #expect(try journaled() == Set(ids))
        let events = "SELECT event_id FROM events ORDER BY event_id"
        #expect(try Rows.sqlite(file, events).map { $0[0] } == ids)
        #expect(try Rows.postgresql(database, "\(events) COLLATE \"C\"").map { $0[0] } == ids)

        let model = try UserModel(sender.events.values)
        let users = "SELECT \(UserModel.columns) FROM users ORDER BY id"
        #expect(try Rows.sqlite(file, users) == model.rows)
        #expect(try Rows.postgresql(database, "\(users) COLLATE \"C\"") == model.rows)

        try expectMessages(of: sender)
        expectContacts(model)
    }

    private var messages: [HTTPReceiver.Request] { receiver.requests.filter { $0.target == "/messages" } }

    /// Each event came, a user's in the journal's order, and repeated ones under the same key.
    private func expectMessages(of sender: PatientSender) throws {
        var keys: [String: String] = [:]
        var arrivals: [String: [String]] = [:]
        for request in messages {
            let message = try JSONDocument(request.body).root
            let id = try #require(message["id"]?.string)
            let key = try #require(request.header("idempotency-key"))
            #expect(keys[id] == nil || keys[id] == key, "\(id) was repeated under another key")
            if keys.updateValue(key, forKey: id) == nil {
                arrivals[message["user"]?.string ?? "", default: []].append(id)
            }
        }
        #expect(Set(keys.keys) == Set(sender.events.keys))
        #expect(Set(keys.values).count == keys.count)
        let order = try Rows.sqlite(
            setup.folder.file("journal.sqlite"), "SELECT event_id FROM entries ORDER BY \"offset\"")
        let expected = Dictionary(grouping: order.compactMap { $0[0] }) { sender.events[$0]?.userID ?? "" }
        #expect(arrivals == expected)
    }

    /// What the requests leave at the CRM is what the model says.
    private func expectContacts(_ model: UserModel) {
        var contacts: [String: String] = [:]
        for request in receiver.requests where request.target.hasPrefix("/contacts/") {
            let id = String(request.target.dropFirst("/contacts/".count))
            contacts[id] = request.method == "DELETE" ? nil : request.text
        }
        let expected = model.users.filter { $0.value.status != "DELETED" }.mapValues { user in
            #"{"name":"\#(user.displayName ?? "")","active":\#(user.status == "ACTIVE")}"#
        }
        #expect(contacts == expected)
    }

    /// The uuids in the journal's file.
    private func journaled() throws -> Set<String> {
        let rows = try Rows.sqlite(setup.folder.file("journal.sqlite"), "SELECT event_id FROM entries")
        return Set(rows.compactMap { $0[0] })
    }
}
