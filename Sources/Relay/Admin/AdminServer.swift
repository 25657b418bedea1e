public import Config
import HTTPTypes
public import Logging
public import ServiceLifecycle

/// What the admin side shows and changes, besides the metrics.
public struct AdminSources: Sendable {
    public var journal: any JournalInspection
    /// The live states that the sinks' workers publish.
    public var board: SinkBoard
    /// The sinks that are delivered to now; those that are ``RowBrowsing`` show their rows.
    public var sinks: @Sendable () -> [any Sink]
    /// What an operator can change; nil shows only.
    public var hands: Operator?

    public init(
        journal: any JournalInspection, board: SinkBoard, sinks: @escaping @Sendable () -> [any Sink],
        hands: Operator? = nil
    ) {
        self.journal = journal
        self.board = board
        self.sinks = sinks
        self.hands = hands
    }
}

/// The operator's side: an own listener, on loopback unless configured otherwise, behind a bearer token.
///
/// `/healthz`, `/readyz` and the page at `/` (which holds no data) need no token. It should be the last
/// service that a graceful stop ends, so that a stopping relay can still be looked at.
public final class AdminServer: Service {
    private static let connectionsMax = 100
    private static let requestTimeout = Duration.seconds(10)
    private static let shutdownTimeout = Duration.seconds(2)

    private let listener: HTTPListener
    private let controller: AdminController

    public init(
        _ configuration: AdminConfiguration,
        sources: AdminSources,
        metrics: RelayMetrics,
        readiness: Readiness,
        clock: any RelayClock,
        logger: Logger
    ) {
        controller = AdminController(
            token: configuration.token, sources: sources, metrics: metrics, readiness: readiness,
            clock: clock, logger: logger)
        listener = HTTPListener(
            address: configuration.listen,
            tls: configuration.tls,
            bounds: HTTPListener.Bounds(
                requestTimeout: Self.requestTimeout,
                connectionsMax: Self.connectionsMax,
                drainBytesMax: 64 * 1024,
                shutdownTimeout: Self.shutdownTimeout
            ),
            clock: clock,
            logger: logger,
            onRefusedConnection: {}
        )
    }

    /// Where it really listens, once it does: the port that the system chose where the config says 0.
    public var boundAddress: ListenAddress {
        get async throws(ListenError) { try await listener.boundAddress }
    }

    /// Accepts this token from now on, and no other.
    public func accept(token: Secret) { controller.accept(token: token) }

    public func run() async throws {
        try await listener.run(onListening: {}) { exchange in
            await self.controller.answer(&exchange)
        }
    }
}
