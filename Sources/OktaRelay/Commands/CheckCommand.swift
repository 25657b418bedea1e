import ArgumentParser
import Config
import JSON
import Relay

/// `check`: reports every mistake of a config file at once.
struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Report every mistake in the config file, each with its line.",
        discussion: """
            With --connect it also tries to reach each sink that is enabled, without delivering anything. \
            Exit code 1 when there is an error; warnings alone leave it at 0.

            Example:
              okta-relay check --config sinks.json --connect
            """
    )

    @OptionGroup var file: ConfigOption
    @OptionGroup var output: OutputOption

    @Flag(help: "Also try to reach each enabled sink.")
    var connect = false

    func run() async throws {
        let configuration = try ConfigurationFile.load(file.config)
        let failures = connect ? try await unreachable(configuration) : []
        Terminal.write("\(file.config): no problem found")
        if !failures.isEmpty { throw ExitStatus.problems.code }
    }

    /// The sinks that cannot be used, and why.
    private func unreachable(
        _ configuration: RelayConfiguration
    ) async throws -> [(sink: String, reason: String)] {
        var failures: [(sink: String, reason: String)] = []
        for sink in try makeSinks(configuration) {
            do {
                try await sink.probe()
                Terminal.note("sink \(sink.name): can be reached")
            } catch {
                failures.append((sink.name, error.reason))
                Terminal.note("sink \(sink.name): \(error.reason)")
            }
            await sink.shutdown()
        }
        return failures
    }
}
