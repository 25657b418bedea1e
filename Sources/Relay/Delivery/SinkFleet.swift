public import Config
public import Logging
public import ServiceLifecycle
import Synchronization

/// Runs a worker for each sink, and exchanges sinks while the others go on.
///
/// A sink has one worker at a time: a new one leases the sink only after the one before it has ended, so a
/// user's events stay in order and nothing is delivered by two. A worker that ends by itself is logged and
/// shown on the board; it takes nobody with it. May be used from any thread, by one caller at a time for each
/// sink.
public final class SinkFleet: Service {
    /// A sink and what its worker has to know about it.
    public struct Member: Sendable {
        public let sink: any Sink
        public let policy: DeliveryPolicy

        public init(sink: any Sink, policy: DeliveryPolicy = DeliveryPolicy()) {
            self.sink = sink
            self.policy = policy
        }
    }

    /// What all workers use.
    public struct Surroundings: Sendable {
        public var journal: any Journal
        public var clock: any RelayClock
        public var metrics: RelayMetrics
        public var board: SinkBoard
        /// How long a stop waits for deliveries in flight.
        public var stopTimeout: Duration
        public var logger: Logger
        /// Shared by all workers of these surroundings.
        let readAhead = ReadAheadBudget()

        public init(
            journal: any Journal, clock: any RelayClock, metrics: RelayMetrics, board: SinkBoard,
            stopTimeout: Duration, logger: Logger
        ) {
            self.journal = journal
            self.clock = clock
            self.metrics = metrics
            self.board = board
            self.stopTimeout = stopTimeout
            self.logger = logger
        }
    }

    private struct State {
        /// The sinks that are delivered to, by name.
        var members: [String: SinkAssignment] = [:]
        /// Each sink's last worker, until it has ended; also that of a sink that is no member any more.
        var unended: [String: SinkAssignment] = [:]
        var isClosed = false
    }

    private let surroundings: Surroundings
    private let state = Mutex(State())
    private let arrivals = AsyncStream<SinkAssignment>.makeStream()

    /// What is added to `stopTimeout` before a stopping worker is no longer waited for.
    ///
    /// A call into a database cannot be cancelled, so a worker may outlive its own deadline.
    private static let grace = Duration.seconds(5)

    public init(_ surroundings: Surroundings) { self.surroundings = surroundings }

    /// The sinks that are delivered to now.
    public var sinks: [any Sink] { state.withLock { $0.members.values.map(\.member.sink) } }

    /// The names of members whose worker is there: it may wait for its destination, but it has not ended.
    public var delivering: Set<String> {
        state.withLock { state in
            Set(state.members.filter { state.unended[$0.key] === $0.value }.keys)
        }
    }

    // MARK: - Changing the fleet

    /// Takes sinks in; where one of the same name is there, it takes over once that has finished what is in
    /// flight.
    ///
    /// It waits for that as long as a stop may take; the worker of a sink that is not done by then starts
    /// when it is. Nothing of it can fail, and the journal must know the sinks, so that they miss nothing
    /// until they are leased: a worker asks for its lease until the journal gives it.
    ///
    /// - Parameter formers: What sinks were called before, by their names; others keep theirs.
    public func add(_ members: [Member], formers: [String: String] = [:]) async {
        let assignments = members.map { member in
            let name = member.sink.name
            let predecessor = state.withLock { state in
                state.unended[name] ?? formers[name].flatMap { state.unended[$0] }
            }
            return SinkAssignment(member, after: predecessor, surroundings)
        }
        for assignment in assignments { await start(assignment) }
        await stop(assignments.compactMap(\.predecessor))
    }

    /// Has sinks go on as the journal says now: paused, resumed, or at another place.
    ///
    /// It waits until what was in flight is finished, as long as a stop may take, also at a sink that was
    /// taken out. Names of sinks without a worker are left out.
    ///
    /// - Returns: Those that are not done by then; what they were told holds when they are.
    @discardableResult
    public func restart(_ names: [String]) async -> [String] {
        let working = state.withLock { state in
            names.compactMap { state.members[$0] ?? state.unended[$0] }
        }
        return await wait(
            for: working.map { ($0.name, $0.restart()) }, saying: "what it was told holds when it is done")
    }

