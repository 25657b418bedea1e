public import Config
public import Logging
public import ServiceLifecycle

/// The public side: takes Okta's event-hook calls over HTTP or HTTPS, up to the journal.
///
/// A graceful stop makes the relay unready at once, refuses new connections, lets requests under way finish
/// within `server.shutdownTimeout`, and ends when the journal has answered for everything that was handed to
/// it.
public final class IntakeServer: Service {
    private let listener: HTTPListener
    private let controller: EventHookController
    private let appender: JournalAppender
    private let readiness: Readiness

    /// - Parameters:
    ///   - server: What is fixed when the listener binds.
    ///   - live: What a reload may change.
    public init(
        server: ServerConfiguration,
        live: LiveIntake,
        journal: any Journal,
        clock: any RelayClock,
        metrics: RelayMetrics,
        readiness: Readiness,
        logger: Logger
    ) {
        self.readiness = readiness
        appender = JournalAppender(journal: journal, clock: clock, metrics: metrics, readiness: readiness)
        controller = EventHookController(
            live: live, appender: appender, clock: clock, metrics: metrics, logger: logger)
        listener = HTTPListener(
            address: server.listen,
            tls: server.tls,
            bounds: HTTPListener.Bounds(
                requestTimeout: server.requestTimeout,
                connectionsMax: server.connectionsMax,
                drainBytesMax: server.bodyBytesMax,
                shutdownTimeout: server.shutdownTimeout
            ),
            clock: clock,
            logger: logger,
            onRefusedConnection: { metrics.connectionRefused() }
        )
    }

    /// Where it really listens, once it does: the port that the system chose where the config says 0.
    public var boundAddress: ListenAddress {
        get async throws(ListenError) { try await listener.boundAddress }
    }

    public func run() async throws {
        defer { readiness.stopping() }
        try await withGracefulShutdownHandler {
            try await listener.run(onListening: { self.readiness.started() }) { exchange in
                try await self.controller.answer(&exchange)
            }
        } onGracefulShutdown: {
            self.readiness.stopping()
        }
        await appender.finish()
    }
}
