import Rules

/// The file's top level.
enum RootKeys {
    static let schema = Field.optional(
        "$schema", .text(.path), standard: "none", "Where an editor finds the JSON Schema of this file.")
    static let server = Field.defaulted(
        "server", ServerKeys.shape, ServerConfiguration(listen: ServerKeys.standardAddress),
        standard: "the values below", "The public side, which Okta calls.")
    static let admin = Field.required("admin", AdminKeys.shape, "The operator's side.")
    static let hooks = Field.required(
        "hooks", .list(of: HookKeys.shape, "hooks", count: 1...), "Okta's event hooks.")
    static let journal = Field.defaulted(
        "journal", JournalKeys.shape, JournalConfiguration(path: JournalKeys.standardPath),
        standard: "the values below", "Where events are kept, and for how long.")
    static let sinks = Field.required(
        "sinks", .map(.name, to: SinkKeys.shape, "sinks"), "Where events go, by name.")
    static let rules = Field.required(
        "rules", .list(of: RuleKeys.shape, "rules"), "Which events go to which sinks, read in order.")

    /// What the file says before its parts are checked against each other; paths are as written.
    struct Draft: Sendable {
        var server: ServerConfiguration
        var admin: AdminConfiguration
        var hooks: [HookConfiguration]
        var journal: JournalConfiguration
        var sinks: [(name: String, value: SinkKeys.Draft)]
        var rules: [RuleKeys.Draft]
    }

    static let shape = Shape<Draft>.object(
        [
            schema.description, server.description, admin.description, hooks.description,
            journal.description, sinks.description, rules.description,
        ],
        foreign: ["$id": "leave it out"]
    ) { reader in
        _ = reader[schema]
        return Draft(
            server: reader[server],
            admin: reader[admin],
            hooks: reader[hooks],
            journal: reader[journal],
            sinks: reader[sinks],
            rules: reader[rules]
        )
    }
}
