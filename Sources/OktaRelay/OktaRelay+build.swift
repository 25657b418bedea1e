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

/// Makes a sink, without connecting it.
func makeSink(_ configuration: SinkConfiguration) throws(SinkError) -> any Sink {
    throw .misconfigured(reason: "the sinks are not wired up")
}

/// The statements that create an SQL sink's table; nil for other sinks.
func tableStatements(of sink: SinkConfiguration) throws(SinkError) -> String? {
    throw .misconfigured(reason: "the sinks are not wired up")
}
