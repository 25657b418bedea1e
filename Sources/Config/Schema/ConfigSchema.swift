/// The JSON Schema of the config file, made from the same shapes that the loader decodes with.
public enum ConfigSchema {
    /// The text of `sinks.schema.json`: JSON Schema, draft 2020-12.
    ///
    /// It accepts every file that the loader accepts. What it cannot say, such as that two names differ or
    /// that a template is well-formed, only the loader checks.
    public static var json: String {
        SchemaNode.object([
            ("$schema", "https://json-schema.org/draft/2020-12/schema"),
            ("title", "okta-relay configuration"),
            (
                "description",
                "${env:NAME}, ${env:NAME:-default} and ${file:path} are replaced in any string but a type."
            ),
        ]).adding(RootKeys.shape.schema.members).text
    }
}

extension SchemaNode {
    fileprivate var members: [(name: String, value: SchemaNode)] {
        if case .object(let members) = self { members } else { [] }
    }
}
