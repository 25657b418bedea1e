import Synchronization

/// Hands submissions to the journal and waits for each no longer than its request can.
///
/// Okta gives up after 3 s and tries once more, so an answer must go out before that; but what was handed to
/// the journal is committed all the same, and known as a duplicate when it comes again.
final class JournalAppender: Sendable {
    /// What came of a submission in the time there was.
    enum Result: Sendable, Equatable {
        case committed
        case failed(JournalError)
        /// Not known yet.
        case late
    }

    private struct Pending {
        var nextID = 0
        var tasks: [Int: Task<Void, Never>] = [:]
        var finished: Set<Int> = []
    }

    private let journal: any Journal
    private let clock: any RelayClock
    private let metrics: RelayMetrics
    private let readiness: Readiness
    private let deadlines: Deadlines
    private let pending = Mutex(Pending())

    init(journal: any Journal, clock: any RelayClock, metrics: RelayMetrics, readiness: Readiness) {
        self.journal = journal
        self.clock = clock
        self.metrics = metrics
        self.readiness = readiness
        deadlines = Deadlines(clock: clock)
    }

    /// Appends, and tells what is known when the journal is done or `patience` is over.
    func append(_ submission: Submission, hook: String, patience: Duration) async -> Result {
        let result = OneShot<Result>()
        let deadline = deadlines.add(after: patience) { result.resolve(.late) }
        defer { deadlines.remove(deadline) }
        start(submission, hook: hook, result)
        return await result.value
    }

    /// Waits for every append that was started; called once no request can come any more.
    func finish() async {
        while let task = pending.withLock({ $0.tasks.values.first }) { await task.value }
        deadlines.stop()
    }

    private func start(_ submission: Submission, hook: String, _ result: OneShot<Result>) {
        let id = pending.withLock { pending in
            pending.nextID += 1
            return pending.nextID
        }
        // Outlives its request where the journal is slow; `finish()` awaits it when the intake stops.
        let task = Task {
            result.resolve(await commit(submission, hook: hook))
            pending.withLock { pending in
                if pending.tasks.removeValue(forKey: id) == nil { pending.finished.insert(id) }
            }
        }
        pending.withLock { pending in
            if pending.finished.remove(id) == nil { pending.tasks[id] = task }
        }
    }

    private func commit(_ submission: Submission, hook: String) async -> Result {
        let start = clock.now
        do {
            let receipt = try await journal.append(submission)
            metrics.appended(hook: hook, receipt, took: .nanoseconds(max(0, clock.now - start)))
            readiness.committed()
            return .committed
        } catch {
            metrics.appendFailed(hook: hook)
            readiness.failedToCommit(error.reason)
            return .failed(error)
        }
    }
}
