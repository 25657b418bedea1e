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

    private let journal: any Journal
    private let clock: any RelayClock
    private let metrics: RelayMetrics
    private let readiness: Readiness
    private let answers: PendingAnswers

    init(journal: any Journal, clock: any RelayClock, metrics: RelayMetrics, readiness: Readiness) {
        self.journal = journal
        self.clock = clock
        self.metrics = metrics
        self.readiness = readiness
        answers = PendingAnswers(clock: clock)
    }

    /// Appends, and tells what is known when the journal is done or `patience` is over.
    func append(_ submission: Submission, hook: String, patience: Duration) async -> Result {
        let start = clock.now
        return await answers.answer(until: start + max(0, patience.nanoseconds)) { id in
            journal.append(submission) { answer in
                self.note(answer, hook: hook, took: .nanoseconds(max(0, self.clock.now - start)))
                self.answers.give(Result(answer), to: id)
            }
        }
    }

    /// Waits until the journal has answered for everything; called once no request can come any more.
    func finish() async { await answers.finish() }

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
}

extension JournalAppender.Result {
    init(_ answer: Swift.Result<AppendReceipt, JournalError>) {
        switch answer {
        case .success: self = .committed
        case .failure(let error): self = .failed(error)
        }
    }
}
