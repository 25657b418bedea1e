import Config
import JSON
import Rules

/// Decides what a sink's worker does next: pure, driven by what happened, and the owner of every delivery
/// rule.
///
/// The worker tells it what happened (`…Arrived`, `…Failed`) and carries out what ``nextAction(at:)`` asks
/// for, until there is nothing more to do. Time and randomness come in, so a run can be replayed exactly. The
/// rules:
///
/// - one user's events go out one after another, in journal order, across retries, and each only once it is
///   recorded what became of the one before, so that no crash repeats that one behind it; other users never
///   wait. A sink that folds users gets theirs at once, and knows by itself what it has;
/// - a sink that is *unavailable* holds the cursor behind the breaker; a *rejected* event is dead-lettered
///   and one that asks for a *retry* is parked, while the others pass;
/// - an event on which delivery fails as unavailable three times, while others succeed, is the problem itself
///   and is parked like one that asked for a retry;
/// - only what the destination answers shows that it works: what is decided without it neither ends an outage
///   nor speaks against another event;
/// - nothing begins while too much of what has ended is not recorded;
/// - with a settle window, a user's events are gathered, sorted by their stamps, and merged where that is
///   asked for;
/// - a sink whose limits one delivery more would exceed is held, as one is that a person paused.
///
/// What goes out together is in `DeliveryStateMachine+Attempts.swift`, what happens after a delivery in
/// `DeliveryStateMachine+Outcomes.swift`, and what waits for its turn in `DeliveryStateMachine+Turns.swift`.
struct DeliveryStateMachine<Generator: RandomNumberGenerator>: ~Copyable {
    /// What the worker is asked to do; each comes back through one of the methods below.
    enum Action: Equatable {
        case prepare
        case read(after: Offset, limit: ReadLimit)
        case readParked([Offset])
        case deliver(Attempt)
        case settle(Settlement)
        /// Call ``wokeUp()`` at this time, in nanoseconds since 1970, and at none that was asked for before.
        case wake(at: Int64)
    }

    typealias Attempt = DeliveryAttempt

    /// Failures as unavailable, and how many deliveries had succeeded at the first.
    struct Strikes {
        var count = 0
        /// Failures before anything was sent: they put a trial off, and speak against nobody.
        var refusals = 0
        var successesBefore: Int
    }

    /// Attempts that may fail as unavailable before one event is suspected to be the cause.
    static var strikesMax: Int { 3 }
    /// Parked entries that are in memory to be tried next.
    private static var parkedReadyMax: Int { 64 }

    let limits: SinkLimits
    let policy: DeliveryPolicy
    /// What an event does to what the sink keeps.
    let operation: (Event) -> Operation
    /// What it does to its user, where the sink is told of that.
    let userOperation: (Event) -> Operation
    let schedule: RetrySchedule
    let bounds: DeliveryBounds
    var generator: Generator

    var breaker: CircuitBreaker
    var window: DeliveryWindow
    /// The window's offsets that are not with the sink, by user.
    var line: DeliveryLine
    var parked: ParkedLanes
    /// Parked deliveries whose time has come, and whose entries are in `parkedEntries`.
    var parkedReady: [Offset] = []
    var parkedEntries: [Offset: JournalEntry] = [:]
    /// Lanes that wait behind a parked delivery and could not be parked themselves: there are too many.
    var held: [ParkedLanes.Lane] = []
    var settlement: PendingSettlement
    /// Users whose settle window is open; their lanes are stopped in line.
    var settling: SettlingLanes
    /// Users whose turn has not come, and others go on; their lanes are stopped in line.
    var deferred = WaitingLanes()
    var tripwire: Tripwire
    /// Deliveries that may have reached the destination, and nobody knows.
    var unknown: Set<Offset>

    private(set) var attempts: [Int: Attempt] = [:]
    /// Deliveries that are with the sink.
    private(set) var inFlight = 0
    var nextAttemptID = 0
    /// Attempts up to this one had begun when the breaker opened last.
    var lastBeforeOutage = 0
    /// The lanes of all attempts.
    var busy: Set<ParkedLanes.Lane> = []
    var strikes: [Offset: Strikes] = [:]
    /// Deliveries that the destination answered and that have ended.
    var successes = 0
    /// How many they were when an event was last found to fail alone.
    var lastPoison: Int?
    /// Nothing is delivered before this time: the sink has said that it is not its turn.
    var notBefore: Int64 = 0
    /// No batch that is not full begins before this time.
    var nextBatchAt: Int64 = 0

    /// How long the sink was away or held, as far as it was counted: the retry clock is that much behind.
    var stoodStill: Int64

    /// Where the read that is under way began.
    private var readUnderWay: Offset?
    /// Whether a page was read since the sink went away last.
    var hasReadSinceOutage = true
    private var parkedUnderWay: [Offset]?
    var hasNews = true
    var isStopping = false
    /// The time at which the machine will be woken up.
    private var wakeAsked: Int64?
    private(set) var lastNow: Int64 = .min

