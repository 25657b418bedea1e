import JSON
import Rules

extension ConfigChecks {
    /// Paths that lead nowhere in any event: a mapping over them yields nothing, and a pattern never matches.
    func checkMappings() {
        for (name, _) in draft.sinks {
            let pointer = place("sinks", .name(name))
            for key in ["url", "headers", "body", "on", "columns"] where has(pointer.appending(key)) {
                checkPlaceholders(at: pointer.appending(key))
            }
        }
        for index in draft.rules.indices {
            let pointer = place("rules", .index(index))
            checkFields(at: pointer.appending("where"))
            for key in ["all", "any", "none"] {
                let count = context.value(at: pointer.appending(key))?.elements.map(\.self)
                    .count
                for number in 0..<(count ?? 0) {
                    checkFields(at: pointer.appending(key).appending(number))
                }
            }
        }
    }

    // MARK: - Mappings

    private func checkPlaceholders(at pointer: JSONPointer) {
        guard let value = context.value(at: pointer), isSound(pointer) else { return }
        if let text = value.string {
            for mistake in Self.mistakes(in: text) { error(mistake, at: pointer) }
        }
        for (name, _) in value.members { checkPlaceholders(at: pointer.appending(name.string ?? "")) }
        for (index, _) in value.elements.enumerated() { checkPlaceholders(at: pointer.appending(index)) }
    }

    /// What stands at the top of the document that mappings see, and for some of it, what stands below.
    private static let document: [String: [String]?] = [
        "event": nil, "group": nil, "app": nil, "operation": nil,
        "user": [
            "id", "login", "displayName", "status", "active", "email", "firstName", "lastName", "profile",
        ],
        "relay": ["id", "hook", "org", "sink", "rule", "attempt", "receivedAt", "idempotencyKey"],
    ]

    private static func mistakes(in text: String) -> [String] {
        var mistakes: [String] = []
        var rest = text[...]
        while let open = rest.firstRange(of: "{{") {
            rest = rest[open.upperBound...]
            let path = rest.drop { $0 == " " }
            if path.hasPrefix("$."), let mistake = mistake(inPath: path.dropFirst(2)) {
                mistakes.append(mistake)
            }
        }
        return mistakes
    }

    /// Looks at plain names only: brackets, wildcards and `..` are the path language's own business.
    private static func mistake(inPath path: Substring) -> String? {
        let first = path.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
        guard !first.isEmpty else { return nil }
        guard let below = document[String(first)] else {
            if logEventFields.contains(String(first)) {
                return "\"$.\(first)\" leads nowhere; the LogEvent is below \"$.event\": \"$.event.\(first)\""
            }
            let question = NearestName.question(String(first), among: document.keys.sorted())
            return "\"$.\(first)\" leads nowhere; there are \(document.keys.sorted().joined(separator: ", "))"
                + question
        }
        let rest = path.dropFirst(first.count)
        guard let below, rest.hasPrefix("."), rest.dropFirst().first?.isLetter == true else { return nil }
        let second = String(rest.dropFirst().prefix { $0.isLetter || $0.isNumber || $0 == "_" })
        guard !below.contains(second) else { return nil }
        return "\"$.\(first).\(second)\" leads nowhere; \"$.\(first)\" has \(below.joined(separator: ", "))"
            + NearestName.question(second, among: below)
    }

    // MARK: - Patterns

    /// The members of Okta's LogEvent, by its System Log API reference.
    private static let logEventFields = [
        "actor", "authenticationContext", "client", "debugContext", "device", "displayMessage", "eventType",
        "insertionTimestamp", "legacyEventType", "outcome", "published", "request", "securityContext",
        "severity", "target", "transaction", "uuid", "version",
    ]

    /// What these have, as far as a misspelt name can be told from one that Okta may have added.
    private static let fieldsBelow = [
        "actor": ["id", "type", "alternateId", "displayName", "detailEntry"],
        "target": ["id", "type", "alternateId", "displayName", "detailEntry", "changeDetails"],
        "outcome": ["result", "reason"],
        "client": ["userAgent", "zone", "device", "id", "ipAddress", "geographicalContext"],
        "debugContext": ["debugData"],
    ]

    private func checkFields(at pointer: JSONPointer) {
        guard let pattern = context.value(at: pointer), isSound(pointer) else { return }
        checkFields(of: pattern, below: nil, at: pointer)
    }

    /// The members of a pattern's object, which stands below a field of that name; at the top below none.
    private func checkFields(of object: JSONValue, below parent: String?, at pointer: JSONPointer) {
        for (key, value) in object.members {
            guard let name = key.string else { continue }
            let place = pointer.appending(name)
            if name == "$or" {
                for (index, part) in value.elements.enumerated() {
                    checkFields(of: part, below: parent, at: place.appending(index))
                }
            } else if let message = mistake(inField: name, below: parent) {
                warning(message, at: place)
            } else {
                checkFields(of: value, below: parent == nil ? name : "", at: place)
            }
        }
    }

    private func mistake(inField name: String, below parent: String?) -> String? {
        guard let parent else {
            guard !Self.logEventFields.contains(name) else { return nil }
            let advice =
                name == "event"
                ? "; a pattern is over the LogEvent itself, so leave this level out"
                : NearestName.question(name, among: Self.logEventFields)
            return "Okta's events have no field \"\(quotable(name))\"\(advice)"
        }
        if Pattern.operators.contains(name) {
            return "\"\(name)\" is taken for a field's name here; an operator stands in a list:"
                + " [{\"\(name)\": …}]"
        }
        guard let known = Self.fieldsBelow[parent], !known.contains(name) else { return nil }
        let question = NearestName.question(name, among: known)
        return question.isEmpty ? nil : "\"\(parent)\" has no field \"\(quotable(name))\"\(question)"
    }
}
