/// Intervals of numbers with the rules that they anchor; marks those around a number without trying each.
struct RangeIndex: Sendable {
    /// By lower bound.
    private let ranges: [(lower: Double, upper: Double, rule: Int32)]
    /// A binary tree over `ranges` with the largest upper bound of each half.
    private let largest: [Double]

    init(_ ranges: [(lower: Double, upper: Double, rule: Int32)]) {
        let sorted = ranges.sorted { $0.lower < $1.lower }
        var tree = Array(repeating: -Double.infinity, count: max(1, sorted.count) * 4)
        func build(_ node: Int, _ low: Int, _ high: Int) {
            if low == high {
                tree[node] = sorted[low].upper
                return
            }
            let middle = (low + high) / 2
            build(node * 2, low, middle)
            build(node * 2 + 1, middle + 1, high)
            tree[node] = max(tree[node * 2], tree[node * 2 + 1])
        }
        if !sorted.isEmpty { build(1, 0, sorted.count - 1) }
        self.ranges = sorted
        largest = tree
    }

    /// Sets the bits of the rules whose interval may have the number in it.
    func mark(around number: Double, _ candidates: UnsafeMutablePointer<UInt64>) {
        guard !ranges.isEmpty else { return }
        search(1, 0, ranges.count - 1, number, candidates)
    }

    private func search(
        _ node: Int, _ low: Int, _ high: Int, _ number: Double, _ candidates: UnsafeMutablePointer<UInt64>
    ) {
        guard largest[node] >= number, ranges[low].lower <= number else { return }
        if low == high {
            let rule = ranges[low].rule
            candidates[Int(rule >> 6)] |= 1 << UInt64(rule & 63)
            return
        }
        let middle = (low + high) / 2
        search(node * 2, low, middle, number, candidates)
        search(node * 2 + 1, middle + 1, high, number, candidates)
    }
}
