import JSON
import Rules
import Testing

/// What an event costs does not depend on how many rules there are, where they do not match.
@Suite(.serialized) struct TableCostTests {
    /// Rules without a literal that an event would have to have, each for a sink of its own.
    enum Kind: CaseIterable {
        /// `{"exists": false}` of a field that is there.
        case missing, missingOrElse, missingOfMany, noneWithValue, noneWithout, onlyThisOrNothing
        /// Another hook, operation, outcome or event type.
        case hook, operation, outcome, eventType
    }

    private static func rule(_ kind: Kind, _ index: Int) throws -> Rule {
        var rule = Rule(name: "r\(index)", events: [EventTypePattern("user.*")], sinks: ["s\(index)"])
        func pattern(_ text: String) throws -> Pattern { try Pattern(JSONDocument(text).root) }
        switch kind {
        case .missing: rule.conditions.pattern = try pattern(#"{"target":{"id":[{"exists":false}]}}"#)
        case .missingOrElse:
            rule.conditions.pattern = try pattern("{\"target\":{\"id\":[{\"exists\":false},\"x\(index)\"]}}")
        case .missingOfMany:
            rule.conditions.pattern = try pattern(
                "{\"f\(index)\":[{\"exists\":false}],\"b\":[{\"suffix\":\"@\(index)\"}]}")
        case .noneWithValue: rule.conditions.none = [try pattern(#"{"target":{"id":[{"exists":true}]}}"#)]
        case .noneWithout: rule.conditions.none = [try pattern("{\"f\(index)\":[{\"exists\":false}]}")]
        case .onlyThisOrNothing:
            rule.conditions.none = [try pattern("{\"target\":{\"id\":[{\"anything-but\":\"x\(index)\"}]}}")]
        case .hook: rule.hooks = ["other"]
        case .operation: rule.operations = [.delete]
        case .outcome:
            rule.conditions.pattern = try pattern(#"{"b":[{"exists":true}]}"#)
        case .eventType:
            rule.events = [EventTypePattern("group.*")]
            rule.conditions.pattern = try pattern(#"{"b":[{"exists":true}]}"#)
        }
        return rule
    }

    /// The best of many runs, which other work on the machine disturbs least.
    private static func cost(_ kind: Kind, _ count: Int) throws -> Duration {
        let table = RuleTable(try (0..<count).map { try rule(kind, $0) })
        let facts = RoutingFacts(
            hook: "main", eventType: "user.x", operation: .create, isEffective: kind != .outcome)
        let text = #"{"b":"ann@example.com","target":[{"type":"User","id":"u1"},{"id":null}]}"#
        let event = try JSONDocument(text).root
        #expect(table.route(facts, event: event).isUnrouted)
        return (0..<60).map { _ in ContinuousClock().measure { _ = table.route(facts, event: event) } }.min()
            ?? .zero
    }

    @Test(arguments: Kind.allCases) func doesNotGrowWithTheRules(_ kind: Kind) throws {
        let few = try Self.cost(kind, 10)
        let many = try Self.cost(kind, 3_000)
        #expect(many < few * 12, "\(kind): \(few) with 10 rules, \(many) with 3,000")
    }
}
