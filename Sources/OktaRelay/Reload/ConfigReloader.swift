import Config
import Logging
import Relay
import ServiceLifecycle
import Sinks
import UnixSignals

/// Reads the config file again on SIGHUP: a valid one is swapped in whole, an invalid one changes nothing.
///
/// The order makes the swap one moment for every event, and lets nothing fail once anything has changed:
/// 1. a sink whose name changes finishes what is in flight, and the journal is told of all sinks: it knows
///    that one by its new name, and those that are new, so that they miss nothing that the new rules send
///    them; where it cannot take that, it stays as it was, the sink goes on by the old name, and the reload
///    ends;
/// 2. sinks that are new begin, and those that changed finish what is in flight and come back with their new
///    settings, so that none with old settings meets an event that the new rules sent;
/// 3. hooks, rules and limits are exchanged, in one value;
/// 4. what a new sink begins with ends where the new rules begin to send it what comes: behind the last
///    request that went by the old ones;
/// 5. sinks that no rule can name any more finish what is in flight and go.
struct ConfigReloader: Service {
    let path: String
    /// What the relay was started with.
    let initial: RelayConfiguration
    let hangups: UnixSignalsSequence
    let live: LiveIntake
    let fleet: SinkFleet
    let factory: SinkFactory
    let admin: AdminServer
    let hands: Operator
    /// Tells the journal of sinks: which there are, how long it holds what waits for each, what they were
    /// called, and what new ones begin with.
    let keep: @Sendable ([SinkPolicy], [ReplayRequest]) async throws -> [String: String]
    let inspection: any JournalInspection
    let clock: any RelayClock
    let metrics: RelayMetrics
    let logger: Logger

    func run() async throws {
        var running = initial
        for await _ in hangups.cancelOnGracefulShutdown() { running = await reload(running) }
    }

    /// What runs afterwards: the file's configuration, or the one that ran before.
    func reload(_ running: RelayConfiguration) async -> RelayConfiguration {
        guard let loaded = load() else { return running }
        let (next, unchangeable) = loaded.keepingWhatNeedsARestart(of: running)
        if !unchangeable.isEmpty {
            logger.warning(
                "these keys have changed and need a restart; the rest of the file is taken over",
                metadata: ["keys": "\(unchangeable.joined(separator: ", "))"]
            )
        }
        let change = SinkChange(from: running.sinks, to: next.sinks, delivering: fleet.delivering)
        do {
            try await swap(running, next, change)
        } catch let error as SinkError {
            return refuse(error.reason, running)
        } catch let error as JournalError {
            return refuse("the journal cannot store it: \(error.reason)", running)
        } catch {
            return refuse("\(error)", running)
        }
        if let status = try? await inspection.status() {
            SinkWarnings.log(status, next, at: clock.now, logger)
        }
        return next
    }

    private func load() -> RelayConfiguration? {
        let outcome = ConfigLoader().load(path: path)
        for issue in outcome.issues {
            logger.log(level: issue.severity == .error ? .error : .warning, "\(issue)")
        }
        if outcome.configuration == nil {
            logger.error(
                "the config file was not taken over: nothing has changed",
                metadata: ["file": "\(path)", "errors": "\(outcome.errors.count)"])
        }
        return outcome.configuration
    }

    private func refuse(_ reason: String, _ running: RelayConfiguration) -> RelayConfiguration {
        logger.error(
            "the config file was not taken over: nothing has changed",
            metadata: ["file": "\(path)", "reason": "\(reason)"])
        return running
    }

    /// Where the journal cannot commit, those sinks get what comes, and the rest after a later reload.
    private func endStarts(of sinks: [String], onceLeft isLeft: @Sendable () async -> Void) async {
        do {
            try await hands.endStarts(of: sinks, onceLeft: isLeft)
        } catch {
            logger.error(
                "what new sinks are to begin with waits for another reload",
                metadata: ["reason": "\(error.reason)"])
        }
    }

    private func swap(
        _ running: RelayConfiguration, _ next: RelayConfiguration, _ change: SinkChange
    ) async throws {
        let settings = next.intakeSettings
        // All that can fail comes first, and changes nothing.
        let members = try await factory.members(change.added + change.changed)
        do {
            try await tellJournal(running, next, change.removed)
        } catch {
            for member in members { await member.sink.shutdown() }
            throw error
        }
        let formers = change.added.compactMap { sink in sink.renamedFrom.map { (sink.name, $0) } }
        await fleet.add(members, formers: Dictionary(formers) { first, _ in first })
        let isLeft = live.swap(settings)
        await endStarts(of: next.enabledSinks.map(\.name), onceLeft: isLeft)
        hands.swap(next.operatorSettings)
        admin.accept(token: next.admin.token)
        metrics.show(hooks: next.hooks.map(\.name), changedSecrets: running.hooksWithOtherSecrets(than: next))
        logger.notice(
            "the config file was taken over",
            metadata: [
                "file": "\(path)", "sinksAdded": "\(change.added.map(\.name))",
                "sinksChanged": "\(change.changed.map(\.name))", "sinksRemoved": "\(change.removed)",
            ]
        )
        await fleet.remove(change.removed)
    }

    /// Tells the journal what the file says of sinks; one whose name changes has no worker meanwhile.
    ///
    /// Where the journal cannot take it, those sinks go on as before.
    private func tellJournal(
        _ running: RelayConfiguration, _ next: RelayConfiguration, _ removed: [String]
    ) async throws {
        let starts = try await hands.starts(at: next.enabledSinks.starts(now: clock.now))
        let formers = next.sinks.compactMap(\.renamedFrom).filter(removed.contains)
        // Made while the workers are there: without them nothing may fail.
        let asBefore = try await factory.members(running.sinks.filter { formers.contains($0.name) })
        await fleet.remove(formers)
        do {
            SinkWarnings.log(try await keep(next.sinkPolicies, starts), logger)
        } catch {
            await fleet.add(asBefore)
            throw error
        }
        for member in asBefore { await member.sink.shutdown() }
    }
}
