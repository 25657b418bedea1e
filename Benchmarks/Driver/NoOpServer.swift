import Config
import HTTPTypes
import Logging
import Relay

/// `no-op`: the relay's own listener with a responder that authenticates, reads the whole body and answers.
///
/// What it leaves out is what the relay adds: JSON, rules, the journal and its fsync. So it is the most that
/// the relay's HTTP stack could do. Its further stages add to that what a server must do at least that stores
/// events before it answers: with the relay's own decoder and pace of commits, and without its journal.
enum NoOpServer {
    /// What it does before it answers, and all that the stages before do.
    enum Stage: String, CaseIterable {
        /// Authenticates, and reads the body.
        case read
        /// Takes the envelope apart, as the relay does.
        case decode
        /// Has one thread answer, for all requests that wait for it at once.
        case handOver
        /// That thread first writes the events to a file (``PlainStore``).
        case file
        /// It inserts them into SQLite instead.
        case sqlite
        /// And a thread more upserts users; or each of one or two appends the events to a table.
        case upsert, append, appendTwice

        var storesInSQLite: Bool {
            switch self {
            case .sqlite, .upsert, .append, .appendTwice: true
            case .read, .decode, .handOver, .file: false
            }
        }

        /// The modes of ``PlainStore``'s further tables.
        var tables: [String] {
            switch self {
            case .upsert: ["upsert"]
            case .append: ["append"]
            case .appendTwice: ["append", "append"]
            case .read, .decode, .handOver, .file, .sqlite: []
            }
        }
    }

    static func run(_ arguments: [String]) async throws {
        guard arguments.count == 4, let port = Int(arguments[1]), let stage = Stage(rawValue: arguments[2])
        else { throw BenchmarkError("no-op needs a port, a stage and a file") }
        let hook = HookConfiguration(
            name: "okta", path: RequestPool.path, header: "Authorization",
            secrets: [Secret(RequestPool.secret)])
        let respond = try responder(stage, hook, path: arguments[3])
        let authenticator = HookAuthenticator(hook)
        var logger = Logger(label: "no-op")
        logger.logLevel = .warning
        let listener = HTTPListener(
            address: ListenAddress(host: "127.0.0.1", port: port),
            tls: nil,
            bounds: HTTPListener.Bounds(
                requestTimeout: .seconds(30), connectionsMax: 1_024, drainBytesMax: 1 << 20,
                shutdownTimeout: .seconds(1)),
            clock: SystemClock(),
            logger: logger,
            onRefusedConnection: {}
        )
        try await listener.run(onListening: {}) { exchange in
            guard case .accepted = authenticator.verdict(exchange.head.headerFields) else {
                return HTTPAnswer(.unauthorized)
            }
            return HTTPAnswer(try await respond(exchange.collectBody(upTo: 16 << 20)) ? .ok : .badRequest)
        }
    }

    /// What a stage does with a body; whether that is to be acknowledged.
    private static func responder(
        _ stage: Stage, _ hook: HookConfiguration, path: String
    ) throws -> @Sendable ([UInt8]) async throws -> Bool {
        let decoder = EnvelopeDecoder(hook)
        switch stage {
        case .read: return { !$0.isEmpty }
        case .decode: return { try !decoder.decode($0, receivedAt: 0).events.isEmpty }
        case .handOver, .file, .sqlite, .upsert, .append, .appendTwice:
            let thread = AnsweringThread {
                switch stage {
                case .read, .decode, .handOver: { _ in }
                case .file: try PlainStore.file(path)
                case .sqlite, .upsert, .append, .appendTwice:
                    try PlainStore.sqlite(path, andTables: stage.tables)
                }
            }
            return { await thread.take(try decoder.decode($0, receivedAt: 0).events) }
        }
    }
}
