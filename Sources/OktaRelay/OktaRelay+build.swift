import Config
import Logging
import Relay
import Rules
import ServiceLifecycle
import Sinks
import UnixSignals

/// The relay, put together: start reading here.
///
/// An event's way through it:
/// 1. `IntakeServer` takes Okta's request, authenticates it and splits it into events;
/// 2. `RuleTable` names the sinks of each event;
/// 3. `SQLiteJournal` commits events and routes durably, and only then Okta gets its 200;
/// 4. one `SinkWorker` per sink reads the journal behind its cursor and delivers;
/// 5. the worker settles what became of each delivery in the journal.
///
/// `AdminServer` looks at all of it.
struct RelayService {
    let journal: SQLiteJournal
    let intake: IntakeServer
    let admin: AdminServer
    let workers: [SinkWorker]
    let sinks: SinkFactory
    let shutdownTimeout: Duration
    let logger: Logger

    /// Opens the journal and makes every part; nothing listens or delivers yet.
    static func build(_ configuration: RelayConfiguration, logger: Logger) async throws -> RelayService {
        let clock = SystemClock()
        let enabled = configuration.sinks.filter(\.isEnabled)
        let metrics = RelayMetrics(
            version: RelayVersion.current,
            hooks: configuration.hooks.map(\.name),
            sinks: enabled.map(\.name),
            startedAt: clock.now
        )
        let board = SinkBoard()
        let readiness = Readiness(clock: clock)
        let journal = try await SQLiteJournal(
            path: configuration.journal.path, retention: configuration.journal.retention, clock: clock,
            logger: logger)
        let factory = SinkFactory(clock: clock, logger: logger)
        let sinks = try enabled.map { try factory.make($0) }
        var workers: [SinkWorker] = []
        for (sink, settings) in zip(sinks, enabled) {
            // Leased before intake starts, so that a new sink misses nothing from then on.
            workers.append(
                SinkWorker(
                    sink: sink,
                    journal: journal,
                    lease: try await journal.lease(sink.name),
                    retry: settings.retry,
                    clock: clock,
                    metrics: metrics,
                    board: board,
                    stopTimeout: configuration.server.shutdownTimeout,
                    logger: logger
                )
            )
        }
        return RelayService(
            journal: journal,
            intake: IntakeServer(
                server: configuration.server,
                hooks: configuration.hooks,
                journal: journal,
                rules: LiveRuleTable(RuleTable(configuration.rules, for: enabled.map(\.name))),
                clock: clock,
                metrics: metrics,
                readiness: readiness,
                logger: logger
            ),
            admin: AdminServer(
                configuration.admin,
                sources: AdminSources(
                    journal: try SQLiteJournalInspection(path: configuration.journal.path),
                    board: board,
                    sinks: sinks
                ),
                metrics: metrics,
                readiness: readiness,
                clock: clock,
                logger: logger
            ),
            workers: workers,
            sinks: factory,
            shutdownTimeout: configuration.server.shutdownTimeout,
            logger: logger
        )
    }

    /// Runs until SIGTERM or SIGINT; then intake stops first, the workers next, the operator's side last.
    func run(onListening: @escaping @Sendable () -> Void) async throws {
        let services: [any Service] = [admin] + workers + [intake]
        var group = ServiceGroupConfiguration(
            services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        group.maximumGracefulShutdownDuration = shutdownTimeout * 3
        let serviceGroup = ServiceGroup(configuration: group)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await serviceGroup.run() }
            tasks.addTask {
                _ = try await intake.boundAddress
                _ = try await admin.boundAddress
                onListening()
            }
            try await tasks.waitForAll()
        }
        await journal.close()
        await sinks.shutdown()
    }
}

extension RuleTable {
    /// The table without the sinks that are disabled: what names only those routes nowhere.
    init(_ rules: [Rule], for enabled: [String]) {
        self.init(
            rules.map { rule in
                var rule = rule
                rule.sinks.removeAll { !enabled.contains($0) }
                return rule
            }
        )
    }
}