    /// Takes sinks out, and waits until their deliveries in flight are finished, as long as a stop may take.
    ///
    /// No rule may name them any more; what waits for them stays in the journal.
    public func remove(_ names: [String]) async {
        let leaving = state.withLock { state in
            for name in names { state.members[name] = nil }
            shareMemory(among: state.members)
            return names.compactMap { state.unended[$0] }
        }
        await stop(leaving)
        for name in names { forgetUnlessKnown(name) }
    }

    private func shareMemory(among members: [String: SinkAssignment]) {
        surroundings.readAhead.share(among: members.values.count { $0.member.sink.limits.foldsUsers })
    }

    private func start(_ assignment: SinkAssignment) async {
        let isClosed = state.withLock { state in
            guard !state.isClosed else { return true }
            state.members[assignment.name] = assignment
            shareMemory(among: state.members)
            state.unended[assignment.name] = assignment
            // Under the lock, so that nothing comes behind the end of the stream.
            arrivals.continuation.yield(assignment)
            return false
        }
        if isClosed { return await assignment.member.sink.shutdown() }
        surroundings.metrics.add(sink: assignment.name)
    }

    private func stop(_ assignments: [SinkAssignment]) async {
        for assignment in assignments { await assignment.stop() }
        await wait(
            for: assignments.map { ($0.name, $0.endedInTime) },
            saying: "its new settings begin when it is done")
    }

    /// Waits for workers to end, but no longer than a stop may take.
    ///
    /// - Returns: Whose have not ended by then.
    @discardableResult
    private func wait(
        for ends: [(name: String, isReached: OneShot<Bool>)], saying consequence: String
    ) async -> [String] {
        guard !ends.isEmpty else { return [] }
        return await withTaskGroup(of: Void.self) { group in
            group.addTask { [surroundings] in
                // Cancelled where all ended in time; the answers are known then.
                try? await surroundings.clock.sleep(for: surroundings.stopTimeout + Self.grace)
                for end in ends { end.isReached.resolve(false) }
            }
            var unended: [String] = []
            for end in ends where await !end.isReached.value {
                unended.append(end.name)
                surroundings.logger.warning(
                    "a sink is still finishing what is in flight; \(consequence)",
                    metadata: ["sink": "\(end.name)"]
                )
            }
            group.cancelAll()
            return unended
        }
    }

    // MARK: - Running

    /// Runs the workers until a graceful shutdown, and then until each has finished what is in flight.
    public func run() async throws {
        await withGracefulShutdownHandler {
            await withDiscardingTaskGroup { group in
                for await assignment in arrivals.stream {
                    group.addTask { await self.run(assignment) }
                }
            }
        } onGracefulShutdown: {
            self.close()
        }
        close()
    }

    private func close() {
        state.withLock { state in
            state.isClosed = true
            arrivals.continuation.finish()
        }
    }

    private func run(_ assignment: SinkAssignment) async {
        do {
            try await assignment.run { self.leave(assignment) }
        } catch  where !Task.isCancelled {
            report(assignment, reason: "\(error)")
        } catch {
            // Cancelled with everything else.
        }
    }

    /// The assignment's worker has ended.
    private func leave(_ assignment: SinkAssignment) {
        state.withLock { state in
            if state.unended[assignment.name] === assignment { state.unended[assignment.name] = nil }
        }
        forgetUnlessKnown(assignment.name)
    }

    private func report(_ assignment: SinkAssignment, reason: String) {
        let (name, surroundings) = (assignment.name, surroundings)
        guard state.withLock({ $0.members[name] === assignment }) else { return }
        surroundings.logger.error(
            "nothing is delivered to a sink any more; a reload starts it again",
            metadata: ["sink": "\(name)", "reason": "\(reason)"]
        )
        surroundings.metrics.breaker(sink: name, .ended)
        surroundings.board.update(
            name,
            LiveSinkState(
                state: .ended,
                reason: "\(reason); reload the config to start it again",
                since: surroundings.clock.now
            )
        )
    }

    /// Takes a sink that is gone off the board and out of the metrics.
    private func forgetUnlessKnown(_ name: String) {
        let isKnown = state.withLock { $0.members[name] != nil || $0.unended[name] != nil }
        guard !isKnown else { return }
        surroundings.board.remove(name)
        surroundings.metrics.remove(sink: name)
    }
}
