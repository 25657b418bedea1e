import Relay
import Synchronization

/// A CRM behind an ``HTTPReceiver``, as most of them are: it makes a contact for every `POST /contacts`,
/// under an id of its own, and does not care whether it has one of that person already.
///
/// The other side's id of a person comes in the header `X-External-Id`. By it there are `PUT` and `DELETE
/// /contacts/ID`, which change one contact, or make one, and the lookup `GET /contacts/by-external-id/ID`.
///
/// It can be as unreliable as real ones: it fails, it acts and then loses its answer on the way, or half of
/// it. What it did is the truth, whatever it said.
public final class ContactStore: Sendable {
    private struct Contact {
        let externalID: String
        var body: String
    }

    private struct State {
        /// By the store's own ids.
        var contacts: [Int: Contact] = [:]
        var lastID = 0
        var creations: [String: Int] = [:]
        /// People of whom it had more than one at a time.
        var doubled: Set<String> = []
        var random: SeededGenerator
        var troubles = 0
    }

    private let state: Mutex<State>
    /// One request of so many is answered badly; 0 for none.
    private let troubleOneOf: Int

    public init(troubleOneOf: Int = 0, seed: UInt64 = 0) {
        self.troubleOneOf = troubleOneOf
        state = Mutex(State(random: SeededGenerator(seed: seed)))
    }

    /// The bodies of the contacts there are, by the other side's id; of a person with several only one.
    public var contacts: [String: String] {
        state.withLock { state in
            Dictionary(state.contacts.values.map { ($0.externalID, $0.body) }) { first, _ in first }
        }
    }
    /// How often a contact was made, by the other side's id.
    public var creations: [String: Int] { state.withLock(\.creations) }
    /// People of whom it has or had more than one contact at a time.
    public var doubled: Set<String> { state.withLock(\.doubled) }
    /// Answers that went wrong so far.
    public var troubles: Int { state.withLock(\.troubles) }

    /// To be given to the receiver as its script.
    public func answer(_ request: HTTPReceiver.Request) -> HTTPReceiver.Behaviour {
        state.withLock { state in
            guard let trouble = trouble(&state) else { return Self.act(on: request, &state) }
            state.troubles += 1
            switch trouble {
            case .failsBefore(let behaviour): return behaviour
            case .failsAfter(let behaviour):
                _ = Self.act(on: request, &state)
                return behaviour
            case .cutsAnswer:
                let behaviour = Self.act(on: request, &state)
                guard case .respond(let status, _, _, _) = behaviour else { return behaviour }
                return .cutBody(status)
            }
        }
    }

    private enum Trouble {
        case failsBefore(HTTPReceiver.Behaviour)
        case failsAfter(HTTPReceiver.Behaviour)
        /// It acts, and says with half a body what came of it.
        case cutsAnswer
    }

    private static let troubles: [Trouble] = [
        .failsBefore(.respond(500)), .failsBefore(.respond(503)), .failsBefore(.closeBeforeResponse),
        .failsBefore(.respond(429, headers: ["Retry-After: 0"])), .failsAfter(.closeBeforeResponse),
        .failsAfter(.cutStatusLine), .failsAfter(.cutHead), .cutsAnswer,
        .failsAfter(.respond(500)),
    ]

    private func trouble(_ state: inout State) -> Trouble? {
        guard troubleOneOf > 0 else { return nil }
        guard Int.random(in: 0..<troubleOneOf, using: &state.random) == 0 else { return nil }
        return Self.troubles.randomElement(using: &state.random)
    }

    private static func act(
        on request: HTTPReceiver.Request, _ state: inout State
    ) -> HTTPReceiver.Behaviour {
        let path = request.target.split(separator: "/").map(String.init)
        guard path.first == "contacts" else { return .respond(404) }
        switch (request.method, path.count) {
        case ("POST", 1):
            guard let id = request.header("x-external-id") else { return .respond(400) }
            return make(id, request.text, &state)
        case ("GET", 3) where path[1] == "by-external-id":
            guard let found = find(path[2], state) else { return .respond(404) }
            return .respond(200, body: #"{"id":"\#(found)"}"#)
        case ("PUT", 2):
            guard let found = find(path[1], state) else { return make(path[1], request.text, &state) }
            state.contacts[found]?.body = request.text
            return .respond(200, body: #"{"id":"\#(found)"}"#)
        case ("DELETE", 2):
            guard let found = find(path[1], state) else { return .respond(404) }
            state.contacts[found] = nil
            return .respond(204)
        default: return .respond(405)
        }
    }

    /// The oldest contact of a person.
    private static func find(_ externalID: String, _ state: State) -> Int? {
        state.contacts.filter { $0.value.externalID == externalID }.keys.min()
    }

    private static func make(
        _ externalID: String, _ body: String, _ state: inout State
    ) -> HTTPReceiver.Behaviour {
        if find(externalID, state) != nil { state.doubled.insert(externalID) }
        state.lastID += 1
        state.contacts[state.lastID] = Contact(externalID: externalID, body: body)
        state.creations[externalID, default: 0] += 1
        return .respond(201, body: #"{"id":"\#(state.lastID)"}"#)
    }
}