    init(
        lease: SinkLease, limits: SinkLimits, policy: DeliveryPolicy, generator: Generator,
        bounds: DeliveryBounds = DeliveryBounds(), after last: CircuitBreaker? = nil,
        operation: @escaping (Event) -> Operation = { $0.meaning.operation },
        userOperation: @escaping (Event) -> Operation = { $0.meaning.operation }
    ) {
        self.limits = limits
        self.policy = policy
        self.operation = operation
        self.userOperation = userOperation
        self.schedule = RetrySchedule(policy.retry)
        self.generator = generator
        self.bounds = bounds
        breaker = CircuitBreaker(hold: lease.hold, after: last)
        window = DeliveryWindow(lease, offsetsMax: bounds.windowMax)
        line = DeliveryLine(foldsUsers: limits.foldsUsers)
        parked = ParkedLanes(lease.parked)
        settlement = PendingSettlement(sink: lease.sink, epoch: lease.epoch, cursor: lease.cursor)
        settling = SettlingLanes(policy.settle?.duration)
        tripwire = Tripwire(
            limits: policy.limits, text: lease.limitCounts, exemptTo: lease.exemptTo, parked: lease.parked)
        unknown = lease.intents
        stoodStill = lease.stoodStill
        for lane in parked.blocked { line.stop(lane) }
    }

    /// Whether a stop that was asked for is complete: nothing in flight, everything settled.
    var isStopped: Bool { isStopping && attempts.isEmpty && settlement.isIdle }

    /// The entry of an offset that an attempt names.
    func entry(_ offset: Offset) -> JournalEntry? { window.entry(offset) ?? parkedEntries[offset] }

    // MARK: - What to do

    /// The next thing to do; nil where only events can change anything.
    mutating func nextAction(at now: Int64) -> Action? {
        clockReads(now)
        window.bytesMax = bounds.readAhead.share(foldsUsers: limits.foldsUsers)
        // There may be less room than when the last page came, and none that is to be waited for.
        if readUnderWay == nil, window.room == 0 { settling.isRead(to: .max) }
        breaker.timePassed(to: now)
        parkHeld()
        for lane in settling.takeDue(at: now) { line.go(lane) }
        for lane in deferred.takeDue(at: now) { release(lane) }
        if let settlement = nextSettlement() { return .settle(settlement) }
        if isStopping { return nil }
        if breaker.takePreparation() { return .prepare }
        if isDelivering {
            if let read = nextRead(at: now) { return read }
            if let attempt = nextAttempt(at: now) { return .deliver(attempt) }
            // The limits may have stopped the sink just now.
            if let settlement = nextSettlement() { return .settle(settlement) }
        }
        return nextWake(at: now).map { .wake(at: $0) }
    }

    /// What the wall clock says; that it was set is told by ``clockWasSet(by:to:)``.
    mutating func clockReads(_ now: Int64) {
        if lastNow == .min { boundLease(at: now) }
        lastNow = now
    }

    /// What a clock that was ahead has put into the lease waits and counts no longer than if it were of now.
    private mutating func boundLease(at now: Int64) {
        parked.bound(notBefore: now + schedule.delayMax.nanoseconds)
        tripwire.begins(at: now)
        breaker.begins(at: now)
        if breaker.openSince != nil { settlement.awayChanged() }
    }

    /// The wall clock was set, forward or back, and takes the times with it that were made before.
    ///
    /// - Parameters:
    ///   - step: In nanoseconds; negative where it was set back.
    ///   - now: What it says by now.
    mutating func clockWasSet(by step: Int64, to now: Int64) {
        guard lastNow > .min else { return }
        tripwire.clockWasSet(by: step)
        keepLimitCounts(at: now)
        breaker.clockWasSet(by: step)
        if breaker.openSince != nil { settlement.awayChanged() }
        settling.clockWasSet(by: step)
        deferred.clockWasSet(by: step)
        notBefore += step
        nextBatchAt += step
        wakeAsked? += step
        // While the sink is held the journal has the retries' time, and adds all of it by the same clock.
        if breaker.held == nil {
            for delivery in parked.clockWasSet(by: step, from: now - step) { settlement.change(delivery) }
        }
        lastNow = now
    }

    /// Whether something better to try may be on its way than what has gone wrong before.
    var readsForTrial: Bool { readUnderWay != nil && !hasReadSinceOutage }

    /// Whether deliveries may be under way at all.
    var isDelivering: Bool { breaker.state == .closed || breaker.state == .halfOpen }

    private mutating func nextSettlement() -> Settlement? {
        let (unknown, attempts) = (unknown, attempts)
        return settlement.take(window, awaySince: breaker.openSince) { offset in
            unknown.contains(offset) || attempts.values.contains { $0.offsets.contains(offset) }
        }
    }

