import Config
import JSON
import Relay
import RelayTesting
import Rules
import Testing

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

    /// The fold with its states, and a CRM as simple as can be.
    private struct Contacts {
        let mapping: HTTPMapping
        var states: [String: FoldState] = [:]
        var contacts: [String: String] = [:]

        init() throws {
            let url = "https://crm.example.com/contacts/{{ $.user.id }}"
            let body = #"{"name":"{{ $.user.displayName }}","active":"{{ $.user.active }}"}"#
            let delete = try HTTPFixtures.request("DELETE", url)
            mapping = HTTPMapping(
                sink: "crm",
                configuration: HTTPSinkConfiguration(
                    request: try HTTPFixtures.request("PUT", url, body: body),
                    on: [HTTPRequestCase(selector: .operation(.delete), request: delete)]))
        }

        /// The contacts that are there in the end, by id.
        consuming func play(_ events: [SimulatedEvent]) throws -> [String: String] {
            for event in events { try take(event) }
            return contacts
        }

        private mutating func take(_ simulated: SimulatedEvent) throws {
            let event = try Event(
                body: JSONDocument(simulated.bytes), hook: "okta", org: "okta", receivedAt: 1)
            let user = simulated.userID
            switch mapping.plan(HTTPFixtures.delivery(event, state: states[user])) {
            case .settled(let receipt):
                #expect(receipt.outcome == .superseded)
                states[user] = receipt.state ?? states[user]
            case .send(let step):
                let body = step.request.body.map { String(decoding: $0, as: UTF8.self) }
                contacts[user] = step.request.method == "DELETE" ? nil : body
                states[user] = step.state ?? states[user]
            }
        }
    }
}
