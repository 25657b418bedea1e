import Config
import JSON

/// Decides what a sink's worker does next: pure, driven by what happened, and the owner of every delivery
/// rule.
///
/// The worker tells it what happened (`…Arrived`, `…Failed`) and carries out what ``nextAction(at:)`` asks
/// for, until there is nothing more to do. Time and randomness come in, so a run can be replayed exactly. The
/// rules:
///
/// - one user's events go out one after another, in journal order, across retries; other users never wait; -
/// a sink that is *unavailable* holds the cursor behind the breaker; a *rejected* event is dead-lettered and
/// one that asks for a *retry* is parked, while the others pass;
/// - an event on which delivery fails as unavailable three times, while others succeed, is the problem itself
///   and is parked like one that asked for a retry.
struct DeliveryStateMachine<Generator: RandomNumberGenerator>: ~Copyable {
    /// What the worker is asked to do; each comes back through one of the methods below.
    enum Action: Equatable {
        case prepare
        case read(after: Offset, limit: ReadLimit)
        case readParked([Offset])
        case deliver(Attempt)
        case settle(Settlement)
        /// Call ``nextAction(at:)`` again at this time, in nanoseconds since 1970.
        case wake(at: Int64)
    }

    /// One call of the sink's `deliver`: offsets in order, each with the number of this attempt.
    struct Attempt: Equatable {
        let id: Int
        let offsets: [Offset]
        let numbers: [Offset: Int]
    }

    /// Attempts that may fail as unavailable before one event is suspected to be the cause.
    static var strikesMax: Int { 3 }
    /// Parked deliveries; above it the sink holds its cursor instead.
    static var parkedMax: Int { 10_000 }

    private let limits: SinkLimits
    private let retry: RetryConfiguration
    private let schedule: RetrySchedule
    private var generator: Generator

    private(set) var breaker = CircuitBreaker()
    private var window: DeliveryWindow
    private var parked: ParkedLanes
    private var parkedEntries: [Offset: JournalEntry] = [:]
    private var settlement: PendingSettlement

    private var attempts: [Int: Attempt] = [:]
    private var nextAttemptID = 0
    /// The offsets of all attempts under way, and the users they are about.
    private var withSink: Set<Offset> = []
    private var busyLanes: Set<ParkedLanes.Lane> = []
    /// Per offset, failures as unavailable, and how many deliveries had succeeded at the first.
    private var strikes: [Offset: (count: Int, successesBefore: Int)] = [:]
    private var successes = 0

    private var isReading = false
    private var isReadingParked = false
    private var hasNews = true
    private var isStopping = false
    private var wakeAsked: Int64?

    init(lease: SinkLease, limits: SinkLimits, retry: RetryConfiguration, generator: Generator) {
        self.limits = limits
        self.retry = retry
        self.schedule = RetrySchedule(retry)
        self.generator = generator
        window = DeliveryWindow(lease)
        parked = ParkedLanes(lease.parked)
        settlement = PendingSettlement(sink: lease.sink, epoch: lease.epoch)
    }

    /// Deliveries that are with the sink.
    var inFlight: Int { withSink.count }

    /// Whether a stop that was asked for is complete: nothing in flight, everything settled.
    var isStopped: Bool { isStopping && attempts.isEmpty && settlement.isIdle }

    /// The entry of an offset that an attempt names.
    func entry(_ offset: Offset) -> JournalEntry? { window.entry(offset) ?? parkedEntries[offset] }

    // MARK: - What to do

    /// The next thing to do; nil where only events can change anything.
    mutating func nextAction(at now: Int64) -> Action? {
        breaker.timePassed(to: now)
        if let settlement = settlement.take(window) { return .settle(settlement) }
        if isStopping { return nil }
        if breaker.takePreparation() { return .prepare }
        if let read = nextRead(at: now) { return read }
        if let attempt = nextAttempt(at: now) { return .deliver(attempt) }
        return nextWake(at: now).map { .wake(at: $0) }
    }

    private mutating func nextRead(at now: Int64) -> Action? {
        guard isDelivering else { return nil }
        if !isReadingParked {
            let limit = limits.batchEventsMax * limits.concurrency
            let wanted = parked.due(at: now, limit: limit, excluding: withSink)
            let missing = wanted.filter { parkedEntries[$0] == nil }
            if !missing.isEmpty {
                isReadingParked = true
                return .readParked(missing)
            }
        }
        let isHungry = window.queue.count < limits.batchEventsMax * limits.concurrency
        guard !isReading, hasNews, isHungry, window.hasRoom else { return nil }
        isReading = true
        let room = DeliveryWindow.offsetsMax / 4
        return .read(
            after: window.readEnd,
            limit: ReadLimit(
                entries: min(room, max(limits.batchEventsMax, 2 * limits.concurrency)),
                bytes: limits.batchBytesMax
            )
        )
    }

