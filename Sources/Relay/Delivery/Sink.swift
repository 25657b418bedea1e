public import Rules

/// A destination that commits batches: the seam between the delivery engine and SQLite, PostgreSQL and
/// HTTP.
///
/// The engine calls ``prepare()`` until it succeeds, then ``deliver(_:)`` with at most
/// ``SinkLimits/concurrency`` calls at a time, never two at a time with the same subject, each after
/// ``takeTurn(_:)`` of the same batch, and ``shutdown()`` once at the end. No call blocks a thread that
/// tasks share.
public protocol Sink: Sendable {
    /// As the config file names it.
    var name: String { get }
    var limits: SinkLimits { get }

    /// Connects, and creates or checks what deliveries need.
    ///
    /// Called again after it failed, and by the next worker where one sink outlives its worker.
    func prepare() async throws(SinkError)

    /// Asks whether a batch may be delivered now, before anything of it is recorded as about to be sent.
    ///
    /// - Returns: Nil: its turn is taken. Else who waits, and how long, before it is asked for again; nothing
    ///   of the batch counts as tried.
    /// - Throws: Where the sink can deliver nothing now; nothing was sent, so it speaks against no event.
    func takeTurn(_ batch: [Delivery]) async throws(SinkError) -> Deferral?

    /// Delivers a batch, in its order where order matters, and gives one receipt per delivery, in any
    /// order.
    ///
    /// What a receipt calls delivered is durable at the destination. After an error nothing of the batch
    /// counts as delivered: the engine gives all of it again, so deliveries must be idempotent.
    func deliver(_ batch: [Delivery]) async throws(SinkError) -> [Receipt]

    /// What an event does to what the sink keeps: what its limits count.
    func operation(of event: Event) -> Operation

    /// What an event does to its user, where the sink is told of that: what receipts of removals are kept by.
    ///
    /// `none` where the sink keeps other things than users, and an event of theirs has no effect on it.
    func userOperation(of event: Event) -> Operation

    /// Whether the destination must not get this delivery twice, and would not know it again.
    ///
    /// Before such a one is sent the engine records that it will be, so that after a crash it comes with
    /// ``Delivery/isOutcomeUnknown``.
    func mustNotRepeat(_ delivery: Delivery) -> Bool

    /// Looks whether the destination can be used, without delivering anything.
    func probe() async throws(SinkError)

    /// Lets go of connections; no other call comes after it.
    func shutdown() async
}

extension Sink {
    /// What it does to its user.
    public func operation(of event: Event) -> Operation { event.meaning.operation }

    public func userOperation(of event: Event) -> Operation { event.meaning.operation }

    public func mustNotRepeat(_ delivery: Delivery) -> Bool { false }

    public func takeTurn(_ batch: [Delivery]) async throws(SinkError) -> Deferral? { nil }
}

/// Who waits where it is not a batch's turn, and for how long.
public enum Deferral: Sendable, Equatable {
    /// Nothing goes to the sink.
    case everybody(Duration)
    /// Only the users of the batch wait, and others go on.
    case itsUsers(Duration)
}

/// How much a sink takes at once.
public struct SinkLimits: Sendable, Equatable {
    /// Deliveries in one batch.
    public var batchEventsMax: Int
    /// Bytes of event bodies in one batch; a single larger event is a batch of its own.
    public var batchBytesMax: Int
    /// Calls of `deliver` at the same time.
    public var concurrency: Int
    /// Whether one batch more is made ready while a call is under way, once it is full: what is not full goes
    /// on gathering.
    ///
    /// Calls are made one after another then, in the order in which the batches were made; ``concurrency``
    /// is 1.
    public var readiesNextBatch: Bool
    /// From when a batch begins until the next one that is not full does: what comes meanwhile goes together.
    ///
    /// The first after a while goes at once.
    public var batchInterval: Duration
    /// Whether several events of one user may stand in one batch, in order.
    ///
    /// Such a sink has to bear that some of them come again. Any other gets a user's next event once it is
    /// recorded what became of the one before, so that no crash repeats that one behind it.
    public var foldsUsers: Bool
    /// Whether the engine keeps a ``FoldState`` per user for this sink; not for one that folds them itself.
    public var keepsState: Bool

