import Config

/// What follows from a delivery: settled, parked, dead, or back in line.
extension DeliveryStateMachine {
    /// Failures kept with a parked delivery: the first and the newest, because three days of attempts
    /// are many.
    private static var failuresFirst: Int { 10 }
    private static var failuresLast: Int { 40 }

    // MARK: - What the sink said

    mutating func prepared() { breaker.prepared() }

    mutating func prepareFailed(_ error: SinkError, at now: Int64) {
        clockReads(now)
        open(error, at: now)
    }

    /// The sink gave its receipts; one for each delivery of the attempt, or the batch counts as failed.
    mutating func receiptsArrived(_ receipts: [Receipt], attempt id: Int, at now: Int64) {
        clockReads(now)
        guard let attempt = attempts[id] else { return }
        guard receipts.count == attempt.offsets.count,
            Set(receipts.map(\.offset)) == Set(attempt.offsets)
        else {
            return attemptFailed(
                .unavailable(reason: "the sink did not account for every delivery of a batch"),
                attempt: id,
                at: now
            )
        }
        attempts[id] = nil
        let lanes = attempt.offsets.map { lane($0) }
        let wasClosed = breaker.state == .closed
        breaker.succeeded()
        if !wasClosed, breaker.state == .closed { countOutage(at: now) }
        for receipt in receipts.sorted(by: { $0.offset < $1.offset }) { settle(receipt, at: now) }
        for lane in lanes { release(lane) }
        rewindIfIdle()
    }

    /// The sink could not deliver the attempt at all.
    mutating func attemptFailed(_ error: SinkError, attempt id: Int, at now: Int64) {
        clockReads(now)
        guard let attempt = attempts.removeValue(forKey: id) else { return }
        var isPoison = false
        for offset in attempt.offsets {
            var strike = strikes[offset] ?? Strikes(successesBefore: successes)
            strike.count += 1
            strikes[offset] = strike
            let isAlone = attempt.offsets.count == 1
            isPoison = isAlone && strike.count >= Self.strikesMax && successes > strike.successesBefore
        }
        let lanes = attempt.offsets.map { lane($0) }
        if isPoison, let offset = attempt.offsets.first {
            let reason = "the sink fails on this event alone: \(error.reason)"
            settle(Receipt(offset: offset, .retry(after: nil, reason: reason)), at: now)
            // It stays a suspect: its next failure needs no more than one success of another to count.
            strikes[offset] = Strikes(count: Self.strikesMax - 1, successesBefore: successes)
        } else {
            for (offset, lane) in zip(attempt.offsets, lanes) { putBack(offset, lane) }
        }
        for lane in lanes { release(lane) }
        if !isPoison, isDelivering { open(error, at: now) }
        rewindIfIdle()
    }

    // MARK: - The breaker

    private mutating func open(_ error: SinkError, at now: Int64) {
        if let since = breaker.openSince, now - since > Self.outageMarkMin { countOutage(at: now) }
        var generator = self.generator
        let schedule = self.schedule
        breaker.failed(error, at: now) { failures, retryAfter in
            schedule.delay(afterFailures: failures, retryAfter: retryAfter, using: &generator)
        }
        self.generator = generator
        for offset in parkedReady {
            parked.giveBack(offset)
            parkedEntries[offset] = nil
        }
        parkedReady = []
        rewindIfIdle()
    }

    /// How much of an outage a crash may charge to the retries' time.
    private static var outageMarkMin: Int64 { Duration.seconds(600).nanoseconds }

    /// The time in which the sink was unavailable does not count towards giving up.
    mutating func countOutage(at now: Int64) {
        guard let outage = breaker.takeOutage(at: now), outage > .zero else { return }
        for delivery in parked.extend(by: outage) { settlement.park(delivery) }
    }

