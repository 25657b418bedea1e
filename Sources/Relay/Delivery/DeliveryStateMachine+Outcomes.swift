import Config
import Rules

/// What follows from a delivery: settled, parked, dead, or back in line.
extension DeliveryStateMachine {
    // MARK: - What the sink said

    mutating func prepared() { breaker.prepared() }

    mutating func prepareFailed(_ error: SinkError, at now: Int64) {
        clockReads(now)
        open(error, at: now)
    }

    /// The sink gave its receipts; one for each delivery of the attempt, or the batch counts as failed.
    ///
    /// - Parameters:
    ///   - intended: What was intended for this attempt.
    ///   - took: From the call to its end.
    mutating func receiptsArrived(
        _ receipts: [Receipt], attempt id: Int, intended: [Offset] = [], took: Duration? = nil, at now: Int64
    ) {
        clockReads(now)
        guard let attempt = attempts[id] else { return }
        let receipts = receipts.sorted { $0.offset < $1.offset }
        guard receipts.map(\.offset) == attempt.deliveries else {
            return attemptFailed(
                .unavailable(reason: "the sink did not account for every delivery of a batch"),
                attempt: id,
                took: took,
                at: now
            )
        }
        _ = endAttempt(id)
        let lanes = attempt.offsets.map { lane($0) }
        if receipts.contains(where: { $0.contact == .answered }) {
            let wasClosed = breaker.state == .closed
            breaker.succeeded()
            if !wasClosed, breaker.state == .closed { countOutage(at: now) }
        }
        endIntents(receipts, of: attempt, intended: intended)
        let waiting = putBackDeferred(receipts, of: attempt, at: now)
        let error = receipts.lazy.compactMap {
            if case .failed(let error) = $0.contact { error } else { nil }
        }
        .first
        let isPoison = error != nil && strike(attempt)
        for receipt in receipts {
            settle(receipt, with: attempt.merged[receipt.offset] ?? [], took: took, at: now)
        }
        keepLimitCounts(at: now)
        for lane in lanes {
            if let time = waiting[lane] { keepWaiting(lane, until: time) } else { release(lane) }
        }
        if let error, isSinks(isPoison, attempt) { failed(error, attempt: id, at: now) }
        rewindIfIdle()
    }

    /// The sink could not deliver the attempt at all.
    ///
    /// - Parameters:
    ///   - isSent: Whether the sink was given the attempt; else its turn was refused.
    ///   - intended: What was intended for this attempt, and was not sent after all.
    mutating func attemptFailed(
        _ error: SinkError, attempt id: Int, isSent: Bool = true, intended: [Offset] = [],
        took: Duration? = nil, at now: Int64
    ) {
        clockReads(now)
        guard let attempt = endAttempt(id) else { return }
        let isPoison = strike(attempt, isSent: isSent)
        let lanes = attempt.offsets.map { lane($0) }
        settlement.unsent(intended)
        if isPoison, let offset = attempt.deliveries.first {
            let reason = "the sink fails on this event alone: \(error.reason)"
            // That it was not taken now says nothing of the attempts before, which count with this one.
            let status = error.status.flatMap { Receipt.leavesOpen($0) ? $0 : nil }
            // What was unknown before was not even asked for.
            let receipt = Receipt(
                offset: offset, .retry(after: error.retryAfter, reason: reason), status: status,
                isOutcomeUnknown: attempt.unknown.contains(offset), contact: .failed(error))
            settle(receipt, with: attempt.merged[offset] ?? [], took: took, at: now)
        } else {
            // Who has no right to ask for it, or asks a table that is not there, has done nothing.
            let isOpen = if case .unavailable = error { isSent } else { false }
            for offset in attempt.numbers.keys {
                tripwire.end(offset, isOpen ? .openInLine : .notDone, at: now)
            }
            for (offset, lane) in zip(attempt.offsets, lanes) { putBack(offset, lane) }
        }
        keepLimitCounts(at: now)
        for lane in lanes { release(lane) }
        if isSinks(isPoison, attempt) { failed(error, attempt: id, at: now) }
        rewindIfIdle()
    }

    // MARK: - Lanes

    mutating func putBack(_ offset: Offset, _ lane: ParkedLanes.Lane) {
        if window.entry(offset) != nil {
            line.add(offset, lane)
        } else {
            parkedEntries[offset] = nil
            parked.giveBack(offset)
        }
    }

