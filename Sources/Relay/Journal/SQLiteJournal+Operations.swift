import GRDB

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
        return try await surveyed(sink, to: offset.rawValue) { writer, survey, looksMax in
            try writer.seek(sink, to: offset, by: survey, looksMax: looksMax, reason: reason, at: now)
        }
    }

    /// Steps of a drop, each a transaction, that one call takes.
    private static let dropStepsMax = 8

    public func drop(_ sink: String, isForced: Bool) async throws(JournalError) -> DropReport? {
        let now = clock.now
        var deleted = 0
        var report: DropReport?
        for _ in 0..<Self.dropStepsMax {
            report = try await committer.commit { try $0.dropStep(sink, isForced: isForced, at: now) }
            guard let some = report?.deleted else {
                return try await surveyed(sink, to: .max) { writer, survey, looksMax in
                    try writer.drop(sink, isForced: isForced, by: survey, looksMax: looksMax, at: now)
                }
            }
            deleted += some
        }
        report?.deleted = deleted
        return report
    }

    public func redrive(
        _ filter: DeadLetterFilter, _ step: OperationStep, sinks: Set<String>
    ) async throws(JournalError) -> StepReport {
        let now = clock.now
        let extent = try await extent(step, filter.extent)
        return try await committer.commit { try $0.redrive(filter, step, extent, sinks: sinks, at: now) }
    }

    public func discard(
        _ filter: DeadLetterFilter, _ step: OperationStep
    ) async throws(JournalError) -> StepReport {
        let now = clock.now
        let extent = try await extent(step, filter.extent)
        return try await committer.commit { try $0.discard(filter, step, extent, at: now) }
    }

    public func resubmit(
        _ filter: QuarantineFilter, _ step: OperationStep,
        judge: @escaping @Sendable (QuarantineRecord) -> Judgement
    ) async throws(JournalError) -> StepReport {
        let now = clock.now
        let extent = try await extent(step, filter.extent)
        return try await committer.commit { try $0.resubmit(filter, step, extent, judge: judge, at: now) }
    }

    public func begin(
        _ replay: ReplayRequest, through last: Offset? = nil
    ) async throws(JournalError) -> Replay {
        let now = clock.now
        return try await committer.commit { try $0.begin(replay, id: "replay", last: last, at: now) }
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

extension SQLiteJournal {
    /// Counts what lies between a sink's place and an offset, and then has the writer do something with it.
    ///
    /// Counting is done on a thread and a connection of its own and changes nothing; all that happens,
    /// happens in the writer's one transaction. Where the sink has moved on too far meanwhile, it is counted
    /// again, and where it does so again and again, the writer looks itself.
    ///
    /// - Parameter body: Its last argument is how many offsets it may look at.
    /// - Returns: Nil where the journal does not know the sink.
    private func surveyed<T: Sendable>(
        _ sink: String, to target: Int64,
        _ body: @escaping @Sendable (JournalWriter, WaitingSurvey, Int64) throws -> T?
    ) async throws(JournalError) -> T? {
        let hold = SurveyHold(behind: target)
        defer { withExtendedLifetime(hold) {} }
        // Weakly, so that it ends with this call.
        try await committer.commit { [weak hold] writer in
            if let hold { writer.keep(hold) }
        }
        for attempt in 1... {
            guard let survey = try await survey(sink, to: target) else { return nil }
            let looksMax = attempt < Self.surveysMax ? WaitingSurvey.stretchMax : .max
            let result = try await committer.commit { writer throws -> Surveyed<T> in
                do {
                    return Surveyed.done(try body(writer, survey, looksMax))
                } catch is WaitingSurvey.Outdated {
                    return Surveyed.outdated
                }
            }
            if case .done(let value) = result { return value }
        }
        return nil
    }

    private enum Surveyed<T: Sendable>: Sendable {
        case done(T?)
        case outdated
    }

    private static let surveysMax = 5

    private func survey(_ sink: String, to target: Int64) async throws(JournalError) -> WaitingSurvey? {
        try await beside { try WaitingSurvey(sink, to: target, $0) }
    }

    /// How far an operation goes that begins with this step; nil where it has begun.
    private func extent(
        _ step: OperationStep, _ count: @escaping @Sendable (Database) throws -> RecordExtent
    ) async throws(JournalError) -> RecordExtent? {
        guard step.position == nil else { return nil }
        return try await beside { try $0.read(count) }
    }

    /// Reads on a thread and a connection of their own, so that nobody waits for it but the caller.
    func beside<T: Sendable>(
        _ body: @escaping @Sendable (DatabaseQueue) throws -> T
    ) async throws(JournalError) -> T {
        let result = await SerialThread(name: "journal-survey").run { [path] in
            Result {
                let queue = try JournalFile.openForReading(path)
                defer { try? queue.close() }
                return try body(queue)
            }
        }
        do {
            return try result.get()
        } catch {
            throw JournalError(error)
        }
    }
}
