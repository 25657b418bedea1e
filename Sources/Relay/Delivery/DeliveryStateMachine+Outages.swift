/// Whether a failure is an event's own matter or the sink's, and what follows where it is the sink's.
extension DeliveryStateMachine {
    // MARK: - Strikes

    /// The sink has failed as a whole with these; whether that is the event's own matter: it did so several
    /// times, at last with the one alone, while others succeeded.
    ///
    /// - Parameter isSent: Whether the sink was given the attempt.
    mutating func strike(_ attempt: Attempt, isSent: Bool = true) -> Bool {
        var isPoison = false
        for offset in attempt.offsets {
            var strike = strikes[offset] ?? Strikes(successesBefore: successes)
            if strike.count == 0 { strike.successesBefore = successes }
            if isSent { strike.count += 1 } else { strike.refusals += 1 }
            strikes[offset] = strike
            let isSentAlone = isSent && attempt.numbers.count == 1
            // Of what is merged each member counts: a newer one must not have it begin anew.
            let hasFailed = strike.count >= Self.strikesMax && successes > strike.successesBefore
            isPoison = isPoison || (isSentAlone && hasFailed)
        }
        return isPoison
    }

    /// Whether a failure says something of the sink: where it is an event's own, the second in a row does.
    mutating func isSinks(_ isPoison: Bool, _ attempt: Attempt) -> Bool {
        guard isPoison else { return true }
        defer { lastPoison = successes }
        // Each stays a suspect: its next failure needs no more than one success of another to count.
        for offset in attempt.offsets where parked[offset] != nil {
            strikes[offset] = Strikes(count: Self.strikesMax - 1, successesBefore: successes)
        }
        return lastPoison == successes
    }

    // MARK: - The breaker

    /// An attempt shows that nothing can be delivered now.
    ///
    /// What had begun before the breaker opened says nothing new: only a preparation and the trial show
    /// whether the sink is back.
    mutating func failed(_ error: SinkError, attempt id: Int, at now: Int64) {
        if isDelivering, id > lastBeforeOutage { open(error, at: now) }
    }

    mutating func open(_ error: SinkError, at now: Int64) {
        lastBeforeOutage = nextAttemptID
        if breaker.openSince == nil { settlement.awayChanged() }
        var generator = self.generator
        let schedule = self.schedule
        breaker.failed(error, at: now) { failures, retryAfter in
            schedule.delay(afterFailures: failures, retryAfter: retryAfter, using: &generator)
        }
        self.generator = generator
        hasReadSinceOutage = false
        letGo()
    }

    /// Nothing is delivered for a while, so nothing is kept ready for it.
    mutating func letGo() {
        giveBackReady(of: parkedReady)
        rewindIfIdle()
    }

    /// Parked deliveries that were read and not tried wait for their time again.
    mutating func giveBackReady(of offsets: [Offset]) {
        for offset in offsets {
            parked.giveBack(offset)
            parkedEntries[offset] = nil
        }
        parkedReady.removeAll { offsets.contains($0) }
    }

    /// The retry clock stood still while the sink was unavailable.
    mutating func countOutage(at now: Int64) {
        guard let outage = breaker.takeOutage(at: now), outage > .zero else { return }
        stoodStill += outage.nanoseconds
        settlement.standStill(for: outage.nanoseconds)
    }

    /// While the sink is down, and nothing is on its way from it, the window is empty.
    mutating func rewindIfIdle() {
        guard !isDelivering, attempts.isEmpty, !window.isEmpty else { return }
        window.rewind()
        line.removeAll()
        for lane in settling.removeAll() { line.go(lane) }
        held = []
        hasNews = true
    }
}