    private mutating func nextRead(at now: Int64) -> Action? {
        if parkedUnderWay == nil, parkedReady.count < Self.parkedReadyMax {
            let due = parked.takeDue(
                at: now, limit: Self.parkedReadyMax - parkedReady.count,
                followers: gathers ? Self.groupMax - 1 : 0)
            if !due.isEmpty {
                parkedUnderWay = due
                return .readParked(due)
            }
        }
        // Only what may go counts: a user's backlog must not keep the others from being read.
        // While a page is read half of one may go, so that nothing has to wait for it; less where events
        // are large.
        let pageMax = max(limits.batchEventsMax, 16 * limits.concurrency)
        let isHungry =
            line.ready.count < limits.batchEventsMax * attemptsMax
            || (line.ready.count < pageMax / 2 && window.bytes < window.bytesMax / 4)
        let room = window.room
        guard readUnderWay == nil, hasNews, isHungry, room > 0 else { return nil }
        readUnderWay = window.readEnd
        hasNews = false
        return .read(
            after: window.readEnd,
            limit: ReadLimit(
                entries: min(room, pageMax),
                bytes: min(limits.batchBytesMax, max(1, window.bytesMax - window.bytes))
            )
        )
    }

    private mutating func nextWake(at now: Int64) -> Int64? {
        var times: [Int64?] =
            isDelivering
            ? [parked.earliest(), settling.earliest, deferred.earliest, notBefore, nextBatchAt] : []
        if case .open(let until, _) = breaker.state { times = [until] }
        // What is overdue waits for a read or a delivery, or for one of the times to come: it hides none. So
        // does a wake that is overdue, and on its way.
        let wake = times.compactMap(\.self).filter { $0 > now }.min()
        let asked = wakeAsked.flatMap { $0 > now ? $0 : nil } ?? .max
        guard let wake, wake < asked else { return nil }
        wakeAsked = wake
        return wake
    }

    // MARK: - Attempts

    /// Attempts at the same time, where the sink is known to work.
    var attemptsMax: Int { limits.concurrency + (limits.readiesNextBatch ? 1 : 0) }

    mutating func begin(_ attempt: Attempt) {
        attempts[attempt.id] = attempt
        inFlight += attempt.offsets.count
    }

    /// The attempt that has come back; nil where it is not with the sink.
    mutating func endAttempt(_ id: Int) -> Attempt? {
        guard let attempt = attempts.removeValue(forKey: id) else { return nil }
        inFlight -= attempt.offsets.count
        return attempt
    }

    // MARK: - What happened in the journal and to the worker

    mutating func newsArrived() { hasNews = true }

    /// The time that was asked for has come; by the wall clock perhaps not quite.
    mutating func wokeUp() { wakeAsked = nil }

    /// No more attempts begin; what is in flight is waited for.
    mutating func stop(at now: Int64) {
        isStopping = true
        countOutage(at: now)
    }

    mutating func pageRead(_ page: JournalPage) {
        let isCurrent = readUnderWay == window.readEnd
        readUnderWay = nil
        // The window was rewound meanwhile, and this page begins behind what has to be read again.
        guard isCurrent else { return hasNews = true }
        hasReadSinceOutage = true
        if !page.isAtHorizon { hasNews = true }
        let new = window.add(page)
        if page.isAtHorizon || window.room == 0 {
            settling.isRead(to: .max)
        } else if let last = page.entries.last {
            settling.isRead(to: last.event.receivedAt)
        }
        for entry in new {
            let lane = ParkedLanes.Lane(entry.event.subject, entry.offset)
            line.add(entry.offset, lane)
            if parked.isBlocked(lane) { parkBehind(lane) } else { gather(lane, entry) }
        }
        settlement.cursorMoved(window)
    }

    mutating func readFailed() {
        hasReadSinceOutage = true
        readUnderWay = nil
        hasNews = true
    }

    /// Entries that are no longer kept are dead letters: there is nothing left to deliver.
    mutating func parkedRead(_ entries: [JournalEntry], of offsets: [Offset], at now: Int64) {
        parkedUnderWay = nil
        for entry in entries where parked[entry.offset] != nil {
            parkedEntries[entry.offset] = entry
            parkedReady.append(entry.offset)
        }
        for offset in offsets where parkedEntries[offset] == nil && parked[offset] != nil {
            let lane = lane(offset)
            giveUp(offset, AttemptError(reason: "the event is no longer kept"), at: now)
            release(lane)
        }
    }

    mutating func readParkedFailed() {
        for offset in parkedUnderWay ?? [] { parked.giveBack(offset) }
        parkedUnderWay = nil
    }

    mutating func settleSucceeded() { for lane in settlement.succeeded() { release(lane) } }

    /// The settlement is kept and goes out again with what comes.
    mutating func settleFailed() { settlement.failed() }
}

/// How much one sink may have open.
struct DeliveryBounds {
    /// Offsets between the cursor and where reading has come to, and endings that are not recorded when
    /// nothing more begins: what is in flight by then comes on top.
    var windowMax = 4_096
    var readAhead = ReadAheadBudget()
}

extension [Offset] {
    /// Removes the offset where it is; the array is short and in no order.
    mutating func remove(at offset: Offset) {
        if let index = firstIndex(of: offset) { remove(at: index) }
    }
}
