import JSON
import Rules

extension ConfigChecks {
    /// The rules: their names, and what they refer to.
    func checkRules() {
        let sinkNames = context.document.root["sinks"]?.members.compactMap(\.name.string) ?? []
        let hookNames = draft.hooks.map(\.name)
        if draft.rules.isEmpty, isSound(place("rules")), has(place("rules")) {
            warning("no rules: every event is kept, and none goes to a sink", at: place("rules"))
        }
        checkUnique(draft.rules.enumerated().map { ($1.rule.name, place("rules", .index($0), "name")) }) {
            "another rule is called \"\(quotable($0))\" already; names must differ"
        }
        for (index, draft) in draft.rules.enumerated() {
            let pointer = place("rules", .index(index))
            for (number, sink) in draft.rule.sinks.enumerated() where !sinkNames.contains(sink) {
                let place = pointer.appending("sinks").appending(number)
                guard isSound(place) else { continue }
                error("no sink is called \"\(quotable(sink))\"\(advice(sink, sinkNames))", at: place)
            }
            for (number, hook) in draft.hooks.enumerated() where !hookNames.contains(hook) {
                let place = pointer.appending("hooks").appending(number)
                guard isSound(place), isSound(self.place("hooks")) else { continue }
                error("no hook is called \"\(quotable(hook))\"\(advice(hook, hookNames))", at: place)
            }
            if draft.rule.sinks.isEmpty, !draft.rule.stops, isSound(pointer.appending("sinks")),
                isSound(pointer.appending("stop")), context.value(at: pointer)?.kind == .object,
                !hasMisspelt("sinks", at: pointer)
            {
                error(
                    "a rule without sinks does nothing; name its \"sinks\", or set \"stop\": true to keep the"
                        + " events from the rules behind it", at: pointer)
            }
        }
        checkUnreachable()
        checkUnusedSinks()
    }

    private func advice(_ name: String, _ names: [String]) -> String {
        let question = NearestName.question(name, among: names)
        guard question.isEmpty else { return question }
        return names.isEmpty ? "" : "; there are: \(names.map(quotable).joined(separator: ", "))"
    }

    /// Whether an unknown key was reported that was meant to be this one.
    private func hasMisspelt(_ key: String, at pointer: JSONPointer) -> Bool {
        context.issues.contains { issue in
            issue.pointer.description.hasPrefix(pointer.description + "/")
                && issue.message.hasPrefix("unknown key") && issue.message.contains("\"\(key)\"")
        }
    }

    /// A rule that stops everything leaves nothing to those behind it.
    private func checkUnreachable() {
        for (index, draft) in draft.rules.enumerated() {
            let rule = draft.rule
            let conditions = rule.conditions
            let hasConditions =
                conditions.pattern != nil || !conditions.all.isEmpty || !conditions.any.isEmpty
                || !conditions.none.isEmpty || rule.hooks != nil || rule.operations != nil
            guard rule.stops, !hasConditions, isSound(place("rules", .index(index))),
                rule.events.contains(where: { $0.description.allSatisfy { $0 == "*" } })
            else { continue }
            let behind = self.draft.rules.enumerated().dropFirst(index + 1).first { later in
                rule.outcome == .any || later.element.rule.outcome == .effective
            }
            if let behind {
                warning(
                    "never reached: the rule \"\(quotable(rule.name))\" before it stops every event",
                    at: place("rules", .index(behind.offset)))
            }
            return
        }
    }

    private func checkUnusedSinks() {
        // A rule that forgot its sinks has been reported.
        guard isSound(place("rules")), draft.rules.allSatisfy({ !$0.rule.sinks.isEmpty || $0.rule.stops }),
            has(place("rules"))
        else { return }
        let names = draft.sinks.map(\.name)
        // A misspelt name has been reported where it stands.
        let named = Set(
            draft.rules.flatMap(\.rule.sinks).map { sink in
                names.contains(sink) ? sink : NearestName.of(sink, among: names) ?? sink
            })
        for (name, sink) in draft.sinks where sink.isEnabled && !named.contains(name) {
            warning("no rule names this sink, so it gets nothing", at: place("sinks", .name(name)))
        }
    }

    // MARK: - Which events reach which sink

    /// What the rules bring to an SQL sink has to fit its table.
    func checkReach() {
        for (name, sink) in draft.sinks {
            let table: TableConfiguration
            switch sink.kind {
            case .sqlite(let sqlite): table = sqlite.table
            case .postgresql(let postgresql): table = postgresql.table
            case .http, nil: continue
            }
            let pointer = place("sinks", .name(name))
            guard sink.isEnabled, table.mode == .upsert, isSound(pointer.appending("mode")) else { continue }
            let rules = draft.rules.enumerated().filter { $1.rule.sinks.contains(name) }
            checkOrgs(reaching: table, rules.map(\.element.rule), at: pointer)
            guard isSound(pointer.appending("operations")) else { continue }
            for (index, rule) in rules {
                checkUsers(of: rule.rule, name, table, at: place("rules", .index(index), "events"))
            }
        }
    }

    private func checkOrgs(reaching table: TableConfiguration, _ rules: [Rule], at pointer: JSONPointer) {
        let orgs = Set(
            rules.flatMap { rule in
                draft.hooks.filter { rule.hooks?.contains($0.name) ?? true }.map(\.org)
            })
        let key = table.key ?? [table.mode.standardKey]
        let hasOrg = key.contains { $0 == "org" || columnText($0, at: pointer).contains("$.relay.org") }
        guard orgs.count > 1, !hasOrg, isSound(place("hooks")), isSound(pointer.appending("key")),
            isSound(pointer.appending("columns"))
        else { return }
        error(
            "users of several orgs (\(orgs.sorted().joined(separator: ", "))) reach this table; add a column"
                + " \"org\" with {{ $.relay.org }} to \"columns\" and to \"key\"",
            at: has(pointer.appending("key")) ? pointer.appending("key") : pointer)
    }

    private func checkUsers(
        of rule: Rule, _ sink: String, _ table: TableConfiguration, at pointer: JSONPointer
    ) {
        guard isSound(pointer), !rule.events.isEmpty else { return }
        var effective = Set(EventTypeCatalogue.userChanges.keys)
        if let operations = table.operations {
            // A table of other things loses a user's rows with the user.
            effective = effective.filter { EventTypeCatalogue.userChanges[$0] == .delete }.union(
                operations.keys)
        }
        let reaches = rule.events.contains { pattern in effective.contains(where: pattern.matches) }
        guard !reaches else { return }
        let reason =
            table.operations == nil
            ? "none of these events changes a user" : "none of these events is in the sink's \"operations\""
        warning("\(reason), so the table of the sink \"\(sink)\" gets nothing from this rule", at: pointer)
    }
}
