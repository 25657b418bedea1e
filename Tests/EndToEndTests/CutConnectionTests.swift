import Foundation
import JSON
import Relay
import RelayTesting
import Synchronization
import Testing

/// A destination whose answers break off at every point at which an answer can.
@Suite(.timeLimit(.minutes(2))) struct CutConnectionTests {
    private static let cuts: [HTTPReceiver.Behaviour] = [
        .closeBeforeResponse, .cutStatusLine, .cutHead, .cutBody(503), .cutBody(500),
    ]

    @Test func everyEventArrivesInOrderUnderItsKey() async throws {
        // Each event's first two requests are answered badly, each in another way.
        let attempts = Mutex<[String: Int]>([:])
        let receiver = try HTTPReceiver { request in
            let event = Self.event(of: request)
            let attempt = attempts.withLock { attempts in
                attempts["\(request.method) \(event)", default: 0] += 1
                return attempts["\(request.method) \(event)"] ?? 1
            }
            let cut = Self.cuts[(event.utf8.reduce(attempt) { $0 + Int($1) }) % Self.cuts.count]
            return attempt < 3 ? cut : .respond(200)
        }
        defer { receiver.stop() }
        let quick = #""retry": { "initial": "5ms", "max": "20ms" }"#
        let setup = try RelaySetup(
            sinks: [
                Destinations.contacts(receiver.url, retry: quick),
                Destinations.messages(receiver.url, retry: quick),
            ].joined(separator: ","),
            rules: Destinations.rule(to: "crm", "feed"))
        let relay = try await setup.start()
        let sender = PatientSender(
            .init(users: 12, events: 60, batchMax: 4, seed: 5, start: 1_772_000_000_000_000_000))
        await sender.send(to: setup.target)
        #expect(sender.isDone)
        try await setup.waitUntilSettled()
        let status = try await setup.status()
        #expect(status.sink("crm")?["dead"]?.int == 0 && status.sink("feed")?["dead"]?.int == 0)
        #expect(await relay.stop() == 0)
        #expect(relay.log.contains("reason=\(receiver.url): "), "\(relay.log)")
        #expect(relay.log.contains("sink is unavailable"), "\(relay.log)")

        let query = "SELECT event_id FROM entries ORDER BY \"offset\""
        let order = try await Rows.sqlite(setup.folder.file("journal.sqlite"), query).compactMap { $0[0] }
        let messages = receiver.requests.filter { $0.target == "/messages" }
        #expect(Set(messages.map(Self.event)) == Set(order))
        expectThreeOfEach(messages, inOrder: order, of: sender)
        // A contact hears nothing of what it knows to be older.
        let contacts = receiver.requests.filter { $0.target.hasPrefix("/contacts/") }
        let crm = try #require(status.sink("crm"))
        #expect(crm["delivered"]?.int == Set(contacts.map(Self.event)).count)
        #expect((crm["delivered"]?.int ?? 0) + (crm["superseded"]?.int ?? 0) == order.count)
        expectThreeOfEach(contacts, inOrder: order, of: sender)
        let last = Dictionary(contacts.map { (sender.events[Self.event(of: $0)]?.userID ?? "", $0) }) { $1 }
        let kept = last.filter { $0.value.method != "DELETE" }.mapValues(\.text)
        #expect(differences(kept, from: try UserModel(sender.events.values).contacts) == [])
    }

    /// Two of each event were answered badly and the third well, all under one key, and a user's next event
    /// comes only then.
    private func expectThreeOfEach(
        _ requests: [HTTPReceiver.Request], inOrder order: [String], of sender: PatientSender
    ) {
        for (event, requests) in Dictionary(grouping: requests, by: Self.event) {
            let keys = requests.map { $0.header("idempotency-key") }
            #expect(requests.count == 3 && Set(keys).count == 1 && keys[0] != nil, "\(event): \(keys)")
        }
        let sent = Set(requests.map(Self.event))
        let users = Dictionary(grouping: requests) { sender.events[Self.event(of: $0)]?.userID ?? "" }
        for (user, requests) in users {
            let events = order.filter { sent.contains($0) && sender.events[$0]?.userID == user }
            #expect(requests.map(Self.event) == events.flatMap { [$0, $0, $0] })
        }
    }

    private static func event(of request: HTTPReceiver.Request) -> String {
        request.header("x-event") ?? (try? JSONDocument(request.body).root["id"]?.string) ?? ""
    }
}
