import JSON

extension Rule {
    /// The first condition that fails, in the order in which they are checked.
    func mismatch(_ facts: RoutingFacts, _ event: JSONValue) -> String? {
        if let hooks, !hooks.contains(facts.hook) {
            return "the hook is \"\(facts.hook)\", wanted \(hooks.sorted().joined(separator: ", "))"
        }
        if let operations, !operations.contains(facts.operation) {
            let wanted = operations.map(\.rawValue).sorted().joined(separator: ", ")
            return "the operation is \(facts.operation.rawValue), wanted \(wanted)"
        }
        if outcome == .effective, !facts.isEffective {
            return "the outcome is none with which \(facts.eventType) takes effect; "
                + "\"outcome\": \"any\" takes all"
        }
        if !events.isEmpty, !events.contains(where: { $0.matches(facts.eventType) }) {
            let wanted = events.map(\.description).joined(separator: ", ")
            return "the event type is \(facts.eventType), wanted \(wanted)"
        }
        return conditions.mismatch(event)
    }
}

extension Rule.Conditions {
    func hold(_ root: Int, in tape: TapeView) -> Bool {
        if let pattern, !pattern.matches(root, in: tape) { return false }
        return all.allSatisfy { $0.matches(root, in: tape) }
            && (any.isEmpty || any.contains { $0.matches(root, in: tape) })
            && !none.contains { $0.matches(root, in: tape) }
    }

    func mismatch(_ event: JSONValue) -> String? {
        if let mismatch = pattern?.firstMismatch(in: event) { return "where: \(mismatch)" }
        for (index, pattern) in all.enumerated() {
            if let mismatch = pattern.firstMismatch(in: event) { return "all/\(index): \(mismatch)" }
        }
        if !any.isEmpty {
            let mismatches = any.map { $0.firstMismatch(in: event) }
            if !mismatches.contains(nil) {
                let texts = mismatches.prefix(3).enumerated().map {
                    "any/\($0.offset): \($0.element?.description ?? "")"
                }
                return texts.joined(separator: " | ")
            }
        }
        for (index, pattern) in none.enumerated() {
            if let match = pattern.match(in: event) { return "none/\(index) matches: \(match)" }
        }
        return nil
    }
}
