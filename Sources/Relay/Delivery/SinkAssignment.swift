import Logging
import ServiceLifecycle

/// One sink with the one worker that serves it, from its lease to its end.
///
/// The worker runs in a service group of its own, so that it can be stopped gracefully while others go on; a
/// graceful shutdown of the whole relay reaches it too.
final class SinkAssignment: Sendable {
    let member: SinkFleet.Member
    /// Whose end it waits for before it leases the sink.
    let predecessor: SinkAssignment?
    private let group: ServiceGroup
    private let ended = OneShot<Void>()
    /// True where it ended while it was waited for.
    private let endedInTime = OneShot<Bool>()

    var name: String { member.sink.name }

    /// - Parameter lease: The sink's; nil takes it when the predecessor has ended.
    init(
        _ member: SinkFleet.Member, lease: SinkLease?, after predecessor: SinkAssignment?,
        _ surroundings: SinkFleet.Surroundings
    ) {
        self.member = member
        self.predecessor = predecessor
        var quiet = surroundings.logger
        quiet.logLevel = max(quiet.logLevel, .critical)
        group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [
                    ServiceGroupConfiguration.ServiceConfiguration(
                        service: Watch(
                            member: member, lease: lease, predecessor: predecessor, surroundings: surroundings
                        ),
                        successTerminationBehavior: .gracefullyShutdownGroup,
                        failureTerminationBehavior: .cancelGroup
                    )
                ],
                logger: quiet
            )
        )
    }

    /// Serves the sink until it is stopped.
    ///
    /// - Parameter onEnd: Called before anybody who waits for the end goes on.
    /// - Throws: ``WorkerEnded`` where the worker ended without being stopped.
    func run(onEnd: () -> Void) async throws {
        defer {
            onEnd()
            ended.resolve(())
            endedInTime.resolve(true)
        }
        try await group.run()
    }

    /// Tells the worker to finish what is in flight, also where it has not begun yet; does not wait for it.
    func stop() async { await group.triggerGracefulShutdown() }

    /// Waits until ``run()`` has returned.
    func waitForEnd() async { await ended.value }

    /// The same, but no longer than until ``giveUpWaiting()``; tells whether it has ended.
    func waitForEndInTime() async -> Bool { await endedInTime.value }

    /// Lets those who wait in time go on.
    func giveUpWaiting() { endedInTime.resolve(false) }
}

/// A worker came to its end without being told to.
struct WorkerEnded: Error, CustomStringConvertible {
    let description = "its worker has ended"
}

/// What an assignment's service group runs.
private struct Watch: Service {
    let member: SinkFleet.Member
    let lease: SinkLease?
    let predecessor: SinkAssignment?
    let surroundings: SinkFleet.Surroundings

    /// How long it waits before it asks the journal again for a lease.
    private static let journalRetry = Duration.seconds(1)

    func run() async throws {
        await predecessor?.waitForEnd()
        guard let lease = await leased() else { return await member.sink.shutdown() }
        let worker = SinkWorker(
            sink: member.sink,
            journal: surroundings.journal,
            lease: lease,
            retry: member.retry,
            clock: surroundings.clock,
            metrics: surroundings.metrics,
            board: surroundings.board,
            stopTimeout: surroundings.stopTimeout,
            logger: surroundings.logger
        )
        try await worker.run()
        guard Task.isShuttingDownGracefully || Task.isCancelled else { throw WorkerEnded() }
    }

    /// Nil where it is told to stop before the journal gives the lease.
    private func leased() async -> SinkLease? {
        if let lease { return lease }
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            do throws(JournalError) {
                return try await surroundings.journal.lease(member.sink.name)
            } catch {
                surroundings.logger.error(
                    "the journal gives no lease; nothing is delivered to the sink meanwhile",
                    metadata: ["sink": "\(member.sink.name)", "reason": "\(error.reason)"]
                )
                if error == .closed { return nil }
            }
            // A stop ends the pause, and the loop sees it.
            try? await cancelWhenGracefulShutdown {
                try await surroundings.clock.sleep(for: Self.journalRetry)
            }
        }
        return nil
    }
}
