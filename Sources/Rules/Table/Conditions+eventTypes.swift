import JSON

extension Rule.Conditions {
    /// Of these event types, the ones that what the patterns say of `eventType` lets through, in their order.
    ///
    /// What they say of other fields is taken to hold.
    public func eventTypes(among types: [String]) -> [String] {
        let required = ([pattern].compactMap(\.self) + all).compactMap(\.aboutEventType)
        let choices = any.map(\.aboutEventType)
        let excluded = none.compactMap(\.aboutEventTypeAlone)
        let isOpen = choices.isEmpty || choices.contains { $0 == nil }
        guard !(required.isEmpty && excluded.isEmpty && isOpen) else { return types }
        return types.filter { type in
            var writer = JSONWriter()
            writer.object { $0.member("eventType", type) }
            guard let document = try? JSONDocument(writer.bytes) else { return true }
            return document.withTape { tape in
                func holds(_ components: [PatternComponent]) -> Bool {
                    components.allSatisfy { $0.holds(0, in: tape) }
                }
                return required.allSatisfy(holds)
                    && (isOpen || choices.contains { $0.map(holds) ?? true })
                    && !excluded.contains(where: holds)
            }
        }
    }
}

extension Pattern {
    /// The pattern without what it says of other fields; nil where nothing is left.
    fileprivate var aboutEventType: [PatternComponent]? {
        let components = components.compactMap { component -> PatternComponent? in
            let conditions = component.conditions.map { $0.filter(\.isAboutEventType) }
            // An alternative that says nothing of the type holds for each.
            guard conditions.allSatisfy({ !$0.isEmpty }) else { return nil }
            return PatternComponent(conditions.map(Alternative.init))
        }
        return components.isEmpty ? nil : components
    }

    /// The pattern, where it is about nothing else.
    fileprivate var aboutEventTypeAlone: [PatternComponent]? {
        components.joinedConditions.allSatisfy(\.isAboutEventType) ? components : nil
    }
}

extension [PatternComponent] {
    fileprivate var joinedConditions: [Condition] { flatMap { $0.conditions.flatMap(\.self) } }
}

extension Condition {
    fileprivate var isAboutEventType: Bool { path == [Array("eventType".utf8)] }
}
