import Relay
import Synchronization

/// A CRM behind an ``HTTPReceiver``: it keeps one contact per id as `PUT` and `DELETE /contacts/ID` leave it.
///
/// It can be as unreliable as real ones: it fails, it acts and then loses its answer on the way, or half of
/// it. What it did is the truth, whatever it said.
public final class ContactStore: Sendable {
    private struct State {
        var contacts: [String: String] = [:]
        var creations: [String: Int] = [:]
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

    /// The bodies of the contacts there are, by id.
    public var contacts: [String: String] { state.withLock(\.contacts) }
    /// How often a contact was made that was not there, by id.
    public var creations: [String: Int] { state.withLock(\.creations) }
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
            }
        }
    }

    private enum Trouble {
        case failsBefore(HTTPReceiver.Behaviour)
        case failsAfter(HTTPReceiver.Behaviour)
    }

    private static let troubles: [Trouble] = [
        .failsBefore(.respond(500)), .failsBefore(.respond(503)), .failsBefore(.closeBeforeResponse),
        .failsBefore(.respond(429, headers: ["Retry-After: 0"])), .failsAfter(.closeBeforeResponse),
        .failsAfter(.cutStatusLine), .failsAfter(.cutHead), .failsAfter(.cutBody(200)),
        .failsAfter(.respond(500)),
    ]

    private func trouble(_ state: inout State) -> Trouble? {
        guard troubleOneOf > 0, Int.random(in: 0..<troubleOneOf, using: &state.random) == 0 else { return nil }
        return Self.troubles.randomElement(using: &state.random)
    }

    private static func act(on request: HTTPReceiver.Request, _ state: inout State) -> HTTPReceiver.Behaviour {
        let prefix = "/contacts/"
        guard request.target.hasPrefix(prefix) else { return .respond(404) }
        let id = String(request.target.dropFirst(prefix.count))
        switch request.method {
        case "PUT":
            let isNew = state.contacts.updateValue(request.text, forKey: id) == nil
            if isNew { state.creations[id, default: 0] += 1 }
            return .respond(isNew ? 201 : 200, body: #"{"id":"\#(id)"}"#)
        case "DELETE": return .respond(state.contacts.removeValue(forKey: id) == nil ? 404 : 204)
        default: return .respond(405)
        }
    }
}
