import JSON
import Rules

extension ConfigChecks {
    /// Tables of other things than users: whether they learn of users who go, and have rows to tell apart.
    func checkMemberships() {
        for (name, sink) in draft.sinks {
            guard let table = sink.kind?.table, table.operations != nil, table.mode == .upsert else {
                continue
            }
            let pointer = place("sinks", .name(name))
            checkKeyValues(table, at: pointer)
            if sink.isEnabled { checkUserDeletions(of: name, at: pointer.appending("operations")) }
        }
    }

    /// Rows of a user who is deleted in Okta stay, unless some rule brings the deletion.
    private func checkUserDeletions(of name: String, at pointer: JSONPointer) {
        guard isSound(place("rules")), isSound(pointer) else { return }
        let rules = draft.rules.map(\.rule).filter { $0.sinks.contains(name) }
        let deletion = "user.lifecycle.delete.initiated"
        let isBrought = rules.contains { rule in
            rule.events.contains { $0.matches(deletion) } && (rule.operations?.contains(.delete) ?? true)
                && !rule.conditions.eventTypes(among: [deletion]).isEmpty
        }
        guard !rules.isEmpty, !isBrought else { return }
        warning(
            "no rule brings the deletions of users to this table, so the rows of deleted users stay; add a"
                + " rule with \"events\": [\"\(deletion)\"] and no conditions on the group", at: pointer)
    }

    /// A key column has to have a value in every event.
    private func checkKeyValues(_ table: TableConfiguration, at pointer: JSONPointer) {
        for column in table.columns ?? [] where (table.key ?? []).contains(column.name) {
            let place = pointer.appending("columns").appending(column.name)
            guard isSound(place), column.value.isNull else { continue }
            error("a key column that is always null gives no event a row; write a mapping", at: place)
        }
    }
}
