extension SQLiteJournal: JournalOperations {
    public func pause(_ sink: String, reason: String) async throws(JournalError) -> Bool {
        let now = clock.now
        return try await committer.commit { try $0.pause(sink, reason: reason, at: now) }
    }

    public func resume(_ sink: String) async throws(JournalError) -> ResumeReport? {
        let now = clock.now
        return try await committer.commit { try $0.resume(sink, at: now) }
    }

    public func seek(
        _ sink: String, to offset: Offset, reason: String
    ) async throws(JournalError) -> SeekReport? {
        let now = clock.now
        return try await committer.commit { try $0.seek(sink, to: offset, reason: reason, at: now) }
    }

    /// Steps of a drop, each a transaction, that one call takes.
    private static let dropStepsMax = 4

    public func drop(
        _ sink: String, isForced: Bool, deadLetters: Int
    ) async throws(JournalError) -> DropReport? {
        let now = clock.now
        var gone = (rows: 0, deadLetters: deadLetters)
        for _ in 0..<Self.dropStepsMax {
            guard let some = try await committer.commit({ try $0.dropStep(sink, isForced: isForced) }) else {
                let before = gone.deadLetters
                return try await committer.commit {
                    try $0.drop(sink, isForced: isForced, deadLetters: before, at: now)
                }
            }
            gone.rows += some.rows
            gone.deadLetters += some.deadLetters
        }
        return DropReport(isDropped: false, waiting: 0, deadLetters: gone.deadLetters, deleted: gone.rows)
    }

    public func redrive(
        _ filter: DeadLetterFilter, _ step: OperationStep, sinks: Set<String>
    ) async throws(JournalError) -> StepReport {
        let now = clock.now
        return try await committer.commit { try $0.redrive(filter, step, sinks: sinks, at: now) }
    }

    public func discard(
        _ filter: DeadLetterFilter, _ step: OperationStep
    ) async throws(JournalError) -> StepReport {
        let now = clock.now
        return try await committer.commit { try $0.discard(filter, step, at: now) }
    }

    public func resubmit(
        _ filter: QuarantineFilter, _ step: OperationStep,
        judge: @escaping @Sendable (QuarantineRecord) -> Judgement
    ) async throws(JournalError) -> StepReport {
        let now = clock.now
        return try await committer.commit { try $0.resubmit(filter, step, judge: judge, at: now) }
    }

    public func begin(_ replay: ReplayRequest) async throws(JournalError) -> Replay {
        let now = clock.now
        return try await committer.commit { try $0.begin(replay, id: "replay", at: now) }
    }

    public func enroll(_ replay: ReplayRequest) async throws(JournalError) {
        let now = clock.now
        try await committer.commit { try $0.enroll(replay, at: now) }
    }

    public func endStarts(of sinks: [String]) async throws(JournalError) {
        try await committer.commit { try $0.endStarts(of: sinks) }
    }

    public func advance(_ replay: Replay, by step: ReplayStep) async throws(JournalError) -> Bool {
        let now = clock.now
        return try await committer.commit { try $0.advance(replay, by: step, at: now) }
    }

    public func cancel(replay id: String) async throws(JournalError) -> Bool {
        let now = clock.now
        return try await committer.commit { try $0.cancel(replay: id, at: now) }
    }
}
