import ArgumentParser
import Config
import Relay

/// `schema`: the config file's JSON Schema, or the table of a sink.
struct SchemaCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schema",
        abstract: "Print the JSON Schema of the config file, or the SQL that creates a sink's table.",
        discussion: """
            Example:
              okta-relay schema > sinks.schema.json
              okta-relay schema --sql warehouse --config sinks.json
            """
    )

    @OptionGroup var file: ConfigOption

    @Option(help: ArgumentHelp("Print the SQL for this sink's table instead.", valueName: "sink"))
    var sql: String?

    func run() async throws {
        guard let sql else {
            Terminal.write(ConfigSchema.json)
            return
        }
        let configuration = try ConfigurationFile.load(file.config)
        guard let sink = configuration.sinks.first(where: { $0.name == sql }) else {
            let names = configuration.sinks.map(\.name).joined(separator: ", ")
            throw Terminal.failure("there is no sink \(sql); the config has \(names)", .problems)
        }
        let statements: String?
        do throws(SinkError) {
            statements = try tableStatements(of: sink)
        } catch {
            throw Terminal.failure("\(sql): \(error.reason)", .problems)
        }
        guard let statements else {
            throw Terminal.failure("\(sql) is an \(sink.kind.name) sink and has no table", .problems)
        }
        Terminal.write(statements)
    }
}
