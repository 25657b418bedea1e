public import Config
public import Logging
public import Relay

/// Makes the sinks of a config file.
///
/// One factory serves a whole relay, so that sinks on one SQLite file share its connection, and HTTP sinks
/// one pool of connections.
public struct SinkFactory: Sendable {
    private let clock: any RelayClock
    private let logger: Logger
    private let files = SQLiteFiles()
    private let curl = CurlClient()

    public init(clock: any RelayClock, logger: Logger) {
        self.clock = clock
        self.logger = logger
    }

    /// Makes a sink; it connects in its `prepare`.
    ///
    /// - Throws: `misconfigured` where the settings contradict each other.
    public func make(_ configuration: SinkConfiguration) throws(SinkError) -> any Sink {
        switch configuration.kind {
        case .sqlite(let sqlite):
            return try SQLiteSink(
                name: configuration.name, plan: TablePlan(sqlite.table), file: files.file(sqlite.path))
        case .postgresql(let postgresql):
            return try PostgreSQLSink(
                name: configuration.name, plan: TablePlan(postgresql.table), url: postgresql.url)
        case .http(let http):
            return HTTPSink(name: configuration.name, configuration: http, client: curl, clock: clock)
        }
    }

    /// Lets go of what the sinks shared, once they have all shut down.
    public func shutdown() async { await curl.shutdown() }

    /// The statements that an SQL sink runs on an empty database, each ending in a semicolon; nil for others.
    ///
    /// - Throws: `misconfigured` where the settings contradict each other.
    public static func ddl(of configuration: SinkConfiguration) throws(SinkError) -> String? {
        guard let table = configuration.table else { return nil }
        let dialect: TableDDL.Dialect =
            switch configuration.kind {
            case .sqlite: .sqlite
            case .postgresql, .http: .postgresql
            }
        let ddl = TableDDL(plan: try TablePlan(table), dialect: dialect)
        return ddl.all.map { $0 + ";\n" }.joined()
    }
}
