import JSON
import Rules
import Testing

@Suite struct PatternPropertyTests {
    private static let facts = [
        RoutingFacts(hook: "h", eventType: "user.x", operation: .none, isEffective: true),
        RoutingFacts(hook: "h", eventType: "user.x", operation: .delete, isEffective: false),
        RoutingFacts(hook: "other", eventType: "group.x", operation: .create, isEffective: true),
    ]

    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func agreesWithThePlainMatcher(seed: UInt64) throws {
        var cases = RandomCases(seed: seed)
        var matches = 0
        for _ in 0..<400 {
            let pattern = cases.pattern()
            let event = cases.event()
            let value = try JSONDocument(event).root
            let wanted = ReferenceMatcher(value).matches(try JSONDocument(pattern).root)
            let compiled = try Pattern(JSONDocument(pattern).root)
            #expect(compiled.matches(value) == wanted, "\(pattern) \(event)")
            #expect((compiled.firstMismatch(in: value) == nil) == wanted, "\(pattern) \(event)")
            if wanted { matches += 1 }
        }
        #expect(matches > 15)
    }

    /// More conditions than fit one word.
    @Test(arguments: [31, 32] as [UInt64])
    func agreesOnManyConditions(seed: UInt64) throws {
        var cases = RandomCases(seed: seed)
        var matches = 0
        for _ in 0..<60 {
            let pattern = cases.widePattern()
            let event = cases.wideEvent()
            let value = try JSONDocument(event).root
            let wanted = ReferenceMatcher(value).matches(try JSONDocument(pattern).root)
            #expect(try Pattern(JSONDocument(pattern).root).matches(value) == wanted, "\(pattern) \(event)")
            if wanted { matches += 1 }
        }
        #expect((5...55).contains(matches), "\(matches)")
    }

    /// A table's answer is the union of the single answers, whatever its size and order.
    @Test(arguments: [11, 12, 13] as [UInt64])
    func tableIsTheUnionOfItsRules(seed: UInt64) throws {
        var cases = RandomCases(seed: seed)
        for size in [1, 7, 70, 200] {
            var rules: [Rule] = []
            for index in 0..<size {
                func some(_ percent: UInt64) throws -> [Pattern] {
                    guard cases.generator.chance(percent) else { return [] }
                    return try (0..<2).map { _ in try Pattern(JSONDocument(cases.pattern()).root) }
                }
                let conditions = Rule.Conditions(
                    pattern: try some(80).first, all: try some(15), any: try some(25), none: try some(10))
                let events = cases.generator.pick(["user.x", "user.*", "*", "*.x", "group.*", "u*r*x"])
                rules.append(
                    Rule(
                        name: "r\(index)",
                        hooks: cases.generator.pick([nil, nil, ["h"], ["i", "h"], ["i"]]),
                        events: cases.generator.chance(10) ? [] : [EventTypePattern(events)],
                        operations: cases.generator.pick([nil, nil, [.none], [.delete], [.none, .delete]]),
                        outcome: cases.generator.pick([.effective, .any]), conditions: conditions,
                        sinks: ["s\(index)"]))
            }
            let table = RuleTable(rules)
            let single = rules.map { RuleTable([$0]) }
            for _ in 0..<25 {
                let event = try JSONDocument(cases.event()).root
                let facts = cases.generator.pick(Self.facts)
                let wanted = rules.filter { table.explain($0, facts, event: event) == nil }.map(\.name)
                #expect(table.route(facts, event: event).choices.map(\.rule) == wanted)
                let alone = single.flatMap { $0.route(facts, event: event).choices.map(\.rule) }
                #expect(alone == wanted)
            }
        }
    }
}