    /// Whether deliveries may be under way at all.
    private var isDelivering: Bool { breaker.state == .closed || breaker.state == .halfOpen }

    private mutating func nextWake(at now: Int64) -> Int64? {
        var wake = isDelivering ? parked.earliest : nil
        if case .open(let until, _) = breaker.state { wake = until }
        // What is overdue waits for an event that is on its way already: a read or a delivery.
        guard let wake, wake > now, wake != wakeAsked else { return nil }
        wakeAsked = wake
        return wake
    }

    // MARK: - Attempts

    private mutating func nextAttempt(at now: Int64) -> Attempt? {
        let isTrial = breaker.state == .halfOpen
        guard isDelivering, attempts.count < (isTrial ? 1 : limits.concurrency) else { return nil }
        var candidates = parkedCandidates(at: now)
        candidates += queueCandidates(limit: isTrial ? 64 : limits.batchEventsMax)
        if isTrial, let gentlest = candidates.min(by: { strikeCount($0) < strikeCount($1) }) {
            candidates = [gentlest]
        }
        let offsets = cut(candidates)
        guard !offsets.isEmpty else { return nil }
        nextAttemptID += 1
        let numbers = offsets.map { ($0, (parked[$0]?.failures.count ?? 0) + 1) }
        let attempt = Attempt(
            id: nextAttemptID, offsets: offsets, numbers: Dictionary(uniqueKeysWithValues: numbers))
        attempts[attempt.id] = attempt
        window.take(Set(offsets))
        withSink.formUnion(offsets)
        for offset in offsets { busyLanes.insert(lane(offset)) }
        return attempt
    }

    private func isSuspect(_ offset: Offset) -> Bool { strikeCount(offset) >= Self.strikesMax - 1 }

    private func strikeCount(_ offset: Offset) -> Int { strikes[offset]?.count ?? 0 }

    private func lane(_ offset: Offset) -> ParkedLanes.Lane {
        ParkedLanes.Lane(entry(offset)?.event.subject ?? parked[offset]?.subject, offset)
    }

    private mutating func parkedCandidates(at now: Int64) -> [Offset] {
        let due = parked.due(at: now, limit: limits.batchEventsMax, excluding: withSink)
        return due.filter { parkedEntries[$0] != nil && !busyLanes.contains(lane($0)) }
    }

    /// Offsets in line whose user is not busy, in order; parks on the way what waits behind a parked one.
    private mutating func queueCandidates(limit: Int) -> [Offset] {
        var candidates: [Offset] = []
        var taken: Set<ParkedLanes.Lane> = []
        var blocked: [ParkedDelivery] = []
        for offset in window.queue {
            guard candidates.count < limit else { break }
            let lane = lane(offset)
            if parked.isBlocked(lane) {
                guard parked.count + blocked.count < Self.parkedMax else { continue }
                let subject = entry(offset)?.event.subject
                blocked.append(ParkedDelivery(offset: offset, subject: subject, failures: [], notBefore: 0))
            } else if !busyLanes.contains(lane), limits.foldsUsers || taken.insert(lane).inserted {
                candidates.append(offset)
            }
        }
        for delivery in blocked { park(delivery) }
        if !blocked.isEmpty { window.close(Set(blocked.map(\.offset))) }
        return candidates
    }

    /// As much of the candidates as one batch holds, by events and bytes; a suspect goes alone.
    private func cut(_ candidates: [Offset]) -> [Offset] {
        if let first = candidates.first, isSuspect(first) { return [first] }
        var bytes = 0
        var offsets: [Offset] = []
        for offset in candidates.prefix(limits.batchEventsMax) where !isSuspect(offset) {
            bytes += entry(offset)?.event.body.bytes.count ?? 0
            if !offsets.isEmpty, bytes > limits.batchBytesMax { break }
            offsets.append(offset)
        }
        return offsets
    }

    private mutating func park(_ delivery: ParkedDelivery) {
        parked.insert(delivery)
        settlement.park(delivery)
    }

    // MARK: - What happened

    mutating func newsArrived() { hasNews = true }

    mutating func prepared() { breaker.prepared() }

    mutating func prepareFailed(_ error: SinkError, at now: Int64) { open(error, at: now) }

    mutating func pageRead(_ page: JournalPage) {
        isReading = false
        guard page.end >= window.readEnd else { return }
        if page.isAtHorizon { hasNews = false }
        window.add(page)
        settlement.cursorMoved(window)
    }

    /// A read did not work; another is tried when there is news.
    mutating func readFailed() {
        isReading = false
        isReadingParked = false
    }

    /// Entries that are no longer kept are dead letters: there is nothing left to deliver.
    mutating func parkedRead(_ entries: [JournalEntry], of offsets: [Offset], at now: Int64) {
        isReadingParked = false
        for entry in entries { parkedEntries[entry.offset] = entry }
        for offset in offsets where parkedEntries[offset] == nil {
            giveUp(offset, reason: "the event is no longer kept", at: now)
        }
    }

