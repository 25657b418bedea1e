import Foundation

/// The row about the rule table, which its own program measures.
extension Suite {
    /// What `RulesBenchmark --goals` prints for one kind of table: nanoseconds an event.
    private struct TableTimes: Decodable {
        var shape: String
        var few: Times
        var many: Times

        struct Times: Decodable {
            var matching: Double
            var withParse: Double
        }
    }

    /// Row m.
    func ruleRows() throws {
        let program = Self.besideThis("RulesBenchmark")
        guard FileManager.default.isExecutableFile(atPath: program) else {
            return try leaveOut("m. matching", "there is no \(program)")
        }
        let runs = try (0..<options.pairs).map { _ in
            let child = try Child(program, ["--goals"])
            let lines = child.result().split(separator: UInt8(ascii: "\n"))
            guard child.succeeded else { throw BenchmarkError("\(program) failed") }
            return try lines.map { try JSONDecoder().decode(TableTimes.self, from: $0) }
        }
        for place in runs[0].indices {
            let shape = runs.map { $0[place] }
            let name = "m. 10,000 rules against 10, \(shape[0].shape) matching"
            try add(
                Figure(
                    "\(name): matching", "ns/event",
                    pairs: shape.map { ($0.many.matching, $0.few.matching) }, atMost: 2))
            try add(
                Figure(
                    "\(name): parse and matching", "ns/event",
                    pairs: shape.map { ($0.many.withParse, $0.few.withParse) }, atMost: 2))
            try add(
                Figure(
                    "\(name): a core", "events/s", runs: shape.map { 1e9 / $0.many.withParse },
                    atLeast: 150_000))
        }
    }
}
