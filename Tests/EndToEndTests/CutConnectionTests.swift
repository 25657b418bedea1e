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
            let event = request.header("x-event") ?? Self.event(of: request)
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
        #expect(relay.log.contains("sink is unavailable"))

        let messages = receiver.requests.filter { $0.target == "/messages" }
        let order = try Rows.sqlite(
            setup.folder.file("journal.sqlite"), "SELECT event_id FROM entries ORDER BY \"offset\""
        ).compactMap { $0[0] }
        #expect(Set(messages.map(Self.event)) == Set(order))
        for (event, requests) in Dictionary(grouping: messages, by: Self.event) {
            #expect(requests.count == 3, "\(event)")
            #expect(Set(requests.map { $0.header("idempotency-key") }).count == 1, "\(event)")
        }
        // A user's next event comes only when the one before has been taken.
        let users = Dictionary(grouping: messages) { sender.events[Self.event(of: $0)]?.userID ?? "" }
        for (user, requests) in users {
            let expected = order.filter { sender.events[$0]?.userID == user }.flatMap { [$0, $0, $0] }
            #expect(requests.map(Self.event) == expected)
        }
    }

    private static func event(of request: HTTPReceiver.Request) -> String {
        (try? JSONDocument(request.body).root["id"]?.string) ?? ""
    }
}
