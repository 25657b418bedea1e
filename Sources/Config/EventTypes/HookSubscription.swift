import Rules

/// The event types that one hook has to be subscribed to in Okta for a configuration to work.
public struct HookSubscription: Sendable, Equatable {
    public let hook: String
    /// Exact names that Okta knows and event hooks may carry, sorted; wildcards are expanded.
    public let eventTypes: [String]

    public init(hook: String, eventTypes: [String]) {
        self.hook = hook
        self.eventTypes = eventTypes
    }

    /// Whether Okta would refuse the list, since a hook takes at most 300 types.
    public var isOverLimit: Bool { eventTypes.count > EventTypeCatalogue.hookTypesMax }
}

extension RelayConfiguration {
    /// What to subscribe each hook to: the types that its rules use for a sink that is enabled, by their
    /// operations and their conditions on `eventType` too, as far as the hook accepts them.
    ///
    /// A hook takes at most ``EventTypeCatalogue/hookTypesMax`` types: where a list is longer, narrow the
    /// rules or split the hook.
    public var subscriptions: [HookSubscription] {
        let enabled = Set(sinks.filter(\.isEnabled).map(\.name))
        return hooks.map { hook in
            var types: Set<String> = []
            for rule in rules where rule.hooks?.contains(hook.name) ?? true {
                guard rule.sinks.contains(where: enabled.contains) else { continue }
                let named = rule.events.flatMap(EventTypeCatalogue.matching).filter(rule.canTake)
                types.formUnion(rule.conditions.eventTypes(among: named))
            }
            let accepted = types.filter { type in
                EventTypeCatalogue.isEligible(type)
                    && (hook.events?.contains { $0.matches(type) } ?? true)
            }
            return HookSubscription(hook: hook.name, eventTypes: accepted.sorted())
        }
    }
}

extension Rule {
    /// Whether events of the type can have one of the operations that the rule is about.
    fileprivate func canTake(_ type: String) -> Bool {
        guard let operations else { return true }
        return !EventTypeCatalogue.operations(of: type, withOutcome: outcome).isDisjoint(with: operations)
    }
}
