import Foundation

/// One row of the result: what was measured, its baseline, and the goal for their ratio.
struct Figure: Codable {
    var row: String
    var unit: String
    /// The runs' median, or the largest of them where no run may be above the goal.
    var value: Double
    var baseline: Double?
    /// The median of the paired runs' ratios.
    var ratio: Double?
    var goal: String?
    var isMet: Bool?
    /// Why the row was not measured; nil where it was.
    var leftOut: String?
    /// Every run's figures.
    var runs: [Double]
    var baselineRuns: [Double]

    /// A figure with a baseline, from runs in pairs.
    init(
        _ row: String, _ unit: String, pairs: [(subject: Double, baseline: Double)], atLeast goal: Double?
    ) {
        let ratio = median(pairs.map { $0.subject / $0.baseline })
        self.init(row, unit, runs: pairs.map(\.subject))
        baselineRuns = pairs.map(\.baseline)
        baseline = median(baselineRuns)
        self.ratio = ratio
        self.goal = goal.map { "≥ \($0)" }
        isMet = goal.map { ratio >= $0 }
    }

    /// The same where the ratio is not to exceed the goal.
    init(_ row: String, _ unit: String, pairs: [(subject: Double, baseline: Double)], atMost goal: Double) {
        self.init(row, unit, pairs: pairs, atLeast: nil)
        self.goal = "≤ \(goal)"
        isMet = ratio.map { $0 <= goal }
    }

    /// A figure that stands alone, and must reach the goal.
    init(_ row: String, _ unit: String, runs: [Double], atLeast goal: Double) {
        self.init(row, unit, runs: runs)
        self.goal = "≥ \(formatted(goal))"
        isMet = median(runs) >= goal
    }

    /// A figure that stands alone.
    init(_ row: String, _ unit: String, runs: [Double], atMost goal: Double? = nil) {
        self.row = row
        self.unit = unit
        self.runs = runs
        value = median(runs)
        baselineRuns = []
        self.goal = goal.map { "≤ \(formatted($0))" }
        isMet = goal.map { median(runs) <= $0 }
    }

    /// A figure that no run may have above the goal, whatever the baseline's runs have, if there are any.
    init(
        _ row: String, _ unit: String, most runs: [Double], atMost goal: Double, baseline: [Double] = []
    ) {
        self.init(row, unit, runs: runs)
        value = runs.max() ?? 0
        baselineRuns = baseline
        self.baseline = baseline.max()
        self.goal = "≤ \(formatted(goal))"
        isMet = value <= goal
    }

    /// A row that could not be measured here.
    init(leftOut row: String, _ reason: String) {
        self.init(row, "", runs: [])
        leftOut = reason
    }

    var cells: [String] {
        if let leftOut { return [row, "left out: \(leftOut)", "", "", "", ""] }
        return [
            row, "\(formatted(value)) \(unit)", baseline.map(formatted) ?? "", ratio.map(formatted) ?? "",
            goal ?? "", isMet.map { $0 ? "met" : "not met" } ?? "",
        ]
    }

    /// An aligned table.
    static func table(_ figures: [Figure]) -> String {
        let rows = [["row", "figure", "baseline", "ratio", "goal", ""]] + figures.map(\.cells)
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
                .joined(separator: "  ")
        }.joined(separator: "\n")
    }
}

func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard let last = sorted.last else { return 0 }
    let middle = sorted.count / 2
    return sorted.count % 2 == 1
        ? sorted[middle] : sorted.count == 0 ? last : (sorted[middle - 1] + sorted[middle]) / 2
}

/// Three or so significant digits, without an exponent.
func formatted(_ value: Double) -> String {
    value >= 100 ? String(Int(value.rounded())) : String(format: value >= 10 ? "%.1f" : "%.2f", value)
}
