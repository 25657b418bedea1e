import Config
import Logging
import Relay
import Sinks

/// Opens a journal to look into it, beside a running relay too.
func inspectJournal(_ configuration: RelayConfiguration) throws -> any Operator.Inspection {
    do throws(JournalError) {
        return try SQLiteJournalInspection(
            path: configuration.journal.path, sizeMax: configuration.journal.sizeMax)
    } catch {
        throw Terminal.failure("the journal cannot be opened: \(error.reason)")
    }
}

/// Makes a sink, without connecting it.
func makeSink(_ configuration: SinkConfiguration) throws(SinkError) -> any Sink {
    try SinkFactory(clock: SystemClock(), logger: Logger(label: "okta-relay")).make(configuration)
}

/// The statements that create an SQL sink's table; nil for other sinks.
func tableStatements(of sink: SinkConfiguration) throws(SinkError) -> String? {
    try SinkFactory.ddl(of: sink)
}
