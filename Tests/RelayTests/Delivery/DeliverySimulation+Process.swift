@testable import Relay
import RelayTesting

/// What happens to the process of a simulation: time, crashes, an operator, reloads.
extension DeliverySimulation {
    // MARK: - Time and the process

    func pass(_ duration: Duration) {
        monotonic += duration.nanoseconds
        let isHeld = if case .held = machine.breaker.state { true } else { ledger.hold != nil }
        ledger.retries.pass(
            duration.nanoseconds, isAway: machine.breaker.failures > 0 && machine.breaker.state != .closed,
            isHeld: isHeld)
        let due = pending.filter(isDue)
        pending.removeAll(where: isDue)
        for wake in due { complete(wake) }
        drain()
    }

    func isDue(_ action: Pending) -> Bool {
        if case .wake(let time) = action { time <= monotonic } else { false }
    }

    /// The worker sleeps once: what it is asked for now, instead of what it was asked for before.
    func setAlarm(to time: Int64) {
        let due = monotonic + max(0, time - now)
        for case .wake(let before) in pending {
            ledger.check(due < before || faults.clockJumps, "a wake is asked for that comes anyway")
        }
        pending.removeAll { if case .wake = $0 { true } else { false } }
        pending.append(.wake(at: due))
    }

    /// Nothing waited longer for a healthy sink than a retry may, whatever the clock had said before.
    ///
    /// What settles may wait a few times more, one event after another.
    func checkRest(since start: Int64) {
        let waited = Duration.nanoseconds(monotonic - start)
        ledger.check(waited <= RetrySchedule.retryAfterMax * 3, "it took \(waited) to come to rest")
    }

    func fireNextWake() -> Bool {
        let times = pending.compactMap { if case .wake(let time) = $0 { time } else { nil } }
        guard let next = times.min() else { return false }
        pass(.nanoseconds(max(0, next - monotonic)))
        return true
    }

    /// The process dies; of the settlement under way nobody knows whether it had committed.
    func crash() {
        for case .settle(let settlement) in pending where chance(2) { _ = commit(settlement) }
        mirrored { try $0.reopen() }
        ledger.crashed()
        begin(after: nil)
    }

    // MARK: - Turns

    /// It may not be an attempt's turn, or nobody's.
    func isDeferred(_ attempt: Machine.Attempt) -> Bool {
        guard mood == .flaky, chance(6) else { return false }
        let wait = Duration.seconds(Int.random(in: 1...60, using: &random))
        ledger.deferred(attempt.offsets, until: now + wait.nanoseconds)
        ledger.bounds?.deferred(attempt)
        machine.attemptDeferred(attempt.id, chance(2) ? .everybody(wait) : .itsUsers(wait), at: now)
        return true
    }

    // MARK: - The operator

    func operate() {
        switch Int.random(in: 0..<4, using: &random) {
        case 0 where ledger.hold == nil: pause()
        case 1:
            let last = Offset(rawValue: Int64.random(in: 0...Int64(ledger.rows.count), using: &random))
            ledger.detach(upTo: last)
            mirrored { try $0.detach(upTo: last, at: now) }
        case 2 where ledger.cursor > .zero: seekBack()
        default: _ = resume()
        }
    }

    /// A person pauses the sink, whatever its worker is at, which is told so a moment later; and may have
    /// resumed it by then.
    private func pause() {
        let since = now
        ledger.operate(SinkHold(kind: .paused, reason: "maintenance", since: since), at: now)
        mirrored { try $0.pause(reason: "maintenance", at: now) }
        completeSome()
        if chance(3) {
            endHold()
            completeSome()
        }
        restart()
        ledger.retries.mayCount(max(0, now - since))
    }

    /// False where nothing is held.
    func resume() -> Bool {
        guard let hold = ledger.hold else { return false }
        restart {
            if hold.kind == .tripped { truth.resumed() }
            endHold()
        }
        return true
    }

    private func endHold() {
        ledger.operate(nil, at: now)
        mirrored { try $0.resume(at: now) }
    }

    private func completeSome() { for _ in 0..<Int.random(in: 0...6, using: &random) { _ = completeOne() } }

    /// A person moves the sink back, and its worker is told so a moment later.
    func seekBack() {
        let target = Offset(rawValue: Int64.random(in: 0..<ledger.cursor.rawValue, using: &random))
        // What was given up while it was with the sink is asked for before it is sent again.
        truth.forget(ledger.seekBack(to: target).filter { !ledger.intents.contains($0) })
        mirrored { try $0.seek(to: target, at: now) }
        completeSome()
        restart()
    }

