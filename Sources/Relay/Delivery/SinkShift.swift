import Logging
import ServiceLifecycle
import Synchronization

/// What an assignment's service group runs: a worker, and the next one with a new lease where the sink's
/// place in the journal was changed or a restart was asked for.
///
/// Only another relay's lease, a journal that is closed, and a stop end it.
final class SinkShift: Service {
    private struct State {
        var worker: SinkWorker?
        /// The journal may say something else of the sink than the lease at hand.
        var isStale = false
        /// Who waits for the next lease.
        var waiting: [OneShot<Bool>] = []
        var hasEnded = false
    }

    private let member: SinkFleet.Member
    private let predecessor: SinkAssignment?
    private let surroundings: SinkFleet.Surroundings
    private let state = Mutex(State())

    /// How long it waits before it asks the journal again for a lease.
    private static let journalRetry = Duration.seconds(1)

    init(
        _ member: SinkFleet.Member, after predecessor: SinkAssignment?,
        _ surroundings: SinkFleet.Surroundings
    ) {
        self.member = member
        self.predecessor = predecessor
        self.surroundings = surroundings
    }

    func run() async throws {
        await predecessor?.waitForEnd()
        var end = SinkWorker.End.stopped
        var standing: SinkWorker.Standing?
        var reason: String?
        while !isToStop {
            guard let lease = await newLease() else { break }
            let worker = worker(lease)
            guard begin(worker) else { continue }
            (end, standing) = await worker.serve(after: standing)
            let isStale = state.withLock { state in
                state.worker = nil
                return state.isStale
            }
            if case .shutOut(let error) = end {
                reason = error.reason
                break
            }
            guard isStale || end == .moved else { break }
        }
        await member.sink.shutdown()
        guard isToStop else { throw WorkerEnded(reason: reason) }
    }

    /// What ``SinkAssignment/restart()`` does.
    func restart() -> OneShot<Bool> {
        let begun = OneShot<Bool>()
        let worker = state.withLock { state in
            if state.hasEnded {
                begun.resolve(true)
            } else {
                state.isStale = true
                state.waiting.append(begun)
            }
            return state.worker
        }
        worker?.finish()
        return begun
    }

    /// No worker begins any more.
    func end() {
        let waiting = state.withLock { state in
            state.hasEnded = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for waiter in waiting { waiter.resolve(true) }
    }

    private var isToStop: Bool { Task.isShuttingDownGracefully || Task.isCancelled }

    /// False where a restart was asked for since the worker's lease was taken.
    private func begin(_ worker: SinkWorker) -> Bool {
        let waiting = state.withLock { state -> [OneShot<Bool>]? in
            if state.isStale { return nil }
            state.worker = worker
            defer { state.waiting = [] }
            return state.waiting
        }
        for waiter in waiting ?? [] { waiter.resolve(true) }
        return waiting != nil
    }

    private func worker(_ lease: SinkLease) -> SinkWorker {
        SinkWorker(
            sink: member.sink,
            journal: surroundings.journal,
            lease: lease,
            policy: member.policy,
            readAhead: surroundings.readAhead,
            clock: surroundings.clock,
            metrics: surroundings.metrics,
            board: surroundings.board,
            stopTimeout: surroundings.stopTimeout,
            logger: surroundings.logger
        )
    }

    /// Nil where it is told to stop before the journal gives the lease.
    private func newLease() async -> SinkLease? {
        while !isToStop {
            state.withLock { $0.isStale = false }
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
            await surroundings.clock.sleepUnlessStopping(for: Self.journalRetry)
        }
        return nil
    }
}
