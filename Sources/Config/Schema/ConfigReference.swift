/// The reference of all keys in Markdown, made from the same shapes that the loader decodes with.
public enum ConfigReference {
    /// The tables of `docs/CONFIGURATION.md`, one an object.
    public static var markdown: String {
        var sections: [(title: String, fields: [FieldDescription])] = [
            ("Top level", RootKeys.shape.members),
            ("`server`", ServerKeys.shape.members),
            ("`server.tls`, `admin.tls`", TLSKeys.shape.members),
            ("`admin`", AdminKeys.shape.members),
            ("`hooks[]`", HookKeys.shape.members),
            ("`journal`", JournalKeys.shape.members),
        ]
        for type in SinkKeys.types {
            sections.append(("`sinks.*` of type `\(type.name)`: \(type.summary)", type.shape.members))
        }
        sections += [
            ("`sinks.*.retry`", SinkKeys.retry.description.members),
            ("`sinks.*.lookup`", HTTPKeys.lookup.description.members),
            ("`sinks.*.columns.*`, the long form", TableKeys.columns.description.members),
            ("`sinks.*.auth`, one of", HTTPKeys.auth.description.members),
            ("`sinks.*.auth.basic`", AuthenticationKeys.basic.description.members),
            ("`sinks.*.auth.header`", AuthenticationKeys.header.description.members),
            ("`sinks.*.on.*`", HTTPKeys.on.description.members),
            ("`rules[]`", RuleKeys.shape.members),
        ]
        return sections.map { section($0.title, $0.fields) }.joined(separator: "\n")
    }

    private static func section(_ title: String, _ fields: [FieldDescription]) -> String {
        var text = "### \(title)\n\n| key | value | default | meaning |\n|---|---|---|---|\n"
        for field in fields {
            let standard = field.isRequired ? "required" : field.standard ?? ""
            text += "| `\(field.name)` | \(field.phrase) | \(standard) | \(field.summary) |\n"
        }
        return text
    }
}
