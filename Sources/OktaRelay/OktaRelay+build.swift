import ArgumentParser
import Config
import Relay

/// Builds the relay from its configuration and runs it until it is told to stop.
func serveRelay(_ configuration: RelayConfiguration, configPath: String) async throws {
    throw Terminal.failure("the relay is not wired up")
}

/// Opens a journal to look into it, beside a running relay too.
func inspectJournal(_ configuration: RelayConfiguration) throws -> any JournalInspection {
    do throws(JournalError) {
        return try SQLiteJournalInspection(path: configuration.journal.path)
    } catch {
        throw Terminal.failure("the journal cannot be opened: \(error.reason)")
    }
}

/// Makes the sinks that are enabled, without connecting any.
func makeSinks(_ configuration: RelayConfiguration) throws -> [any Sink] {
    throw Terminal.failure("the sinks are not wired up")
}

/// The statements that create a sink's table.
func tableStatements(of sink: SinkConfiguration) throws -> String {
    throw Terminal.failure("the sinks are not wired up")
}