    /// The sink gave its receipts; one for each delivery of the attempt, or the batch counts as failed.
    mutating func receiptsArrived(_ receipts: [Receipt], attempt id: Int, at now: Int64) {
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
        finish(attempt)
        if let outage = breaker.succeeded(at: now) {
            for delivery in parked.extend(by: outage) { settlement.park(delivery) }
        }
        for receipt in receipts { settle(receipt, at: now) }
        window.close(Set(attempt.offsets))
        parked.lookAgain()
    }

    /// The sink could not deliver the attempt at all.
    mutating func attemptFailed(_ error: SinkError, attempt id: Int, at now: Int64) {
        guard let attempt = attempts[id] else { return }
        finish(attempt)
        var poison: Set<Offset> = []
        for offset in attempt.offsets {
            var strike = strikes[offset] ?? (count: 0, successesBefore: successes)
            strike.count += 1
            strikes[offset] = strike
            let isAlone = attempt.offsets.count == 1
            if isAlone, strike.count >= Self.strikesMax, successes > strike.successesBefore {
                poison.insert(offset)
            }
        }
        for offset in poison {
            let reason = "the sink fails on this event alone: \(error.reason)"
            settle(Receipt(offset: offset, .retry(after: nil, reason: reason)), at: now)
        }
        window.close(poison)
        window.putBack(attempt.offsets.filter { !poison.contains($0) })
        parked.lookAgain()
        if poison.isEmpty { open(error, at: now) }
    }

    mutating func settleSucceeded() { settlement.succeeded() }

    /// The settlement is kept and goes out again with what comes.
    mutating func settleFailed() { settlement.failed() }

    /// No more attempts begin; what is in flight is waited for.
    mutating func stop() { isStopping = true }

    // MARK: - Outcomes

    private mutating func finish(_ attempt: Attempt) {
        attempts[attempt.id] = nil
        withSink.subtract(attempt.offsets)
        for offset in attempt.offsets { busyLanes.remove(lane(offset)) }
    }

    private mutating func open(_ error: SinkError, at now: Int64) {
        var generator = self.generator
        let schedule = self.schedule
        breaker.failed(error, at: now) { failures, retryAfter in
            schedule.delay(afterFailures: failures, retryAfter: retryAfter, using: &generator)
        }
        self.generator = generator
        window.rewind()
        hasNews = true
    }

    private mutating func settle(_ receipt: Receipt, at now: Int64) {
        let offset = receipt.offset
        switch receipt.outcome {
        case .delivered: succeed(offset, .delivered)
        case .superseded: succeed(offset, .superseded)
        case .skipped: succeed(offset, .skipped)
        case .rejected(let reason): giveUp(offset, reason: reason, at: now)
        case .retry(let after, let reason): postpone(offset, after: after, reason: reason, at: now)
        }
        if let state = receipt.state, let subject = entry(offset)?.event.subject {
            settlement.keep(state, of: subject)
        }
        if parked[offset] == nil { parkedEntries[offset] = nil }
    }

    private mutating func succeed(_ offset: Offset, _ outcome: SettledOutcome) {
        successes += 1
        strikes[offset] = nil
        unpark(offset)
        settlement.count(outcome)
    }

    private mutating func giveUp(_ offset: Offset, reason: String, at now: Int64) {
        let failures = failures(of: offset, and: reason, at: now)
        let subject = entry(offset)?.event.subject ?? parked[offset]?.subject
        successes += 1
        strikes[offset] = nil
        unpark(offset)
        settlement.deadLetter(DeadLetter(offset: offset, subject: subject, failures: failures))
    }

    private mutating func postpone(_ offset: Offset, after: Duration?, reason: String, at now: Int64) {
        let failures = failures(of: offset, and: reason, at: now)
        let giveUpAt = parked[offset]?.giveUpAt ?? now + retry.giveUpAfter.nanoseconds
        guard now < giveUpAt else { return giveUp(offset, reason: reason, at: now) }
        let delay = schedule.delay(afterFailures: failures.count, retryAfter: after, using: &generator)
        let subject = entry(offset)?.event.subject ?? parked[offset]?.subject
        strikes[offset] = nil
        settlement.countRetry()
        park(
            ParkedDelivery(
                offset: offset,
                subject: subject,
                failures: failures,
                notBefore: now + delay.nanoseconds,
                giveUpAt: giveUpAt
            )
        )
    }

    private func failures(of offset: Offset, and reason: String, at now: Int64) -> [FailedAttempt] {
        let failures = parked[offset]?.failures ?? []
        return failures + [FailedAttempt(number: failures.count + 1, at: now, reason: reason)]
    }

    private mutating func unpark(_ offset: Offset) {
        guard parked[offset] != nil else { return }
        parked.remove(offset)
        settlement.unpark(offset)
    }
}
