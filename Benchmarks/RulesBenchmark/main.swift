import Foundation
import JSON
import Rules

// What routing costs: nanoseconds per event for tables of 1 to 10,000 rules, the parse of the event's bytes
// included, and with a body of ten placeholders rendered for each match; the table's memory and the time to
// compile it; whether the goals for 10,000 rules are met; and the same for the template alone. Arguments are
// other table sizes, or names of shapes; with `--goals` it is what the goals are about, as JSON.

if let subject = BenchmarkMemory.Subject(CommandLine.arguments) {
    print(try BenchmarkMemory.measure(subject))
    exit(0)
}

let sizes = CommandLine.arguments.dropFirst().compactMap { Int($0) }
let events = BenchmarkEvents.make(100)
let documents = try events.map { try JSONDocument($0) }
let bytes = events.map(\.count).reduce(0, +) / events.count
let facts = RoutingFacts(
    hook: "main", eventType: "user.lifecycle.create", operation: .create, isEffective: true)
let body = try BenchmarkTemplates.make("plain")
var sink = 0

/// What the table takes for an event.
@MainActor func times(of table: RuleTable) throws -> BenchmarkGoal.Times {
    let both = try BenchmarkClock.nanoseconds(events) { event in
        sink += table.route(facts, event: try JSONDocument(event).root).choices.count
    }
    let routing = BenchmarkClock.nanoseconds(documents) { document in
        sink += table.route(facts, event: document.root).choices.count
    }
    return BenchmarkGoal.Times(matching: routing, withParse: both)
}

if CommandLine.arguments.contains("--goals") {
    for shape in BenchmarkGoal.shapes {
        let few = try times(of: RuleTable(BenchmarkRules.make(BenchmarkGoal.few, shape)))
        let many = try times(of: RuleTable(BenchmarkRules.make(BenchmarkGoal.many, shape)))
        try BenchmarkGoal.Result(shape: "\(shape)", few: few, many: many).write()
    }
    exit(sink > 0 ? 0 : 1)
}

let parsing = try BenchmarkClock.nanoseconds(events) { event in
    sink += try JSONDocument(event).root.kind == .object ? 1 : 0
}
print("events of \(bytes) bytes on average; parsing alone: \(Int(parsing)) ns an event")
print(
    "shape           rules  matches  parse+route   route   events/s   +render   compile ms   memory KiB")

let named = BenchmarkRules.Shape.allCases.filter { CommandLine.arguments.contains("\($0)") }
var verdicts: [String] = []
for shape in named.isEmpty ? BenchmarkRules.Shape.allCases : named {
    var goals: [Int: BenchmarkGoal.Times] = [:]
    for count in sizes.isEmpty ? [1, 10, 100, 1_000, 10_000] : sizes {
        let rules = try BenchmarkRules.make(count, shape)
        var table = RuleTable([])
        let compile = BenchmarkClock.time { table = RuleTable(rules) }
        let memory = try BenchmarkMemory.bytes(of: .table(shape, count))
        let taken = try times(of: table)
        let matches = documents.reduce(0) { $0 + table.route(facts, event: $1.root).choices.count }
        var rendered: Int?
        if matches <= 10 * documents.count {
            rendered = Int(
                try BenchmarkClock.nanoseconds(events) { event in
                    let document = try JSONDocument(event)
                    for _ in table.route(facts, event: document.root).choices {
                        if case .json(let json) = try body.render(document.root) { sink += json.count }
                    }
                })
        }
        let cells = [
            "\(shape)".padding(toLength: 13, withPad: " ", startingAt: 0), column(count, 8),
            column(matches / documents.count, 9), column(Int(taken.withParse), 13), column(Int(taken.matching), 8),
            column(Int(1e9 / taken.withParse), 11), rendered.map { column($0, 10) } ?? "         -",
            String(format: "%13.1f", compile / 1e6), column(memory / 1_024, 13),
        ]
        print(cells.joined())
        goals[count] = taken
    }
    if BenchmarkGoal.shapes.contains(shape), let few = goals[BenchmarkGoal.few],
        let many = goals[BenchmarkGoal.many]
    {
        verdicts.append(BenchmarkGoal.verdict(shape, few: few, many: many))
    }
}
for verdict in verdicts { print(verdict) }

for name in BenchmarkTemplates.names {
    let compile = try BenchmarkClock.nanoseconds([name]) {
        sink += try BenchmarkTemplates.make($0).isConstant ? 1 : 0
    }
    let template = try BenchmarkTemplates.make(name)
    let time = try BenchmarkClock.nanoseconds(documents) { document in
        if case .json(let json) = try template.render(document.root) { sink += json.count }
    }
    let memory = Double(try BenchmarkMemory.bytes(of: .template(name))) / 1_024
    print(
        "template of ten placeholders, \(name): \(Int(time)) ns an event, compile \(Int(compile / 1_000)) µs, "
            + String(format: "%.1f KiB", memory))
}

let lines = BenchmarkCases.make(events, 60)
let runner = RuleCaseRunner()
guard lines.allSatisfy({ runner.run($0).passes }) else { fatalError("a case of the benchmark fails") }
let line = BenchmarkClock.nanoseconds(lines) { sink += runner.run($0).passes ? 1 : 0 }
print(
    "okta-relay test, cases of \(lines.reduce(0) { $0 + $1.count } / lines.count) bytes: \(Int(line)) ns a line, "
        + String(format: "%.1f s for 100,000 on one core", line / 1e4))

// Keeps the optimiser from leaving the work out.
if sink == 0 { print("nothing was measured") }

func column(_ value: Int, _ width: Int) -> String {
    let text = "\(value)"
    return String(repeating: " ", count: max(0, width - text.count)) + text
}
