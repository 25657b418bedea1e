import Config
import HTTPTypes
import Logging
import Relay

/// `no-op`: the relay's own listener with a responder that authenticates, reads the whole body and answers.
///
/// What it leaves out is what the relay adds: JSON, rules, the journal and its fsync. So it is the most that
/// the relay's HTTP stack could do.
enum NoOpServer {
    static func run(_ arguments: [String]) async throws {
        guard arguments.count == 2, let port = Int(arguments[1]) else {
            throw BenchmarkError("no-op needs a port")
        }
        let hook = HookConfiguration(
            name: "okta", path: RequestPool.path, header: "Authorization",
            secrets: [Secret(RequestPool.secret)])
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
            let body = try await exchange.collectBody(upTo: 16 << 20)
            return HTTPAnswer(body.isEmpty ? .badRequest : .ok)
        }
    }
}
