/// Which rules take an event by its hook, operation and outcome: a bit for each rule.
struct FactFilter: Sendable {
    /// By hook that some rule names; nil where no rule names any.
    private var hooks: [String: [UInt64]]?
    /// Rules that take events of every hook.
    private var ofAnyHook: [UInt64]
    /// By operation; nil where no rule names any.
    private var operations: [Operation: [UInt64]]?
    /// Rules that take what did not take effect.
    private var ofAnyOutcome: [UInt64]

    init(_ rules: [Rule]) {
        func bits(_ isIn: (Rule) -> Bool) -> [UInt64] {
            var bits = Array(repeating: UInt64(0), count: (rules.count + 63) / 64)
            for (place, rule) in rules.enumerated() where isIn(rule) { bits[place >> 6] |= 1 << (place & 63) }
            return bits
        }
        let names = rules.reduce(into: Set<String>()) { $0.formUnion($1.hooks ?? []) }
        hooks = names.isEmpty ? nil : [:]
        for name in names { hooks?[name] = bits { $0.hooks?.contains(name) ?? true } }
        ofAnyHook = bits { $0.hooks == nil }
        if rules.contains(where: { $0.operations != nil }) {
            operations = [:]
            for operation in Operation.allCases {
                operations?[operation] = bits { $0.operations?.contains(operation) ?? true }
            }
        }
        ofAnyOutcome = bits { $0.outcome == .any }
    }

    /// Takes the bits of all other rules away.
    func narrow(_ candidates: UnsafeMutablePointer<UInt64>, by facts: RoutingFacts) {
        if let hooks { candidates.formIntersection(hooks[facts.hook] ?? ofAnyHook) }
        if let operations { candidates.formIntersection(operations[facts.operation] ?? []) }
        if !facts.isEffective { candidates.formIntersection(ofAnyOutcome) }
    }
}