    public init(
        batchEventsMax: Int,
        batchBytesMax: Int = 8 * 1024 * 1024,
        concurrency: Int,
        readiesNextBatch: Bool = false,
        batchInterval: Duration = .zero,
        foldsUsers: Bool,
        keepsState: Bool
    ) {
        self.batchEventsMax = batchEventsMax
        self.batchBytesMax = batchBytesMax
        self.concurrency = concurrency
        self.readiesNextBatch = readiesNextBatch
        self.batchInterval = batchInterval
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
    /// Events of the same user that are delivered with this one and come before it, the oldest first: only
    /// what all of them come to is for the destination.
    public let earlier: [Event]
    /// Whether it may have been delivered before, and nobody knows; only where ``Sink/mustNotRepeat(_:)``
    /// said that it matters.
    public let isOutcomeUnknown: Bool

    public init(
        offset: Offset, event: Event, rule: String, attempt: Int, replay: String? = nil,
        state: FoldState? = nil, earlier: [Event] = [], isOutcomeUnknown: Bool = false
    ) {
        self.offset = offset
        self.event = event
        self.rule = rule
        self.attempt = attempt
        self.replay = replay
        self.state = state
        self.earlier = earlier
        self.isOutcomeUnknown = isOutcomeUnknown
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
    /// The HTTP status that the destination gave; nil where it gave none.
    public let status: Int?
    /// Whether the destination may have done it all the same; with `retry` the next attempt has
    /// ``Delivery/isOutcomeUnknown``.
    public let isOutcomeUnknown: Bool
    /// What it shows of the destination, whatever became of the event.
    public let contact: Contact

    /// What is known of a destination from one delivery.
    public enum Contact: Sendable, Equatable {
        /// It was asked, and it works: it has judged this delivery.
        case answered
        /// It was not asked: the event, or what is known of its user, decided.
        case notAsked
        /// It was asked, and nothing can be delivered now.
        case failed(SinkError)
    }

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
        /// It turned out not to be its turn: nothing was sent, its user waits for so long, and this is no
        /// attempt.
        case deferred(Duration)
    }

    /// Whether the destination may have done it although the outcome does not say so: it gave no answer, or
    /// failed in the midst of it.
    var leavesOpen: Bool {
        switch (outcome, contact) {
        case (.delivered, _), (.superseded, _), (.skipped, _), (.deferred, _), (_, .notAsked): false
        case (.retry, _): Self.leavesOpen(status)
        case (.rejected, .failed): true
        case (.rejected, .answered): isOutcomeUnknown
        }
    }

    /// Whether it may have been done by a destination that gave this status and has to be asked again.
    static func leavesOpen(_ status: Int?) -> Bool { status.map { $0 >= 500 } ?? true }

    public init(
        offset: Offset, _ outcome: Outcome, state: FoldState? = nil, detail: String? = nil,
        status: Int? = nil, isOutcomeUnknown: Bool = false, contact: Contact = .answered
    ) {
        self.contact = contact
        self.isOutcomeUnknown = isOutcomeUnknown
        self.offset = offset
        self.outcome = outcome
        self.state = state
        self.detail = detail
        self.status = status
    }
}

/// Why nothing can be delivered now.
///
/// The reasons are for a person, and hold no secret and no user data.
public enum SinkError: Error, Sendable, Equatable {
    /// The destination cannot be reached, or asks for a pause: the cursor waits.
    ///
    /// The status is HTTP's, where one was given.
    case unavailable(reason: String, retryAfter: Duration? = nil, status: Int? = nil)
    /// It can be reached and will refuse everything until a person changes something.
    case misconfigured(reason: String)

    public var reason: String {
        switch self {
        case .unavailable(let reason, _, _), .misconfigured(let reason): reason
        }
    }

    /// How long the destination asks to be left alone.
    public var retryAfter: Duration? {
        if case .unavailable(_, let retryAfter, _) = self { retryAfter } else { nil }
    }

    /// The HTTP status that the destination gave.
    public var status: Int? {
        if case .unavailable(_, _, let status) = self { status } else { nil }
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
