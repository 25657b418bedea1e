public import JSON

/// All compiled rules, immutable: a reload swaps the whole table.
///
/// The table's answer is by definition that of its rules, asked one by one in their order; an index makes sure
/// that only rules which may match are asked. Any number of threads may route with one table.
public struct RuleTable: Sendable {
    public let rules: [Rule]
    private let index: RuleIndex
    /// For each rule the numbers of its sinks.
    private let sinks: [[Int]]
    private let sinkCount: Int

    public init(_ rules: [Rule]) {
        self.rules = rules
        index = RuleIndexBuilder.index(of: rules)
        var numbers: [String: Int] = [:]
        sinks = rules.map { rule in
            rule.sinks.map { sink in
                let number = numbers[sink] ?? numbers.count
                numbers[sink] = number
                return number
            }
        }
        sinkCount = numbers.count
    }

    /// Names the sinks of one event, and for each the first rule that named it, in the rules' order.
    public func route(_ facts: RoutingFacts, event: JSONValue) -> Route {
        let words = index.always.count
        let sinkWords = (sinkCount + 63) / 64
        return event.document.withTape { tape in
            withUnsafeTemporaryAllocation(of: UInt64.self, capacity: words + sinkWords + 1) { scratch in
                guard let candidates = scratch.baseAddress else { return Route(choices: []) }
                scratch.initialize(repeating: 0)
                index.findCandidates(
                    eventType: facts.eventType, root: event.tapeIndex, in: tape, candidates)
                return verify(candidates, words, facts, event, tape, taken: candidates + words)
            }
        }
    }

    /// Asks the candidates one by one.
    ///
    /// A rule that could add nothing is not asked.
    private func verify(
        _ candidates: UnsafeMutablePointer<UInt64>, _ words: Int, _ facts: RoutingFacts, _ event: JSONValue,
        _ tape: TapeView, taken: UnsafeMutablePointer<UInt64>
    ) -> Route {
        func isTaken(_ sink: Int) -> Bool { taken[sink >> 6] >> UInt64(sink & 63) & 1 == 1 }
        var choices: [Route.Choice] = []
        for word in 0..<words {
            var rest = candidates[word]
            while rest != 0 {
                let place = word * 64 + rest.trailingZeroBitCount
                rest &= rest &- 1
                guard rules[place].stops || !sinks[place].allSatisfy(isTaken),
                    rules[place].accepts(facts),
                    rules[place].conditions.hold(event.tapeIndex, in: tape)
                else { continue }
                for (offset, sink) in sinks[place].enumerated() where !isTaken(sink) {
                    taken[sink >> 6] |= 1 << UInt64(sink & 63)
                    choices.append(
                        Route.Choice(sink: rules[place].sinks[offset], rule: rules[place].name))
                }
                if rules[place].stops { return Route(choices: choices) }
            }
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
