import Config

/// One call of the sink's `deliver`.
struct DeliveryAttempt: Sendable, Equatable {
    let id: Int
    /// Everything that is with the sink, ascending.
    let offsets: [Offset]
    /// For each delivery, the number of this attempt.
    let numbers: [Offset: Int]
    /// For each delivery, what is merged into it, the oldest first.
    var merged: [Offset: [Offset]] = [:]
    /// Deliveries of which it is not known whether an earlier attempt reached the destination.
    var unknown: Set<Offset> = []

    /// What the sink is given and gives receipts for, ascending.
    var deliveries: [Offset] { numbers.keys.sorted() }
}

/// Carries attempts out: states are fetched, the sink asked for its turn, intents recorded, and then the sink
/// is given them.
struct AttemptRunner: Sendable {
    /// An attempt that came to its end.
    struct Ended: Sendable {
        enum Result: Sendable {
            case receipts([Receipt])
            case failed(SinkError)
            /// Its turn was refused: nothing was sent.
            case refused(SinkError)
            /// It was not its turn: nothing was sent, and it is asked for again later.
            case deferred(Deferral)
        }

        let attempt: Int
        let result: Result
        /// How long the sink took; nil where it was not called.
        var took: Duration?
        /// What was intended for this attempt.
        var intended: [Offset] = []
        /// Why nothing could be intended, so that the sink was not called.
        var journalError: JournalError?

        /// Whether it shows that the sink is away, or could not be asked.
        var isFailure: Bool {
            switch result {
            case .failed, .refused: true
            case .deferred: false
            case .receipts(let receipts):
                receipts.contains { if case .failed = $0.contact { true } else { false } }
            }
        }
    }

    let sink: any Sink
    let journal: any Journal
    /// The lease's.
    let epoch: Int64
    let clock: any RelayClock

    /// - Parameter entries: Those of the attempt's offsets, ascending.
    func run(_ attempt: DeliveryAttempt, _ entries: [JournalEntry]) async -> Ended {
        let batch: [Delivery]
        do throws(SinkError) {
            batch = deliveries(attempt, entries, try await states(of: entries))
            if let deferral = try await sink.takeTurn(batch) {
                return Ended(attempt: attempt.id, result: .deferred(deferral))
            }
        } catch {
            return Ended(attempt: attempt.id, result: .refused(error))
        }
        let intended = toIntend(batch, attempt)
        do throws(JournalError) {
            if !intended.isEmpty { try await journal.intend(sink.name, epoch: epoch, intended) }
        } catch {
            let reason = "the journal could not record what is about to be sent: \(error.reason)"
            return Ended(
                attempt: attempt.id, result: .refused(.unavailable(reason: reason)), journalError: error)
        }
        let start = clock.uptime
        let result = await receipts(batch)
        let took = Duration.nanoseconds(clock.uptime - start)
        return Ended(attempt: attempt.id, result: result, took: took, intended: intended)
    }

    private func deliveries(
        _ attempt: DeliveryAttempt, _ entries: [JournalEntry], _ states: [Subject: FoldState]
    ) -> [Delivery] {
        let events = Dictionary(
            uniqueKeysWithValues: attempt.merged.isEmpty ? [] : entries.map { ($0.offset, $0.event) })
        return entries.compactMap { entry in
            guard let number = attempt.numbers[entry.offset] else { return nil }
            return Delivery(
                offset: entry.offset,
                event: entry.event,
                rule: entry.rule,
                attempt: number,
                replay: entry.replay,
                state: entry.event.subject.flatMap { states[$0] },
                earlier: attempt.merged[entry.offset]?.compactMap { events[$0] } ?? [],
                isOutcomeUnknown: attempt.unknown.contains(entry.offset)
            )
        }
    }

    /// What must not be sent twice, and is not recorded as about to be sent from an attempt before.
    private func toIntend(_ batch: [Delivery], _ attempt: DeliveryAttempt) -> [Offset] {
        batch.filter { !$0.isOutcomeUnknown && sink.mustNotRepeat($0) }
            .flatMap { (attempt.merged[$0.offset] ?? []) + [$0.offset] }
    }

    private func receipts(_ batch: [Delivery]) async -> Ended.Result {
        do throws(SinkError) {
            return .receipts(try await sink.deliver(batch))
        } catch {
            return .failed(error)
        }
    }

    /// What the sink was told of the users.
    private func states(of entries: [JournalEntry]) async throws(SinkError) -> [Subject: FoldState] {
        let subjects = sink.limits.keepsState ? entries.compactMap(\.event.subject) : []
        if subjects.isEmpty { return [:] }
        do throws(JournalError) {
            return try await journal.states(sink.name, of: subjects)
        } catch {
            throw .unavailable(reason: "the journal could not be read: \(error.reason)")
        }
    }
}
