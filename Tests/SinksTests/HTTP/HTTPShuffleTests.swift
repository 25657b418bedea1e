import Config
import JSON
import RelayTesting
import Rules
import Testing

@testable import Relay
@testable import Sinks

/// Whatever the order of arrival and the repetitions: the requests leave the contacts of the plain model.
@Suite("HTTP: shuffled histories")
struct HTTPShuffleTests {
    /// `OKTA_RELAY_MODEL_SEED=n` replays one seed, `OKTA_RELAY_MODEL_SEEDS=n` runs that many.
    @Test func theContactsAreTheModels() throws {
        for seed in Soak.seeds("MODEL", short: 60, long: 5_000) {
            var history = LifecycleHistory(users: 5, seed: seed)
            let place = try Contacts().play(history.envelopes(batchMax: 1).flatMap(\.events))
            #expect(
                try differences(place, from: UserModel(history.events).contacts) == [],
                "replay with: OKTA_RELAY_MODEL_SEED=\(seed) swift test --filter HTTPShuffleTests")
        }
    }

    /// The same where several events of a user, sorted or not, become one request.
    @Test func mergedEventsLeaveTheModelsContactsToo() throws {
        for seed in Soak.seeds("MODEL", short: 60, long: 5_000) {
            var history = LifecycleHistory(users: 5, seed: seed)
            var random = SeededGenerator(seed: seed)
            let events = history.envelopes(batchMax: 1).flatMap(\.events)
            let place = try Contacts().play(events, inGroupsUpTo: 6, &random)
            #expect(
                try differences(place, from: UserModel(history.events).contacts) == [],
                "replay with: OKTA_RELAY_MODEL_SEED=\(seed) swift test --filter mergedEventsLeave")
        }
    }

    /// The fold with its states, and a CRM as simple as can be, which makes a contact for every `POST`.
    private struct Contacts {
        let mapping: HTTPMapping
        var states: [String: FoldState] = [:]
        var contacts: [String: String] = [:]

        init() throws {
            let url = "https://crm.example.com/contacts/{{ $.user.id }}"
            let body = #"{"name":"{{ $.user.displayName }}","active":"{{ $.user.active }}"}"#
            let create = try HTTPFixtures.request("POST", "https://crm.example.com/contacts", body: body)
            let delete = try HTTPFixtures.request("DELETE", url)
            mapping = HTTPMapping(
                sink: "crm",
                configuration: HTTPSinkConfiguration(
                    request: try HTTPFixtures.request("PUT", url, body: body),
                    on: [
                        HTTPRequestCase(selector: .operation(.create), request: create),
                        HTTPRequestCase(selector: .operation(.delete), request: delete),
                    ]))
        }

        /// The contacts that are there in the end, by id.
        consuming func play(_ events: [SimulatedEvent]) throws -> [String: String] {
            for event in events { try take(event) }
            return contacts
        }

        /// What waits of a user goes out now and then, grouped as the engine groups it.
        consuming func play(
            _ events: [SimulatedEvent], inGroupsUpTo size: Int, _ random: inout SeededGenerator
        ) throws -> [String: String] {
            var waiting: [String: [Event]] = [:]
            for simulated in events {
                waiting[simulated.userID, default: []].append(try Self.event(simulated))
                let count = waiting[simulated.userID]?.count ?? 0
                if Int.random(in: 1...size, using: &random) > count { continue }
                try flush(waiting.removeValue(forKey: simulated.userID) ?? [])
            }
            for user in waiting.keys.sorted() { try flush(waiting[user] ?? []) }
            return contacts
        }

        private mutating func flush(_ events: [Event]) throws {
            var members = events.enumerated().map { index, event in
                GroupMember(
                    offset: Offset(rawValue: Int64(index)), stamp: event.stamp,
                    operation: event.meaning.operation)
            }
            while let group = GroupMember.first(of: members, merging: true) {
                let batch = group.offsets.map { events[Int($0.rawValue)] }
                try take(batch[batch.count - 1], after: batch.dropLast())
                members.removeAll { group.offsets.contains($0.offset) }
            }
        }

        private mutating func take(_ simulated: SimulatedEvent) throws { try take(Self.event(simulated)) }

        private static func event(_ simulated: SimulatedEvent) throws -> Event {
            try Event(body: JSONDocument(simulated.bytes), hook: "okta", org: "okta", receivedAt: 1)
        }

        private mutating func take(_ event: Event, after earlier: [Event] = []) throws {
            let user = event.user?.id ?? ""
            let delivery = Delivery(
                offset: Offset(rawValue: 7), event: event, rule: "staff", attempt: 1, state: states[user],
                earlier: earlier)
            switch mapping.plan(delivery) {
            case .settled(let receipt):
                #expect(receipt.outcome == .superseded)
                states[user] = receipt.state ?? states[user]
            case .send(let step):
                #expect(step.request.method != "POST" || contacts[user] == nil, "\(user) is made twice")
                let body = step.request.body.map { String(decoding: $0, as: UTF8.self) }
                contacts[user] = step.request.method == "DELETE" ? nil : body
                states[user] = step.state ?? states[user]
            }
        }
    }
}
