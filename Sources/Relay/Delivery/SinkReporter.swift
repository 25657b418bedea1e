import Logging

/// Tells the world how one sink is doing: metrics, the board that the admin side reads, and the log.
struct SinkReporter {
    private let sink: String
    private let metrics: RelayMetrics
    private let board: SinkBoard
    private let logger: Logger
    private var last = LiveSinkState(state: .closed, since: 0)
    /// What the log was told last of a sink that is away; nil since it was back.
    private var told: (state: BreakerState, at: Int64)?
    /// What holds the sink, as the journal has it.
    ///
    /// Limits that are exceeded stop a sink at once, and hold it when that is recorded: where a person has
    /// decided something meanwhile, it never is.
    var hold: SinkHold?

    /// While a sink stays away, the log says so again this often, and not at each probe.
    private static let reminder = Duration.seconds(3_600)

    init(sink: String, metrics: RelayMetrics, board: SinkBoard, logger: Logger) {
        self.sink = sink
        self.metrics = metrics
        self.board = board
        self.logger = logger
    }

    /// A settlement has committed.
    mutating func settled(_ settlement: Settlement) {
        hold = settlement.hold ?? hold
        metrics.settled(
            sink: sink,
            outcomes: settlement.outcomes,
            retried: settlement.retries,
            dead: settlement.deadLetters.count
        )
        for letter in settlement.deadLetters {
            logger.warning(
                "event dead-lettered",
                metadata: [
                    "offset": "\(letter.offset)", "attempts": "\(letter.failures.last?.number ?? 0)",
                    "reason": "\(letter.failures.last?.reason ?? "")",
                ]
            )
        }
    }

    /// Shows where the sink is now; of a hold that the journal does not have, nothing.
    mutating func isAt(_ breaker: CircuitBreaker, inFlight: Int, now: Int64) {
        guard breaker.held == hold else {
            last.inFlight = inFlight
            return board.update(sink, last)
        }
        let state = BreakerState(breaker.state)
        let hasChanged = state != last.state || last.since == 0
        if hasChanged { announce(state, breaker, at: now) }
        last = LiveSinkState(
            state: state,
            reason: breaker.reason,
            since: hold?.since ?? (hasChanged ? now : last.since),
            inFlight: inFlight
        )
        board.update(sink, last)
        metrics.breaker(sink: sink, state)
    }

    /// The journal takes no more settlements for this sink.
    func isShutOut(_ error: JournalError, now: Int64) {
        let reason = error.reason
        logger.error("nothing more is delivered to this sink", metadata: ["reason": "\(reason)"])
        board.update(sink, LiveSinkState(state: .ended, reason: reason, since: now))
        metrics.breaker(sink: sink, .ended)
    }

    private mutating func announce(_ state: BreakerState, _ breaker: CircuitBreaker, at now: Int64) {
        let reason: Logger.Metadata = ["reason": "\(breaker.reason ?? "")"]
        switch state {
        case .open, .misconfigured:
            if let told, told.state == state, now - told.at < Self.reminder.nanoseconds { return }
            told = (state, now)
        case .closed, .paused, .tripped, .ended: told = nil
        case .halfOpen: break
        }
        switch state {
        case .open: logger.warning("sink is unavailable; its events wait", metadata: reason)
        case .misconfigured:
            logger.error("sink cannot work as it is configured; its events wait", metadata: reason)
        case .closed where last.since != 0: logger.info("sink is available")
        case .paused: logger.notice("sink is paused; its events wait until it is resumed", metadata: reason)
        case .tripped:
            logger.error(
                "the sink's limits have stopped it; its events wait until it is resumed", metadata: reason)
        case .closed, .halfOpen, .ended: break
        }
    }
}

extension BreakerState {
    init(_ state: CircuitBreaker.State) {
        self =
            switch state {
            case .closed: .closed
            case .halfOpen, .preparing: .halfOpen
            case .open(_, let isMisconfigured): isMisconfigured ? .misconfigured : .open
            case .held(let hold): hold.kind == .paused ? .paused : .tripped
            }
    }
}
