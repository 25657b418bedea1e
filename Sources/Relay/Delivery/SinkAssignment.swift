import Logging
import ServiceLifecycle

/// One sink with the workers that serve it, one after another, from its first lease to its end.
///
/// They run in a service group of its own, so that it can be stopped gracefully while others go on; a
/// graceful shutdown of the whole relay reaches them too.
final class SinkAssignment: Sendable {
    let member: SinkFleet.Member
    /// Whose end it waits for before it leases the sink.
    let predecessor: SinkAssignment?
    private let group: ServiceGroup
    private let shift: SinkShift
    private let ended = OneShot<Void>()
    /// True once it has ended; false where somebody who waited for that gave up before.
    let endedInTime = OneShot<Bool>()

    var name: String { member.sink.name }

    /// - Parameter predecessor: Nil leases the sink at once.
    init(
        _ member: SinkFleet.Member, after predecessor: SinkAssignment?,
        _ surroundings: SinkFleet.Surroundings
    ) {
        self.member = member
        self.predecessor = predecessor
        shift = SinkShift(member, after: predecessor, surroundings)
        var quiet = surroundings.logger
        quiet.logLevel = max(quiet.logLevel, .critical)
        group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [
                    ServiceGroupConfiguration.ServiceConfiguration(
                        service: shift,
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
            shift.end()
            ended.resolve(())
            endedInTime.resolve(true)
        }
        try await group.run()
    }

    /// Tells the worker to finish what is in flight, also where it has not begun yet; does not wait for it.
    func stop() async { await group.triggerGracefulShutdown() }

    /// Waits until ``run()`` has returned.
    func waitForEnd() async { await ended.value }

    /// Has its worker finish what is in flight and the next one begin with a new lease.
    ///
    /// - Returns: True once that is so, or the assignment has ended.
    func restart() -> OneShot<Bool> { shift.restart() }
}

/// A worker came to its end without being told to.
struct WorkerEnded: Error, CustomStringConvertible {
    /// Why, where the journal has said it.
    let reason: String?

    var description: String { "its worker has ended" + (reason.map { ": \($0)" } ?? "") }
}
