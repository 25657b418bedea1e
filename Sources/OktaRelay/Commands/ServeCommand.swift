import ArgumentParser
import Config
import Foundation
import JSON
import Logging
import Relay

/// `serve`: runs the relay until it is told to stop.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Run the relay.",
        discussion: """
            Receives Okta's event hooks, keeps every acknowledged event, and delivers it to the sinks. \
            SIGTERM and SIGINT stop it: requests and deliveries under way are finished, the rest waits in \
            the journal for the next start. SIGHUP reads the config file again.

            Example:
              okta-relay serve --config /etc/okta-relay/sinks.json
            """
    )

    @OptionGroup var file: ConfigOption

    @Flag(
        name: .customLong("init"),
        help: "Create the secret files that the config names and that are missing.")
    var createsSecrets = false

    @Option(
        name: .customLong("log-level"),
        help: "debug, info, notice, warning or error.",
        transform: { text in
            guard let level = Logger.Level(rawValue: text) else {
                throw ValidationError("'\(text)' is no log level: debug, info, notice, warning or error")
            }
            return level
        }
    )
    var logLevel = Logger.Level.info

    func run() async throws {
        if createsSecrets { try createSecrets() }
        let configuration = try ConfigurationFile.load(file.config, notesWarnings: true)
        let fixture = "Tests/Fixtures/first-event.json"
        let greeting = Greeting(
            server: configuration.server,
            hooks: configuration.hooks,
            secrets: try secretSources().hooks,
            admin: configuration.admin,
            eventFile: FileManager.default.fileExists(atPath: fixture) ? fixture : nil
        )
        var logger = Logger(label: "okta-relay")
        logger.logLevel = logLevel
        try await withTaskExecutorPreference(TaskThreads.shared) {
            try await serve(configuration, greeting.text, logger)
        }
    }

    private func serve(
        _ configuration: RelayConfiguration, _ greeting: String, _ logger: Logger
    ) async throws {
        do {
            let relay = try await RelayService.build(configuration, path: file.config, logger: logger)
            try await relay.run { Terminal.note("\n\(greeting)\n") }
        } catch let error as JournalError {
            throw Terminal.failure("the journal cannot be used: \(error.reason)")
        } catch let error as SinkError {
            throw Terminal.failure(error.reason, .problems)
        } catch let error as OpenFiles.TooFew {
            throw Terminal.failure("\(error)")
        } catch let error as ListenError {
            throw Terminal.failure("\(error)")
        }
    }

    private func createSecrets() throws {
        var random = SystemRandomNumberGenerator()
        do throws(SecretFiles.CreationError) {
            let created = try SecretFiles.initialise(
                for: [UInt8](FileManager.default.contents(atPath: file.config) ?? Data()),
                directory: URL(fileURLWithPath: file.config).deletingLastPathComponent().path,
                random: { count in (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) } }
            )
            for path in created { Terminal.note("created \(path), readable by its owner only") }
        } catch {
            throw Terminal.failure(error.description)
        }
    }

    private func secretSources() throws -> SecretSources {
        let bytes = try ConfigurationFile.read(file.config)
        do {
            return try SecretSources(config: bytes, path: file.config)
        } catch {
            let place = JSONDocument.place(ofOffset: error.offset, in: bytes)
            throw Terminal.failure("\(file.config):\(place.line):\(place.column): \(error.reason)", .problems)
        }
    }
}
