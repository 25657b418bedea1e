import JSON
import Rules

// Nanoseconds per event for tables of 1 to 10,000 mixed rules, parsing apart and included.

let sizes = CommandLine.arguments.dropFirst().compactMap { Int($0) }
let events = BenchmarkEvents.make(200)
let bytes = events.map(\.count).reduce(0, +) / events.count
print("events of \(bytes) bytes on average; ns per event, best of 5")

let clock = ContinuousClock()

func measure(_ rounds: Int, _ body: () throws -> Void) rethrows -> Double {
    var best = Double.infinity
    for _ in 0..<5 {
        let time = try clock.measure { for _ in 0..<rounds { try body() } }
        let nanoseconds = Double(time.components.seconds) * 1e9 + Double(time.components.attoseconds) / 1e9
        best = min(best, nanoseconds / Double(rounds * events.count))
    }
    return best
}

var routed = 0
let parsing = try measure(20) {
    for event in events { routed += try JSONDocument(event).root.kind == .object ? 1 : 0 }
}
print("parsing alone: \(Int(parsing))")
let documents = try events.map { try JSONDocument($0) }
for shape in BenchmarkRules.Shape.allCases {
    for count in sizes.isEmpty ? [1, 10, 100, 1_000, 10_000] : sizes {
        let rules = try BenchmarkRules.make(count, shape)
        var table = RuleTable([])
        let compile = clock.measure { table = RuleTable(rules) }
        let facts = RoutingFacts(
            hook: "main", eventType: "user.lifecycle.create", operation: .create, isEffective: true)
        let routing = measure(20) {
            for document in documents { routed += table.route(facts, event: document.root).choices.count }
        }
        let perSecond = Int(1e9 / (routing + parsing))
        print(
            "\(shape) \(count): route \(Int(routing)), with parsing \(perSecond)/s, index built in \(compile)"
        )
    }
}
do {
    let text = (0..<10).map { "\"m\($0)\":\"{{ $.target[?@.type=='User'].alternateId | lower }}\"" }
    let template = try Template(JSONDocument("{\(text.joined(separator: ","))}").root, place: .value)
    let time = try measure(5) {
        for document in documents {
            if case .json(let json) = try template.render(document.root) { routed += json.count }
        }
    }
    print("template with ten placeholders: \(Int(time))")
}
print("(\(routed))")
