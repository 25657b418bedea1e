/// A destination that commits batches: the seam between the delivery engine and SQLite, PostgreSQL and
/// HTTP.
///
/// The engine calls ``prepare()`` until it succeeds, then ``deliver(_:)`` with at most
/// ``SinkLimits/concurrency`` calls at a time, never two at a time with the same subject, and ``shutdown()``
/// once at the end. No call blocks a thread of Swift's shared pool.
public protocol Sink: Sendable {
    /// As the config file names it.
    var name: String { get }
    var limits: SinkLimits { get }

    /// Connects, and creates or checks what deliveries need.
    ///
    /// Called again after it failed, and by the next worker where one sink outlives its worker.
    func prepare() async throws(SinkError)

    /// Delivers a batch, in its order where order matters, and gives one receipt per delivery, in any
    /// order.
    ///
    /// What a receipt calls delivered is durable at the destination. After an error nothing of the batch
    /// counts as delivered: the engine gives all of it again, so deliveries must be idempotent.
    func deliver(_ batch: [Delivery]) async throws(SinkError) -> [Receipt]

    /// Looks whether the destination can be used, without delivering anything.
    func probe() async throws(SinkError)

    /// Lets go of connections; no other call comes after it.
    func shutdown() async
}

/// How much a sink takes at once.
public struct SinkLimits: Sendable, Equatable {
    /// Deliveries in one batch.
    public var batchEventsMax: Int
    /// Bytes of event bodies in one batch; a single larger event is a batch of its own.
    public var batchBytesMax: Int
    /// Calls of `deliver` at the same time.
    public var concurrency: Int
    /// Whether several events of one user may stand in one batch, in order.
    public var foldsUsers: Bool
    /// Whether the engine keeps a ``FoldState`` per user for this sink.
    public var keepsState: Bool

    public init(
        batchEventsMax: Int,
        batchBytesMax: Int = 8 * 1024 * 1024,
        concurrency: Int,
        foldsUsers: Bool,
        keepsState: Bool
    ) {
        self.batchEventsMax = batchEventsMax
        self.batchBytesMax = batchBytesMax
        self.concurrency = concurrency
        self.foldsUsers = foldsUsers
        self.keepsState = keepsState
    }
}

/// The obligation to bring one event to one sink, as it is handed over for one attempt.
public struct Delivery: Sendable {
    /// The entry's place in the journal.
    public let offset: Offset
    public let event: Event
    /// The rule that chose the sink.
    public let rule: String
    /// From 1.
    public let attempt: Int
    /// The replay that made this delivery anew; nil for an event's first way through.
    public let replay: String?
    /// What this sink was told of the user so far, where ``SinkLimits/keepsState`` asks for it.
    public let state: FoldState?

    public init(
        offset: Offset, event: Event, rule: String, attempt: Int, replay: String? = nil,
        state: FoldState? = nil
    ) {
        self.offset = offset
        self.event = event
        self.rule = rule
        self.attempt = attempt
        self.replay = replay
        self.state = state
    }
}

/// A sink's account of one delivery.
public struct Receipt: Sendable, Equatable {
    public let offset: Offset
    public let outcome: Outcome
    /// The state to keep for the user, where ``SinkLimits/keepsState`` asks for it and it changed.
    public let state: FoldState?
    /// What an operator may want to see: an HTTP status, a remote id.
    ///
    /// No user data.
    public let detail: String?

    public enum Outcome: Sendable, Equatable {
        case delivered
        /// A newer event had been there.
        case superseded
        /// A condition of the sink left it out, for this reason.
        case skipped(String)
        /// Worth another attempt, not before the delay where the destination gave one.
        case retry(after: Duration?, reason: String)
        /// The destination refuses this event for good: a dead letter.
        case rejected(reason: String)
    }

    public init(offset: Offset, _ outcome: Outcome, state: FoldState? = nil, detail: String? = nil) {
        self.offset = offset
        self.outcome = outcome
        self.state = state
        self.detail = detail
    }
}

/// Why nothing can be delivered now.
///
/// The reasons are for a person, and hold no secret and no user data.
public enum SinkError: Error, Sendable, Equatable {
    /// The destination cannot be reached, or asks for a pause: the cursor waits.
    case unavailable(reason: String, retryAfter: Duration? = nil)
    /// It can be reached and will refuse everything until a person changes something.
    case misconfigured(reason: String)

    public var reason: String {
        switch self {
        case .unavailable(let reason, _), .misconfigured(let reason): reason
        }
    }
}

/// A sink whose rows can be looked at, for the admin side's `/sinks/{name}/rows`.
public protocol RowBrowsing: Sink {
    /// Rows as a JSON array of objects, by ascending key.
    ///
    /// - Parameters:
    ///   - after: The `next` of the page before; nil starts at the first row.
    ///   - limit: 1 to 1,000.
    func rows(after: String?, limit: Int) async throws(SinkError) -> RowPage
}

/// One page of a sink's rows.
public struct RowPage: Sendable {
    /// A JSON array of objects.
    public let rows: [UInt8]
    /// Where the next page starts; nil behind the last row.
    public let next: String?

    public init(rows: [UInt8], next: String?) {
        self.rows = rows
        self.next = next
    }
}