    /// A lane has nothing more with the sink: it goes on, or waits for what is to be recorded of it, or
    /// behind what is parked.
    mutating func release(_ lane: ParkedLanes.Lane) {
        let isBlocked = parked.isBlocked(lane)
        if !isBlocked { held.removeAll { $0 == lane } }
        if settlement.isRecording(lane) { return }
        busy.remove(lane)
        if isBlocked { parkBehind(lane) } else { goOn(lane) }
    }

    /// Parks what is in line behind a parked delivery of its user, in order, as far as there is room.
    mutating func parkBehind(_ lane: ParkedLanes.Lane) {
        line.stop(lane)
        held.removeAll { $0 == lane }
        let last = parked.last(of: lane) ?? .zero
        for offset in line.offsets(in: lane) {
            // What comes before a parked one is parked in any case, or that would pass it.
            guard offset < last || parked.count < policy.parkedMax else { return held.append(lane) }
            park(
                ParkedDelivery(
                    offset: offset, subject: entry(offset)?.event.subject, failures: [], notBefore: 0))
            line.remove(offset, lane)
            window.close(offset)
        }
    }

    mutating func parkHeld() {
        for lane in held {
            guard parked.count < policy.parkedMax else { return }
            parkBehind(lane)
        }
    }

    private mutating func park(_ delivery: ParkedDelivery) {
        parked.insert(delivery)
        settlement.park(delivery)
    }

    // MARK: - Outcomes

    /// What the limits have counted is settled at once: a crash must not have more pass them.
    mutating func keepLimitCounts(at now: Int64) {
        if let counts = tripwire.takeText(at: now) { settlement.keep(limitCounts: counts) }
    }

    /// A delivery ended as its receipt says, and what was merged into it with it.
    private mutating func settle(
        _ receipt: Receipt, with earlier: [Offset] = [], took: Duration?, at now: Int64
    ) {
        let offset = receipt.offset
        let lane = limits.foldsUsers ? nil : lane(offset)
        if let state = receipt.state, let subject = entry(offset)?.event.subject {
            settlement.keep(state, of: subject)
        }
        let isDelivered = receipt.outcome == .delivered
        tripwire.end(offset, isDelivered ? .delivered : receipt.leavesOpen ? .open : .notDone, at: now)
        if !unknown.isEmpty, !(receipt.goesAgain && receipt.isOutcomeUnknown) {
            unknown.subtract(earlier + [offset])
        }
        switch receipt.outcome {
        case .delivered:
            keep(receipt, .delivered, with: earlier)
            succeed(offset, .delivered)
            for offset in earlier { end(offset, .superseded, because: "went together with a newer event") }
        case .superseded:
            for offset in earlier + [offset] { end(offset, .superseded, because: "a newer event was there") }
        case .skipped(let reason): for offset in earlier + [offset] { end(offset, .skipped, because: reason) }
        case .rejected(let reason):
            let error = AttemptError(reason: reason, status: receipt.status, took: took)
            giveUp(offset, with: earlier, error, at: now)
        case .retry(let after, let reason):
            if receipt.isOutcomeUnknown { unknown.formUnion(earlier + [offset]) }
            let error = AttemptError(reason: reason, status: receipt.status, took: took)
            postpone(offset, with: earlier, after: after, error, at: now)
            // What is parked again without an answer keeps its strikes.
            let isAnswered = if case .failed = receipt.contact { false } else { true }
            for offset in earlier + [offset] where isAnswered || parked[offset] == nil {
                strikes[offset] = nil
            }
        case .deferred: return
        }
        if parked[offset] == nil {
            if let lane { settlement.hold(lane) }
            for offset in earlier { close(offset) }
            if receipt.contact == .answered { successes += 1 }
        }
        close(offset)
    }

    private mutating func close(_ offset: Offset) {
        window.close(offset)
        parkedEntries[offset] = nil
    }

    /// What is kept of a delivery when its event is gone: an answer, and whom it removed.
    private mutating func keep(_ receipt: Receipt, _ outcome: SettledOutcome, with earlier: [Offset]) {
        guard let event = entry(receipt.offset)?.event else { return }
        let before = earlier.compactMap { entry($0).map { userOperation($0.event) } }
        let operation = Operation.result(of: before + [userOperation(event)])
        let removal = DeliveryReceipt.Removal(operation, by: event)
        guard receipt.detail != nil || removal != nil else { return }
        settlement.keep(
            DeliveryReceipt(
                offset: receipt.offset, outcome: outcome, detail: receipt.detail, eventID: event.id,
                removal: removal))
    }

