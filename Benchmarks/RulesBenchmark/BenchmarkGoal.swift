import Foundation

/// What the rule table is to reach: 10,000 mixed rules in twice the time of 10 at most, and 150,000 events a
/// second on one core.
enum BenchmarkGoal {
    /// Nanoseconds an event.
    struct Times: Encodable {
        /// By itself.
        var matching: Double
        /// What an event costs.
        var withParse: Double
    }

    /// One shape's times, as `--goals` prints them: a line of JSON each, for whoever runs this several times.
    struct Result: Encodable {
        var shape: String
        var few: Times
        var many: Times

        func write() throws {
            print(String(decoding: try JSONEncoder().encode(self), as: UTF8.self))
        }
    }

    static let few = 10
    static let many = 10_000
    /// Mixed rules of which as many match in the small table as in the large one.
    static let shapes: [BenchmarkRules.Shape] = [.none, .one, .ten]

    /// One line for one shape.
    static func verdict(_ shape: BenchmarkRules.Shape, few: Times, many: Times) -> String {
        let matching = many.matching / few.matching
        let withParse = many.withParse / few.withParse
        let rate = 1e9 / many.withParse
        return "goal, \(Self.many) mixed rules against \(Self.few), \(shape) matching: "
            + String(format: "matching %.2f", matching) + " (≤ 2: \(word(matching <= 2))), "
            + String(format: "with the parse %.2f", withParse) + " (≤ 2: \(word(withParse <= 2))), "
            + "\(Int(rate)) events/s a core (≥ 150000: \(word(rate >= 150_000)))"
    }

    private static func word(_ isMet: Bool) -> String { isMet ? "met" : "not met" }
}
