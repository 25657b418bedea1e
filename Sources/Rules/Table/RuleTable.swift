public import JSON

/// All compiled rules, immutable: a reload swaps the whole table.
public struct RuleTable: Sendable {
    public let rules: [Rule]

    public init(_ rules: [Rule]) { self.rules = rules }

    /// Names the sinks of one event, and for each the first rule that named it, in the rules' order.
    public func route(_ facts: RoutingFacts, event: JSONValue) -> Route {
        var choices: [Route.Choice] = []
        for rule in rules where rule.matches(facts, event) {
            for sink in rule.sinks where !choices.contains(where: { $0.sink == sink }) {
                choices.append(Route.Choice(sink: sink, rule: rule.name))
            }
            if rule.stops { break }
        }
        return Route(choices: choices)
    }

    /// The first condition of a rule that fails, with what was seen; nil where the rule matches.
    public func explain(_ rule: Rule, _ facts: RoutingFacts, event: JSONValue) -> String? {
        rule.mismatch(facts, event)
    }
}

/// What routing needs to know of an event besides its text.
public struct RoutingFacts: Sendable {
    public let hook: String
    public let eventType: String
    public let operation: Operation
    /// Whether the outcome is one with which the event type takes effect.
    public let isEffective: Bool

    public init(hook: String, eventType: String, operation: Operation, isEffective: Bool) {
        self.hook = hook
        self.eventType = eventType
        self.operation = operation
        self.isEffective = isEffective
    }
}

/// The sinks that an event goes to, each with the name of the rule that chose it; empty means unrouted.
public struct Route: Sendable, Hashable {
    public struct Choice: Sendable, Hashable {
        public let sink: String
        public let rule: String

        public init(sink: String, rule: String) {
            self.sink = sink
            self.rule = rule
        }
    }

    /// In the rules' order; a sink at most once.
    public let choices: [Choice]

    public init(choices: [Choice]) { self.choices = choices }

    public var isUnrouted: Bool { choices.isEmpty }
}
