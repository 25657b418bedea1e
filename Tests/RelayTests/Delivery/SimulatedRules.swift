import JSON
import Relay
import Rules

/// Rule tables that a simulation swaps, and what each of them means in plain words.
struct SimulatedRules {
    /// The users whose events are routed; nil for all events, those without a user too.
    let users: Set<String>?
    private let table: RuleTable

    static let all: [SimulatedRules] = [
        SimulatedRules(users: nil), SimulatedRules(users: ["u0", "u1", "u2"]), SimulatedRules(users: ["u1"]),
        SimulatedRules(users: []),
    ]

    private init(users: Set<String>?) {
        self.users = users
        var rules: [Rule] = []
        for user in users.map({ $0.sorted() }) ?? [] {
            let pattern = try? Pattern(JSONDocument(#"{"target":{"id":["\#(user)"]}}"#).root)
            rules.append(
                Rule(
                    name: user, events: [EventTypePattern("user.*")],
                    conditions: Rule.Conditions(pattern: pattern), sinks: ["sink"]))
        }
        if users == nil { rules = [Rule(name: "all", events: [EventTypePattern("*")], sinks: ["sink"])] }
        table = RuleTable(rules)
    }

    func routes(_ event: Event) -> Bool {
        !table.route(event.routingFacts, event: event.body.root).choices.isEmpty
    }

    /// What ``routes(_:)`` must say.
    func wants(_ user: String?) -> Bool { users.map { users in user.map(users.contains) ?? false } ?? true }
}