    /// While the sink is down, and nothing is on its way from it, the window is empty.
    private mutating func rewindIfIdle() {
        guard !isDelivering, attempts.isEmpty, !window.isEmpty else { return }
        window.rewind()
        line.removeAll()
        held = []
        hasNews = true
    }

    // MARK: - Lanes

    private mutating func putBack(_ offset: Offset, _ lane: ParkedLanes.Lane) {
        if window.entry(offset) != nil {
            line.add(offset, lane)
        } else {
            parkedEntries[offset] = nil
            parked.giveBack(offset)
        }
    }

    /// A lane has nothing more with the sink: it goes on, or waits behind what is parked.
    mutating func release(_ lane: ParkedLanes.Lane) {
        if parked.isBlocked(lane) { return parkBehind(lane) }
        held.removeAll { $0 == lane }
        line.go(lane)
    }

    /// Parks what is in line behind a parked delivery of its user, in order, as far as there is room.
    mutating func parkBehind(_ lane: ParkedLanes.Lane) {
        line.stop(lane)
        held.removeAll { $0 == lane }
        for offset in line.offsets(in: lane) {
            guard parked.count < bounds.parkedMax else { return held.append(lane) }
            park(
                ParkedDelivery(
                    offset: offset, subject: entry(offset)?.event.subject, failures: [], notBefore: 0))
            line.remove(offset, lane)
            window.close(offset)
        }
    }

    mutating func parkHeld() {
        guard !held.isEmpty, parked.count < bounds.parkedMax else { return }
        for lane in held { parkBehind(lane) }
    }

    private mutating func park(_ delivery: ParkedDelivery) {
        parked.insert(delivery)
        settlement.park(delivery)
    }

    // MARK: - Outcomes

    private mutating func settle(_ receipt: Receipt, at now: Int64) {
        let offset = receipt.offset
        if let state = receipt.state, let subject = entry(offset)?.event.subject {
            settlement.keep(state, of: subject)
        }
        switch receipt.outcome {
        case .delivered: succeed(offset, .delivered)
        case .superseded: succeed(offset, .superseded)
        case .skipped: succeed(offset, .skipped)
        case .rejected(let reason): giveUp(offset, reason: reason, at: now)
        case .retry(let after, let reason): postpone(offset, after: after, reason: reason, at: now)
        }
        window.close(offset)
        parkedEntries[offset] = nil
    }

    private mutating func succeed(_ offset: Offset, _ outcome: SettledOutcome) {
        successes += 1
        strikes[offset] = nil
        unpark(offset)
        settlement.count(outcome)
    }

    mutating func giveUp(_ offset: Offset, reason: String, at now: Int64) {
        let failures = failures(of: offset, and: reason, at: now)
        let subject = subject(offset)
        successes += 1
        strikes[offset] = nil
        unpark(offset)
        settlement.deadLetter(DeadLetter(offset: offset, subject: subject, failures: failures))
    }

    private mutating func postpone(_ offset: Offset, after: Duration?, reason: String, at now: Int64) {
        let failures = failures(of: offset, and: reason, at: now)
        let giveUpAt = parked[offset]?.giveUpAt ?? now + retry.giveUpAfter.nanoseconds
        guard now < giveUpAt else { return giveUp(offset, reason: reason, at: now) }
        let attempts = failures.last?.number ?? 1
        let delay = schedule.delay(afterFailures: attempts, retryAfter: after, using: &generator)
        strikes[offset] = nil
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
    }

    private func failures(of offset: Offset, and reason: String, at now: Int64) -> [FailedAttempt] {
        var failures = parked[offset]?.failures ?? []
        failures.append(FailedAttempt(number: (failures.last?.number ?? 0) + 1, at: now, reason: reason))
        if failures.count > Self.failuresFirst + Self.failuresLast { failures.remove(at: Self.failuresFirst) }
        return failures
    }

    private mutating func unpark(_ offset: Offset) {
        guard parked[offset] != nil else { return }
        parked.remove(offset)
        settlement.unpark(offset)
    }
}
