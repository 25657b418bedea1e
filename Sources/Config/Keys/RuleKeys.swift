import JSON
import Rules

/// `rules[]`: which events go to which sinks.
enum RuleKeys {
    static let name = Field.required(
        "name", .text(.ruleName), "Its name, kept with each event that it routes; unique.")
    static let events = Field.required(
        "events", .list(of: .text(.eventTypePattern), "event types", count: 1...),
        "Event types, of which one must match; `*` stands for any run of characters.")
    static let pattern = Field.optional(
        "where", Shape<Pattern?>.pattern, standard: "every event",
        "An event pattern over the LogEvent, every field of which must match.")
    static let all = Field.defaulted(
        "all", patterns, [], standard: "none", "Event patterns that must each match.")
    static let any = Field.defaulted(
        "any", patterns, [], standard: "none", "Event patterns of which one must match.")
    static let none = Field.defaulted(
        "none", patterns, [], standard: "none", "Event patterns of which none may match.")
    static let sinks = Field.defaulted(
        "sinks", .list(of: .text(.name), "sink names"), [], standard: "none, which needs `stop`",
        "Sinks that get the events; disabled ones may be named.")
    static let hooks = Field.optional(
        "hooks", .list(of: .text(.name), "hook names", count: 1...), standard: "all",
        "Hooks whose events it looks at.")
    static let operations = Field.optional(
        "operations", .list(of: operation, "operations", count: 1...), standard: "all",
        "Operations that it looks at: what an event does to its user.")
    static let outcome = Field.defaulted(
        "outcome", .choice(Rule.Outcome.effective, .any), .effective, standard: "effective",
        "`effective`: only events that took effect; `any`: failed ones too.")
    static let stop = Field.defaulted(
        "stop", .bool, false, standard: "false", "Whether a match leaves out the rules behind it.")

    private static let operation = Shape<Operation>.choice(
        .create, .update, .reactivate, .deactivate, .delete, .none)
    private static let patterns = Shape<[Pattern?]>
        .list(of: Shape<Pattern?>.pattern, "event patterns", count: 1...).map { $0.compactMap(\.self) }

    /// A rule with the names it uses in the file's order, for their places.
    struct Draft: Sendable {
        var rule: Rule
        var hooks: [String]
    }

    static let shape = Shape<Draft>.object(
        [
            name.description, events.description, pattern.description, all.description, any.description,
            none.description, sinks.description, hooks.description, operations.description,
            outcome.description, stop.description,
        ],
        foreign: ["sink": "did you mean \"sinks\", a list?", "event": "did you mean \"events\", a list?"]
    ) { reader in
        let hooks = reader[hooks]
        return Draft(
            rule: Rule(
                name: reader[name],
                hooks: hooks.map(Set.init),
                events: reader[events],
                operations: reader[operations].map(Set.init),
                outcome: reader[outcome],
                conditions: Rule.Conditions(
                    pattern: reader[pattern] ?? nil, all: reader[all], any: reader[any], none: reader[none]),
                sinks: reader[sinks],
                stops: reader[stop]
            ),
            hooks: hooks ?? []
        )
    }
}
