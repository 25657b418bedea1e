public import JSON

/// All compiled rules, immutable: a reload swaps the whole table.
///
/// The table's answer is by definition that of its rules, asked one by one in their order; an index makes
/// sure that only rules which may match are asked. Any number of threads may route with one table.
public struct RuleTable: Sendable {
    public let rules: [Rule]
    private let patterns: RuleIndex
    private let eventTypes: EventTypeIndex
    private let facts: FactFilter
    private let entries: [Entry]
    /// For each rule a bit for each sink, and the last bit, which no sink ever takes, where the rule has to
    /// be asked in any case: most of an event's many candidates are passed over by this alone.
    private let wants: [UInt64]
    private let sinkCount: Int

    public init(_ rules: [Rule]) {
        self.rules = rules
        patterns = RuleIndexBuilder.index(ofPatterns: rules)
        eventTypes = EventTypeIndex(rules)
        facts = FactFilter(rules)
        var numbers: [String: Int] = [:]
        entries = rules.map { rule in
            let sinks = rule.sinks.map { sink in
                let number = numbers[sink] ?? numbers.count
                numbers[sink] = number
                return number
            }
            return Entry(rule, sinks)
        }
        sinkCount = numbers.count
        let isSmall = numbers.count < 64
        wants = entries.map { entry in
            guard isSmall, !entry.rule.stops else { return .max }
            return entry.sinks.reduce(0) { $0 | 1 << UInt64($1) }
        }
    }

    /// Names the sinks of one event, and for each the first rule that named it, in the rules' order.
    public func route(_ facts: RoutingFacts, event: JSONValue) -> Route {
        let words = patterns.always.count
        let sinkWords = (sinkCount + 63) / 64
        let size = 3 * words + patterns.fieldWords + sinkWords + 1
        return event.document.withTape { tape in
            withUnsafeTemporaryAllocation(of: UInt64.self, capacity: size) { scratch in
                guard let candidates = scratch.baseAddress else { return Route(choices: []) }
                let byType = candidates + words
                let marks = RuleIndex.Marks(
                    candidates: candidates, absences: byType + words, seen: byType + 2 * words)
                // The rows of rules are written whole.
                marks.seen.initialize(repeating: 0, count: size - 3 * words)
                eventTypes.mark(facts.eventType, byType)
                if event.kind == .object {
                    patterns.findCandidates(root: event.tapeIndex, in: tape, marks, among: byType)
                } else {
                    // No pattern matches, so only `none` is met, and nobody waits for it.
                    candidates.initialize(from: byType, count: words)
                }
                self.facts.narrow(candidates, by: facts)
                return verify(
                    candidates, words, event.tapeIndex, tape, taken: marks.seen + patterns.fieldWords)
            }
        }
    }

    /// Asks the candidates, which take the event by its facts, for their patterns, one by one.
    ///
    /// A rule that could add nothing is not asked.
    private func verify(
        _ candidates: UnsafeMutablePointer<UInt64>, _ words: Int, _ root: Int, _ tape: TapeView,
        taken: UnsafeMutablePointer<UInt64>
    ) -> Route {
        func isTaken(_ sink: Int) -> Bool { taken[sink >> 6] >> UInt64(sink & 63) & 1 == 1 }
        var choices: [Route.Choice] = []
        for word in 0..<words {
            var rest = candidates[word]
            while rest != 0 {
                let place = word * 64 + rest.trailingZeroBitCount
                rest &= rest &- 1
                guard wants[place] & ~(taken[0] & ~(1 << 63)) != 0 else { continue }
                let entry = entries[place]
                guard entry.rule.stops || !entry.sinks.allSatisfy(isTaken),
                    entry.rule.conditions.hold(root, in: tape)
                else { continue }
                for (offset, sink) in entry.sinks.enumerated() where !isTaken(sink) {
                    taken[sink >> 6] |= 1 << UInt64(sink & 63)
                    choices.append(
                        Route.Choice(sink: entry.rule.sinks[offset], rule: entry.rule.name))
                }
                if entry.rule.stops { return Route(choices: choices) }
            }
        }
        return Route(choices: choices)
    }

    /// The first condition of a rule that fails, with what was seen; nil where the rule matches.
    public func explain(_ rule: Rule, _ facts: RoutingFacts, event: JSONValue) -> String? {
        rule.mismatch(facts, event)
    }
}

extension RuleTable {
    /// A rule with the numbers of its sinks; an object, so that asking it copies nothing.
    private final class Entry: Sendable {
        let rule: Rule
        let sinks: [Int]

        init(_ rule: Rule, _ sinks: [Int]) {
            self.rule = rule
            self.sinks = sinks
        }
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
