import JSON
import Rules

extension ConfigChecks {
    /// Event types in the file that Okta does not know or does not send; warnings, for Okta adds types.
    func checkEventTypes() {
        for (index, draft) in draft.rules.enumerated() {
            checkPatterns(draft.rule.events, at: place("rules", .index(index), "events"))
        }
        for (index, hook) in draft.hooks.enumerated() {
            checkPatterns(hook.events ?? [], at: place("hooks", .index(index), "events"))
        }
        for (name, sink) in draft.sinks {
            let pointer = place("sinks", .name(name))
            for key in ["on", "operations"] {
                let object = context.value(at: pointer.appending(key))
                for member in object?.members ?? context.document.root.members where object != nil {
                    checkCase(member.name.string ?? "", of: name, sink, at: pointer.appending(key))
                }
            }
        }
        checkAcceptance()
        checkOperations()
    }

    private func checkPatterns(_ patterns: [EventTypePattern], at pointer: JSONPointer) {
        for (index, pattern) in patterns.enumerated() {
            let place = pointer.appending(index)
            guard isSound(place) else { continue }
            if let message = warning(for: pattern) { warning(message, at: place) }
        }
    }

    /// What to say of a pattern, if anything.
    private func warning(for pattern: EventTypePattern) -> String? {
        let name = pattern.description
        let matching = context.matching(pattern)
        if matching.isEmpty {
            let nearest = EventTypeCatalogue.nearest(name).map { "; did you mean \"\($0)\"?" } ?? ""
            return pattern.isExact
                ? "Okta has no event type \"\(quotable(name))\"\(nearest)"
                : "\"\(quotable(name))\" matches none of Okta's event types\(nearest)"
        }
        if matching.contains(where: { EventTypeCatalogue.isEligible($0) || $0 == EventTypeCatalogue.backfill }
        ) {
            return nil
        }
        guard pattern.isExact else {
            return "\"\(quotable(name))\" matches only types that Okta does not send to event hooks"
        }
        let instead = EventTypeCatalogue.substitute(for: name).map { "; use \"\($0.name)\": \($0.reason)" }
        return "Okta does not send \"\(quotable(name))\" to event hooks\(instead ?? "")"
    }

    /// A key of `on` or `operations`.
    private func checkCase(_ key: String, of name: String, _ sink: SinkKeys.Draft, at pointer: JSONPointer) {
        guard key.contains("."), TextFormat<String>.eventType.parse(key) != nil else { return }
        let place = pointer.appending(key)
        if let message = warning(for: EventTypePattern(key)) { return warning(message, at: place) }
        guard sink.isEnabled, isSound(self.place("rules")) else { return }
        let rules = draft.rules.map(\.rule).filter { $0.sinks.contains(name) }
        let isRouted = rules.contains { rule in rule.events.contains { $0.matches(key) } }
        if !isRouted, !rules.isEmpty { warning("no rule brings this event type to the sink", at: place) }
    }

    /// A rule for events that no hook accepts waits in vain.
    private func checkAcceptance() {
        guard isSound(place("hooks")) else { return }
        for (index, draft) in draft.rules.enumerated() {
            let hooks = self.draft.hooks.filter { draft.rule.hooks?.contains($0.name) ?? true }
            guard !hooks.isEmpty, hooks.allSatisfy({ $0.events != nil }) else { continue }
            let accepted = hooks.flatMap { $0.events ?? [] }
            for (number, pattern) in draft.rule.events.enumerated() {
                let place = place("rules", .index(index), "events", .index(number))
                let types = pattern.isExact ? [pattern.description] : context.matching(pattern)
                guard isSound(place), !types.isEmpty else { continue }
                if !types.contains(where: { type in accepted.contains { $0.matches(type) } }) {
                    warning("no hook of this rule accepts such events; see the hooks' \"events\"", at: place)
                }
            }
        }
    }

    /// A rule for an operation that none of its event types means waits in vain.
    private func checkOperations() {
        for (index, draft) in draft.rules.enumerated() {
            let pointer = place("rules", .index(index), "operations")
            let types = draft.rule.events.flatMap(context.matching)
            guard !types.isEmpty, isSound(place("rules", .index(index), "events")) else { continue }
            let possible = types.reduce(into: Set<Operation>()) {
                $0.formUnion(EventTypeCatalogue.operations(of: $1, withOutcome: draft.rule.outcome))
            }
            for (number, name) in (context.value(at: pointer)?.elements.map(\.string) ?? []).enumerated() {
                let place = pointer.appending(number)
                guard let operation = name.flatMap(Operation.init), !possible.contains(operation),
                    isSound(place)
                else { continue }
                let others = possible.map(\.rawValue).sorted().joined(separator: ", ")
                let failures =
                    operation == .none ? "; failed ones are \"none\", with \"outcome\": \"any\"" : ""
                warning(
                    "none of the rule's event types means this operation: they mean \(others)\(failures)",
                    at: place)
            }
        }
    }
}
