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
/// 4. one `SinkWorker` per sink, run by the `SinkFleet`, reads the journal behind its cursor and delivers;
/// 5. the worker settles what became of each delivery in the journal.
///
/// `AdminServer` looks at all of it, `Operator` changes it at a person's word, `ReplayRunner` carries out
/// replays, and `ConfigReloader` exchanges parts of it on SIGHUP.
struct RelayService {
    let journal: SQLiteJournal
    let intake: IntakeServer
    let admin: AdminServer
    let fleet: SinkFleet
    let reloader: ConfigReloader
    let replays: ReplayRunner
    let sinks: SinkFactory
    let shutdownTimeout: Duration
    let logger: Logger

    /// Opens the journal and makes every part; nothing listens or delivers yet.
    ///
    /// - Parameter path: The config file, which the configuration was loaded from and reloads read again.
    static func build(
        _ configuration: RelayConfiguration, path: String, logger: Logger
    ) async throws -> RelayService {
        // First of all: from here on SIGHUP asks for a reload, and no longer ends the process.
        let hangups = await UnixSignalsSequence(trapping: .sighup)
        var server = configuration.server
        server.connectionsMax = try OpenFiles.connections(for: configuration, logger)
        let (clock, enabled) = (SystemClock(), configuration.enabledSinks)
        let metrics = RelayMetrics(
            version: RelayVersion.current,
            hooks: configuration.hooks.map(\.name),
            sinks: enabled.map(\.name),
            startedAt: clock.now
        )
        let board = SinkBoard()
        let readiness = Readiness(clock: clock)
        let journal = try await SQLiteJournal(configuration.journal, clock: clock, logger: logger)
        let inspection = try SQLiteJournalInspection(
            path: configuration.journal.path, sizeMax: configuration.journal.sizeMax)
        let fleet = SinkFleet(
            SinkFleet.Surroundings(
                journal: journal, clock: clock, metrics: metrics, board: board,
                stopTimeout: configuration.server.shutdownTimeout, logger: logger)
        )
        let factory = SinkFactory(clock: clock, logger: logger)
        let hands = Operator(
            journal: journal, inspection: inspection, settings: configuration.operatorSettings, clock: clock,
            logger: logger, restart: { await fleet.restart($0) })
        let members = try await factory.members(enabled)
        try await tellJournal(configuration, journal, inspection, hands, logger)
        await fleet.add(members)
        let live = LiveIntake(configuration.intakeSettings)
        let admin = AdminServer(
            configuration.admin,
            sources: AdminSources(journal: inspection, board: board, sinks: { fleet.sinks }, hands: hands),
            metrics: metrics,
            readiness: readiness,
            clock: clock,
            logger: logger
        )
        return RelayService(
            journal: journal,
            intake: IntakeServer(
                server: server,
                live: live,
                journal: journal,
                clock: clock,
                metrics: metrics,
                readiness: readiness,
                logger: logger
            ),
            admin: admin,
            fleet: fleet,
            reloader: ConfigReloader(
                path: path, initial: configuration, hangups: hangups, live: live, fleet: fleet,
                factory: factory, admin: admin, hands: hands,
                keep: { try await journal.keep($0, starts: $1) }, inspection: inspection, clock: clock,
                metrics: metrics, logger: logger
            ),
            replays: ReplayRunner(hands, logger: logger),
            sinks: factory,
            shutdownTimeout: configuration.server.shutdownTimeout,
            logger: logger
        )
    }

    /// Tells the journal which sinks there are, before intake starts, so that a new one misses nothing from
    /// then on; what waits for nobody is warned of.
    private static func tellJournal(
        _ configuration: RelayConfiguration, _ journal: SQLiteJournal, _ inspection: SQLiteJournalInspection,
        _ hands: Operator, _ logger: Logger
    ) async throws {
        let (sinks, now) = (configuration.enabledSinks, SystemClock().now)
        let starts = try await hands.starts(at: sinks.starts(now: now))
        SinkWarnings.log(try await journal.keep(configuration.sinkPolicies, starts: starts), logger)
        // Nothing comes before the rules name them.
        try await hands.endStarts(of: sinks.map(\.name))
        SinkWarnings.log(try await inspection.status(), configuration, at: now, logger)
        if let warning = DiskWarning.find(configuration.journal) { logger.warning("\(warning)") }
    }

    /// Runs until SIGTERM or SIGINT; then reloading stops first and intake next, then the workers, and the
    /// operator's side last.
    func run(onListening: @escaping @Sendable () -> Void) async throws {
        let services: [any Service] = [admin, replays, fleet, intake, reloader]
        var group = ServiceGroupConfiguration(
            services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        group.maximumGracefulShutdownDuration = shutdownTimeout * 4
        let serviceGroup = ServiceGroup(configuration: group)
        try await withThrowingDiscardingTaskGroup { tasks in
            tasks.addTask {
                _ = try await intake.boundAddress
                _ = try await admin.boundAddress
                onListening()
                // By then the sinks have been prepared, too.
                try? await SystemClock().sleep(for: .seconds(1))
                StartPages.giveBack()
            }
            try await serviceGroup.run()
            tasks.cancelAll()
        }
        await journal.close()
        await sinks.shutdown()
    }
}

extension RelayConfiguration {
    /// The sinks that are delivered to.
    var enabledSinks: [SinkConfiguration] { sinks.filter(\.isEnabled) }

    /// What requests go by.
    var intakeSettings: IntakeSettings {
        IntakeSettings(
            server: server, hooks: hooks, rules: RuleTable(rules, for: enabledSinks.map(\.name)))
    }

    /// What an operator's verbs go by.
    var operatorSettings: OperatorSettings {
        OperatorSettings(
            hooks: hooks, rules: RuleTable(rules, for: enabledSinks.map(\.name)), sinks: sinks)
    }
}

extension [SinkConfiguration] {
    /// Where those that name a beginning begin, in nanoseconds since 1970.
    func starts(now: Int64) -> [String: Int64] {
        var starts: [String: Int64] = [:]
        for sink in self { starts[sink.name] = sink.from?.nanoseconds(now: now) }
        return starts
    }
}

extension SinkFactory {
    /// Makes sinks for the fleet; where one cannot be made, none is.
    func members(_ configurations: [SinkConfiguration]) async throws(SinkError) -> [SinkFleet.Member] {
        var members: [SinkFleet.Member] = []
        do throws(SinkError) {
            for sink in configurations {
                members.append(SinkFleet.Member(sink: try make(sink), policy: sink.delivery))
            }
        } catch {
            for member in members { await member.sink.shutdown() }
            throw error
        }
        return members
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
