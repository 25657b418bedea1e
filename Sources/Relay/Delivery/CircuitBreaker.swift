/// Whether a sink may be delivered to: the one place where *unavailable* lives.
///
/// ```
/// preparing ──ok──▶ halfOpen ──one delivery ok──▶ closed
///     ▲                │                            │
///     └── time is up ──┴── unavailable ◀────────────┘
///          (open)
/// ```
///
/// A sink that is *held*, by a person or by its limits, stays so until its next lease: nothing is tried.
///
/// Pure: time and randomness come in as arguments.
struct CircuitBreaker {
    enum State: Equatable {
        /// Deliveries flow.
        case closed
        /// One delivery is tried, and no other.
        case halfOpen
        /// The sink's `prepare` is due, or runs.
        case preparing(isRunning: Bool)
        /// Nothing is tried before this time, in nanoseconds since 1970.
        case open(until: Int64, isMisconfigured: Bool)
        /// Nothing is tried until a person resumes the sink.
        case held(SinkHold)
    }

    /// A sink that can never work as it is gets looked at this often: a rotated password heals itself.
    static let misconfiguredRetry = Duration.seconds(60)
    /// The delay before a probe grows with this many failures and no further, to 16 times `retry.initial`: a
    /// sink that was away for hours must not wait for minutes once it is back.
    static let growingFailures = 5

    private(set) var state: State
    /// Why only a person can have it go on; nil where it is not so.
    var held: SinkHold? { if case .held(let hold) = state { hold } else { nil } }
    /// Why it is not closed; nil when it is.
    private(set) var reason: String?
    /// Failures since it was last closed.
    private(set) var failures = 0
    /// Since when it is not closed, as far as ``takeOutage(at:)`` has not counted; nanoseconds since 1970.
    private(set) var openSince: Int64?

    /// - Parameters:
    ///   - hold: What the sink's lease says.
    ///   - last: The one of this process's lease before. A sink that was away then is prepared now, and still
    ///     has to show with one delivery that it is back.
    init(hold: SinkHold? = nil, after last: CircuitBreaker? = nil) {
        state = hold.map(State.held) ?? .preparing(isRunning: false)
        reason = hold?.reason
        guard hold == nil, let last, last.failures > 0 else { return }
        // Whoever resumes a sink has it begin anew.
        if last.held != nil { return }
        (failures, reason, openSince) = (last.failures, last.reason, last.openSince)
    }

    /// The sink's limits have stopped it.
    ///
    /// How long that lasts is counted by the journal, for it may be many restarts long; so an outage
    /// before it has to be taken first.
    mutating func hold(_ hold: SinkHold) {
        state = .held(hold)
        reason = hold.reason
        openSince = nil
    }

    /// Answers once whether `prepare` is to be called now.
    mutating func takePreparation() -> Bool {
        guard state == .preparing(isRunning: false) else { return false }
        state = .preparing(isRunning: true)
        return true
    }

    mutating func prepared() {
        guard case .preparing = state else { return }
        state = failures == 0 ? .closed : .halfOpen
        if state == .closed { reason = nil }
    }

    /// A delivery came back with receipts.
    mutating func succeeded() {
        guard state == .halfOpen else { return }
        state = .closed
        reason = nil
        failures = 0
    }

    /// A delivery or a preparation did not work.
    ///
    /// While it is open nothing counts: eight requests that fail together are one failure.
    mutating func failed(_ error: SinkError, at now: Int64, delay: (_ failures: Int, Duration?) -> Duration) {
        switch state {
        case .open, .held: return
        case .closed, .halfOpen, .preparing: break
        }
        failures += 1
        reason = error.reason
        openSince = openSince ?? now
        switch error {
        case .unavailable(_, let retryAfter, _):
            let delay = delay(min(failures, Self.growingFailures), retryAfter)
            state = .open(until: now + delay.nanoseconds, isMisconfigured: false)
        case .misconfigured:
            state = .open(until: now + Self.misconfiguredRetry.nanoseconds, isMisconfigured: true)
        }
    }

    /// For how long the sink had been unavailable since the last call; counted until a delivery closes it.
    mutating func takeOutage(at now: Int64) -> Duration? {
        guard let since = openSince else { return nil }
        openSince = state == .closed ? nil : now
        return .nanoseconds(max(0, now - since))
    }

    mutating func timePassed(to now: Int64) {
        if case .open(let until, _) = state, until <= now { state = .preparing(isRunning: false) }
    }

    /// A lease begins: up to here the journal has counted how long the sink was away.
    mutating func begins(at now: Int64) {
        if openSince != nil { openSince = now }
    }

    /// The wall clock was set; nothing waits longer or shorter for that.
    mutating func clockWasSet(by nanoseconds: Int64) {
        openSince? += nanoseconds
        if case .open(let until, let isMisconfigured) = state {
            state = .open(until: until + nanoseconds, isMisconfigured: isMisconfigured)
        }
    }
}