    /// The journal has told the worker that its sink's place was moved: what is in flight ends and is
    /// settled, and then another worker begins.
    ///
    /// - Parameter attempt: One that could not be intended, and is not sent.
    func leave(without attempt: Machine.Attempt? = nil) {
        if let attempt {
            ledger.failed(attempt.offsets)
            ledger.bounds?.deferred(attempt)
            machine.attemptDeferred(attempt.id, .everybody(.zero), at: now)
        }
        isLeaving = true
        guard !machine.isStopping else { return }
        machine.stop(at: now)
    }

    func endLeaving() {
        guard isLeaving, machine.isStopped else { return }
        checkSettled()
        begin(after: machine.breaker)
    }

    private func checkSettled() {
        let unsettled = ledger.unsettled
        ledger.check(unsettled.isEmpty, "stopped before \(unsettled.map(\.rawValue)) were settled")
    }

    /// A graceful stop: what is in flight ends, and all of it is settled.
    ///
    /// - Parameter change: What somebody does before the next worker begins.
    func restart(_ change: () -> Void = {}) {
        isStopping = true
        // A slow sink is slow in virtual time only; here it is waited for.
        if mood == .slow { mood = .healthy }
        machine.stop(at: now)
        drain()
        for _ in 0..<500 where !machine.isStopped {
            guard completeOne() || fireNextWake() else { break }
        }
        ledger.check(machine.isStopped, "the machine does not stop")
        checkSettled()
        change()
        isStopping = false
        begin(after: machine.breaker)
    }

    /// New rules, and the sink with new settings: its worker ends as in a stop, and another goes on.
    func reload() {
        rules = SimulatedRules.all.randomElement(using: &random) ?? rules
        guard chance(2) else { return }
        limits.concurrency = limits.foldsUsers ? 1 : Int.random(in: 1...8, using: &random)
        if limits.batchEventsMax > 1 { limits.batchEventsMax = Int.random(in: 2...9, using: &random) }
        restart()
    }

    /// A worker begins; of what the one before it had with the sink nobody knows what became.
    ///
    /// - Parameter last: How the sink was doing then; nil in a new process.
    func begin(after last: CircuitBreaker?) {
        for case .attempt(let attempt, _) in pending where mood != .down {
            for key in attempt.deliveries where chance(2) {
                let offsets = (attempt.merged[key] ?? []) + [key]
                // What may be there is asked for before it is sent.
                if !attempt.unknown.contains(key) || truth.has(offsets) == false { act(offsets, at: nil) }
            }
        }
        pending = []
        isLeaving = false
        let lease = ledger.lease(at: now)
        mirrored { mirror in
            let kept = try mirror.lease(at: now)
            ledger.check(kept == lease, "the journal leases \(kept), not \(lease)")
        }
        machine = Self.makeMachine(lease, limits, policy, bounds, seed: random.next(), after: last)
        if isStopping { machine.stop(at: now) }
        drain()
    }

    /// Whether the lease is still good.
    func commit(_ settlement: Settlement) -> Bool {
        let isGood = ledger.settle(settlement, at: now)
        mirrored { mirror in
            let isKept = try mirror.settle(settlement, at: now)
            ledger.check(isKept == isGood, "the journal takes the place for \(isKept ? "good" : "moved")")
        }
        return isGood
    }

    func mirrored(_ body: (JournalMirror) throws -> Void) {
        guard let mirror else { return }
        do {
            try body(mirror)
        } catch {
            ledger.check(false, "the journal refused: \(error)")
        }
    }

    /// What became of it needed no sink, which says nothing of whether there is one.
    func decide(_ attempt: Machine.Attempt) {
        let outcomes = [
            Receipt.Outcome.skipped("no request for it"), .superseded, .rejected(reason: "no name"),
        ]
        let receipts = attempt.deliveries.map {
            Receipt(offset: $0, outcomes.randomElement(using: &random) ?? .superseded, contact: .notAsked)
        }
        let (state, successes) = (machine.breaker.state, machine.successes)
        ledger.received(receipts, of: attempt, at: now)
        ledger.bounds?.answered(receipts, of: attempt, at: monotonic)
        machine.receiptsArrived(receipts, attempt: attempt.id, at: now)
        ledger.check(
            machine.breaker.state == state && machine.successes == successes,
            "what was decided without the sink spoke for it")
    }
}
