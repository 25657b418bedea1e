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
        var count = 0
        /// Who waits for the count to be 0.
        var waiting: [CheckedContinuation<Void, Never>] = []
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

    /// Waits until the journal has answered for everything; called once no request can come any more.
    func finish() async {
        await withCheckedContinuation { continuation in
            let isDone = pending.withLock { pending in
                if pending.count > 0 { pending.waiting.append(continuation) }
                return pending.count == 0
            }
            if isDone { continuation.resume() }
        }
        deadlines.stop()
    }

    private func start(_ submission: Submission, hook: String, _ result: OneShot<Result>) {
        pending.withLock { $0.count += 1 }
        let start = clock.now
        journal.append(submission) { answer in
            self.note(answer, hook: hook, took: .nanoseconds(max(0, self.clock.now - start)))
            result.resolve(Result(answer))
            self.end()
        }
    }

    private func note(
        _ answer: Swift.Result<AppendReceipt, JournalError>, hook: String, took: Duration
    ) {
        switch answer {
        case .success(let receipt):
            metrics.appended(hook: hook, receipt, took: took)
            readiness.committed()
        case .failure(let error):
            metrics.appendFailed(hook: hook)
            readiness.failedToCommit(error.reason)
        }
    }

    private func end() {
        let waiting = pending.withLock { pending -> [CheckedContinuation<Void, Never>] in
            pending.count -= 1
            guard pending.count == 0 else { return [] }
            defer { pending.waiting = [] }
            return pending.waiting
        }
        for continuation in waiting { continuation.resume() }
    }
}

extension JournalAppender.Result {
    init(_ answer: Swift.Result<AppendReceipt, JournalError>) {
        switch answer {
        case .success: self = .committed
        case .failure(let error): self = .failed(error)
        }
    }
}