    /// A delivery of which the destination was told nothing: why is kept, and whom it would have removed.
    private mutating func end(_ offset: Offset, _ outcome: SettledOutcome, because reason: String) {
        if let event = entry(offset)?.event {
            settlement.keep(
                DeliveryReceipt(
                    offset: offset, outcome: outcome, detail: reason, eventID: event.id,
                    removal: DeliveryReceipt.Removal(userOperation(event), by: event)))
        }
        succeed(offset, outcome)
    }

    private mutating func succeed(_ offset: Offset, _ outcome: SettledOutcome) {
        if !strikes.isEmpty { strikes[offset] = nil }
        unpark(offset)
        settlement.count(offset, outcome)
    }

    mutating func giveUp(
        _ offset: Offset, with earlier: [Offset] = [], _ error: AttemptError, at now: Int64
    ) {
        let failures = failures(of: offset, with: earlier, and: error, at: now)
        for offset in earlier + [offset] {
            let subject = subject(offset)
            let removal = entry(offset).flatMap {
                DeliveryReceipt.Removal(userOperation($0.event), by: $0.event)
            }
            strikes[offset] = nil
            unknown.remove(offset)
            unpark(offset)
            settlement.deadLetter(
                DeadLetter(offset: offset, subject: subject, failures: failures, removal: removal))
        }
    }

    private mutating func postpone(
        _ offset: Offset, with earlier: [Offset], after: Duration?, _ error: AttemptError, at now: Int64
    ) {
        let due = history(of: offset, with: earlier)?.giveUpAt
        if let due, due <= now - stoodStill { countOutage(at: now) }
        let giveUpAt = due ?? now - stoodStill + schedule.giveUpAfter.nanoseconds
        guard now - stoodStill < giveUpAt else { return giveUp(offset, with: earlier, error, at: now) }
        let failures = failures(of: offset, with: earlier, and: error, at: now)
        let attempts = failures.last?.number ?? 1
        let delay = schedule.delay(afterFailures: attempts, retryAfter: after, using: &generator)
        settlement.countRetry()
        park(
            ParkedDelivery(
                offset: offset,
                subject: subject(offset),
                failures: failures,
                notBefore: now + delay.nanoseconds,
                giveUpAt: giveUpAt
            )
        )
        // Those that were merged, and all that is ready of the same user, wait with it.
        let lane = lane(offset)
        for offset in earlier { putBack(offset, lane) }
        if gathers { giveBackReady(of: parkedReady.filter { self.lane($0) == lane }) }
    }

    /// What is known of the attempts of a delivery: where events are merged, of the one that was tried most.
    func history(of offset: Offset, with earlier: [Offset]) -> ParkedDelivery? {
        ([offset] + earlier).compactMap { parked[$0] }
            .max { $0.failures.last?.number ?? 0 < $1.failures.last?.number ?? 0 }
    }

    /// The attempts so far as a delivery keeps them, with this one, which is logged of all that were merged.
    private mutating func failures(
        of offset: Offset, with earlier: [Offset], and error: AttemptError, at now: Int64
    ) -> [FailedAttempt] {
        var failures = history(of: offset, with: earlier)?.failures ?? []
        let failure = FailedAttempt(
            number: (failures.last?.number ?? 0) + 1, at: now, reason: error.reason, took: error.took,
            status: error.status)
        for offset in earlier + [offset] { settlement.log(failure, of: offset) }
        failures.append(failure)
        if failures.count > FailedAttempt.firstKept + FailedAttempt.newestKept {
            failures.remove(at: FailedAttempt.firstKept)
        }
        return failures
    }

    private mutating func unpark(_ offset: Offset) {
        guard parked[offset] != nil else { return }
        parked.remove(offset)
        settlement.unpark(offset)
    }
}

/// Why one attempt did not succeed.
struct AttemptError {
    var reason: String
    /// The destination's, where it gave one.
    var status: Int?
    var took: Duration?
}

extension DeliveryReceipt.Removal {
    /// Nil where the operation removes nobody.
    fileprivate init?(_ operation: Operation, by event: Event) {
        guard operation == .deactivate || operation == .delete, let subject = event.subject else {
            return nil
        }
        self.init(operation: operation, subject: subject)
    }
}
