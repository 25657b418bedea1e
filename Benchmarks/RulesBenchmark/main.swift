import Foundation
import JSON
import Rules

// What routing costs: nanoseconds per event for tables of 1 to 10,000 mixed rules, the parse of the event's
// bytes included, with the table's memory and the time to compile it. Arguments are other table sizes.

if let request = BenchmarkMemory.Request(CommandLine.arguments) {
    print(try BenchmarkMemory.measure(request))
    exit(0)
}

let sizes = CommandLine.arguments.dropFirst().compactMap { Int($0) }
let events = BenchmarkEvents.make(100)
let bytes = events.map(\.count).reduce(0, +) / events.count
let facts = RoutingFacts(
    hook: "main", eventType: "user.lifecycle.create", operation: .create, isEffective: true)
var sink = 0

let parsing = try BenchmarkClock.nanoseconds(events) { event in
    sink += try JSONDocument(event).root.kind == .object ? 1 : 0
}
print("events of \(bytes) bytes on average; parsing alone: \(Int(parsing)) ns an event")
print("matching    rules  parse+route   route   events/s   compile ms   memory KiB")

for shape in BenchmarkRules.Shape.allCases {
    for count in sizes.isEmpty ? [1, 10, 100, 1_000, 10_000] : sizes {
        let rules = try BenchmarkRules.make(count, shape)
        var table = RuleTable([])
        let compile = BenchmarkClock.time { table = RuleTable(rules) }
        let memory = try BenchmarkMemory.ofTable(count, shape)
        let both = try BenchmarkClock.nanoseconds(events) { event in
            sink += table.route(facts, event: try JSONDocument(event).root).choices.count
        }
        let documents = try events.map { try JSONDocument($0) }
        let routing = BenchmarkClock.nanoseconds(documents) { document in
            sink += table.route(facts, event: document.root).choices.count
        }
        let cells = [
            "\(shape)".padding(toLength: 8, withPad: " ", startingAt: 0), column(count, 9),
            column(Int(both), 13), column(Int(routing), 8), column(Int(1e9 / both), 11),
            String(format: "%13.1f", compile / 1e6), column(memory / 1_024, 13),
        ]
        print(cells.joined())
    }
}

let documents = try events.map { try JSONDocument($0) }
for (name, path) in BenchmarkRules.placeholders {
    let members = (0..<10).map { "\"m\($0)\":\"{{ \(path) }}\"" }.joined(separator: ",")
    let template = try Template(JSONDocument("{\(members)}").root, place: .value)
    let time = try BenchmarkClock.nanoseconds(documents) { document in
        if case .json(let json) = try template.render(document.root) { sink += json.count }
    }
    print("template with ten placeholders, \(name): \(Int(time)) ns")
}
// Keeps the optimiser from leaving the work out.
if sink == 0 { print("nothing was measured") }

func column(_ value: Int, _ width: Int) -> String {
    let text = "\(value)"
    return String(repeating: " ", count: max(0, width - text.count)) + text
}
