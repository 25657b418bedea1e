public import Rules

/// The durable, append-only store of accepted events: the seam between the engine and where events are kept.
///
/// It is a log with a cursor per sink, not a queue of rows: an event is written once, whatever the number of
/// sinks. Nothing here assumes one process: offsets are opaque and only ordered, ``read(_:after:limit:)``
/// stops at the journal's stable horizon, and a settlement carries its lease's epoch and may be refused as
/// fenced. All verbs may be called from any task, and none of them blocks a thread that tasks share.
public protocol Journal: Sendable {
    /// Commits events with their routes, and what has to be quarantined, in one durable transaction.
    ///
    /// `answer` is called once, after the fsync or with the reason there was none, on a thread that it must
    /// not keep. Events whose `(org, id)` is known already are left out and counted.
    func append(
        _ submission: Submission, answer: @escaping @Sendable (Result<AppendReceipt, JournalError>) -> Void)

    /// Takes a sink over: from now on settlements of earlier leases are fenced. A sink the journal does not
    /// know starts at the log's end.
    func lease(_ sink: String) async throws(JournalError) -> SinkLease

    /// Entries routed to the sink, by ascending offset, up to the stable horizon.
    func read(
        _ sink: String, after offset: Offset, limit: ReadLimit
    ) async throws(JournalError) -> JournalPage

    /// The entries at these offsets that still exist, by ascending offset; for deliveries that were parked.
    func read(_ sink: String, at offsets: [Offset]) async throws(JournalError) -> [JournalEntry]

    /// What a sink was told of these users so far; users it does not know are left out.
    func states(_ sink: String, of subjects: [Subject]) async throws(JournalError) -> [Subject: FoldState]

    /// Records durably that these deliveries are about to be sent to a destination that must not get them
    /// twice; settling or parking them ends it.
    ///
    /// Those that a later lease still has among its ``SinkLease/intents`` were sent or not: nobody knows.
    func intend(_ sink: String, epoch: Int64, _ offsets: [Offset]) async throws(JournalError)

    /// Records what became of deliveries and moves the cursor, in one durable transaction.
    ///
    /// Where the sink was moved, paused or resumed since the lease, what holds there
    /// (``Settlement/held(at:)``) is recorded and returned; ``JournalError/moved`` is thrown where there is
    /// no place of that name any more.
    func record(_ settlement: Settlement) async throws(JournalError) -> SettleResult

    /// Yields whenever entries may have appeared behind an earlier ``read(_:after:limit:)``; it never misses
    /// one, and may yield too often. Ends when the journal closes.
    func news() -> AsyncStream<Void>

    /// Commits what is under way and lets go of the files. Later calls throw ``JournalError/closed``.
    func close() async
}

extension Journal {
    /// The same for a task that waits; cancelling it neither stops nor undoes the commit.
    public func append(_ submission: Submission) async throws(JournalError) -> AppendReceipt {
        let result: Result<AppendReceipt, JournalError> = await withCheckedContinuation { continuation in
            append(submission) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }
}

/// Why the journal could not do what it was asked.
public enum JournalError: Error, Sendable, Equatable {
    /// Nothing was committed, and nothing will be until a person or time helps: disk full, I/O error.
    case cannotCommit(reason: String)
    case closed
    /// Another lease on the sink is newer.
    case fenced
    /// The sink's place in the journal was changed since it was leased, by an operator or because it stayed
    /// behind too long, or it was paused or resumed: settle what is in flight, and lease it again.
    case moved
    /// The file cannot be used as it is: a newer version's, damaged, in use by another relay.
    case unusable(reason: String)

    public var reason: String {
        switch self {
        case .cannotCommit(let reason), .unusable(let reason): reason
        case .closed: "the journal is closed"
        case .fenced: "another relay has taken this sink over"
        case .moved: "the sink's place in the journal was changed"
        }
    }
}

/// What one request hands to the journal.
public struct Submission: Sendable {
    public struct RoutedEvent: Sendable {
        public let event: Event
        public let route: Route
        /// The replay that brings a stored event anew, as a delivery entry that is nobody's duplicate; nil
        /// for an event's first way through.
        public let replay: String?

        public init(event: Event, route: Route, replay: String? = nil) {
            self.event = event
            self.route = route
            self.replay = replay
        }
    }

    public var events: [RoutedEvent]
    public var quarantined: [QuarantinedInput]

    public init(events: [RoutedEvent] = [], quarantined: [QuarantinedInput] = []) {
        self.events = events
        self.quarantined = quarantined
    }
}

/// Bytes that came in authenticated and could not be accepted as an event.
public struct QuarantinedInput: Sendable {
    public let hook: String
    /// A phrase from a closed list, such as `no uuid`.
    public let reason: String
    public let bytes: [UInt8]
    /// Nanoseconds since 1970.
    public let receivedAt: Int64

    public init(hook: String, reason: String, bytes: [UInt8], receivedAt: Int64) {
        self.hook = hook
        self.reason = reason
        self.bytes = bytes
        self.receivedAt = receivedAt
    }
}

/// What became of a submission.
public struct AppendReceipt: Sendable, Equatable {
    public let accepted: Int
    public let duplicates: Int
    public let unrouted: Int
    public let quarantined: Int

    public init(accepted: Int, duplicates: Int, unrouted: Int, quarantined: Int) {
        self.accepted = accepted
        self.duplicates = duplicates
        self.unrouted = unrouted
        self.quarantined = quarantined
    }
}

/// How much one read may return.
public struct ReadLimit: Sendable, Equatable {
    public let entries: Int
    /// Of memory that the events take (``Event/footprint``); a first entry that is larger is returned alone.
    public let bytes: Int

    public init(entries: Int, bytes: Int) {
        self.entries = entries
        self.bytes = bytes
    }
}

/// One event as a sink finds it in the journal.
public struct JournalEntry: Sendable {
    public let offset: Offset
    public let event: Event
    /// The rule that chose the sink.
    public let rule: String
    /// The replay that made this entry; nil for an event's first way through.
    public let replay: String?

    public init(offset: Offset, event: Event, rule: String, replay: String? = nil) {
        self.offset = offset
        self.event = event
        self.rule = rule
        self.replay = replay
    }
}

/// What a read found.
public struct JournalPage: Sendable {
    public let entries: [JournalEntry]
    /// Nothing else is routed to the sink up to here: where the next read goes on.
    public let end: Offset
    /// Whether the read stopped at the stable horizon, and not at its limit.
    public let isAtHorizon: Bool

    public init(entries: [JournalEntry], end: Offset, isAtHorizon: Bool) {
        self.entries = entries
        self.end = end
        self.isAtHorizon = isAtHorizon
    }
}
