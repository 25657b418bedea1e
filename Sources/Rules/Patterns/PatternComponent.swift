import JSON

/// Alternatives of which one has to hold, apart from the pattern's other components.
///
/// Many of them are found as rules are: an index names the few that an event may match.
struct PatternComponent: Sendable {
    let alternatives: [Alternative]
    private let index: RuleIndex?

    /// Where there are more alternatives, they are looked up.
    private static let triedMax = 8

    init(_ alternatives: [Alternative]) {
        self.alternatives = alternatives
        index =
            alternatives.count > Self.triedMax
            ? RuleIndexBuilder.index(ofAlternatives: alternatives.map(\.conditions)) : nil
    }

    /// What each alternative needs all of.
    var conditions: [[Condition]] { alternatives.map(\.conditions) }

    var wildcardCount: Int { conditions.joined().reduce(0) { $0 + $1.matchers.wildcardCount } }

    /// Whether an alternative holds in the object at that tape index.
    func holds(_ root: Int, in tape: TapeView) -> Bool {
        guard let index else { return alternatives.contains { $0.holds(root, in: tape) } }
        let words = index.always.count
        return withUnsafeTemporaryAllocation(
            of: UInt64.self, capacity: 2 * words + index.fieldWords
        ) { scratch in
            guard let candidates = scratch.baseAddress else { return false }
            scratch.initialize(repeating: 0)
            let marks = RuleIndex.Marks(
                candidates: candidates, absences: candidates + words, seen: candidates + 2 * words)
            index.findCandidates(root: root, in: tape, marks)
            return alternatives.indices.contains { place in
                candidates[place >> 6] >> UInt64(place & 63) & 1 == 1
                    && alternatives[place].holds(root, in: tape)
            }
        }
    }
}
