public import Rules

/// What has a name that filters go by.
public enum NamedKind: String, Sendable {
    case sink, rule, hook, org
}

/// What an operator can ask of operations, and of users that are gone.
public protocol OperationsInspection: Sendable {
    /// Those that the filter names, newest first.
    ///
    /// - Parameters:
    ///   - id: Only those that come behind that replay; nil starts at the newest.
    ///   - limit: 1 to 1,001.
    func replays(
        _ filter: ReplayListFilter, before id: String?, limit: Int
    ) async throws(JournalError) -> [Replay]
    func replay(id: String) async throws(JournalError) -> Replay?
    /// Replays that are not done, oldest first.
    func unfinishedReplays() async throws(JournalError) -> [Replay]
    /// Whether what a replay appends costs nobody what waits for them.
    func hasRoomForReplays() async throws(JournalError) -> Bool

    /// What became of a user's deactivations and deletions, and what of theirs is dead or waits.
    ///
    /// - Parameters:
    ///   - place: Where a page goes on; nil begins.
    ///   - limit: Records of each of these kinds.
    ///   - lookedAtMax: Stored events that wait and are looked through for the user, the newest first.
    func history(
        _ filter: HistoryFilter, before place: HistoryPlace?, limit: Int, lookedAtMax: Int
    ) async throws(JournalError) -> UserHistory

    /// What a sink was told of users, as far as it keeps that.
    func states(
        _ sink: String, of subjects: [Subject]
    ) async throws(JournalError) -> [Subject: FoldState]

    /// What each settle recorded, newest first, for as long as receipts are kept.
    func settlements(
        _ filter: ReceiptFilter, _ page: PageRequest
    ) async throws(JournalError) -> [SettlementRecord]

    /// What is kept of single deliveries, newest first.
    func receipts(
        _ filter: ReceiptFilter, _ page: PageRequest
    ) async throws(JournalError) -> [ReceiptRecord]

    /// What operators did, newest first.
    func operations(
        _ filter: OperationFilter, _ page: PageRequest
    ) async throws(JournalError) -> [OperationRecord]

    /// What waits for a sink, by what it does to its user; nil where the journal does not know the sink.
    ///
    /// - Parameter lookedAtMax: Stored events that are looked at, the oldest first.
    func waiting(_ sink: String, lookedAtMax: Int) async throws(JournalError) -> WaitingCount?

    /// What a seek would do; nil where the journal does not know the sink.
    func seekPreview(_ sink: String, to offset: Offset) async throws(JournalError) -> SeekReport?

    /// What a drop would do; nil where the journal does not know the sink.
    func dropPreview(_ sink: String) async throws(JournalError) -> DropPreview?

    /// The offset before the first event that was received at an instant or later; the last one where none
    /// was.
    func offset(before receivedAt: Int64) async throws(JournalError) -> Offset

    /// The names of this kind that records have, of today's config or of an earlier one.
    func names(of kind: NamedKind) async throws(JournalError) -> Set<String>

    /// Where the events of a time lie in the log, those of replays left out; without an end, up to its end.
    func span(since: Int64, until: Int64?) async throws(JournalError) -> EventSpan

    /// Whether all entries of a part of the log are kept.
    ///
    /// Where they are not, it is not known whether those that are gone were of that time, or what a replay
    /// had sent again.
    func isWhole(_ span: EventSpan) async throws(JournalError) -> Bool
}

/// A part of the log.
public struct EventSpan: Sendable, Equatable {
    /// Nothing up to here belongs to it.
    public let after: Offset
    /// Nothing behind it does.
    public let last: Offset
    /// The journal's last entry.
    public let horizon: Offset

    public init(after: Offset, last: Offset, horizon: Offset) {
        self.after = after
        self.last = last
        self.horizon = horizon
    }
}

/// What is known of a user, and how far that goes.
public struct UserHistory: Sendable, Equatable {
    /// Removals that are settled, then dead letters, then what waits; of each kind the newest, newest first.
    public var records: [HistoryRecord]
    /// Where the next page goes on; nil where there is no more of any kind.
    public var next: HistoryPlace?
    public var waiting: WaitingLook
    /// What sinks will never get, of which some may have been about the user; by the sink's name.
    public var givenUp: [GivenUpEntries]
    /// Receipts of before are not kept any more, in nanoseconds since 1970; nil where all are that ever were.
    public var receiptsSince: Int64?

    public init(
        records: [HistoryRecord], next: HistoryPlace? = nil, waiting: WaitingLook, givenUp: [GivenUpEntries],
        receiptsSince: Int64? = nil
    ) {
        self.records = records
        self.next = next
        self.waiting = waiting
        self.givenUp = givenUp
        self.receiptsSince = receiptsSince
    }
}

/// Where a page of a user's history goes on: with records of smaller ids, each kind by its own.
public struct HistoryPlace: Sendable, Equatable, CustomStringConvertible {
    let receipt: Int64
    let deadLetter: Int64
    /// Of what waits.
    let offset: Int64

    static let newest = HistoryPlace(receipt: .max, deadLetter: .max, offset: .max)
    static let oldest = HistoryPlace(receipt: 0, deadLetter: 0, offset: 0)

    init(receipt: Int64, deadLetter: Int64, offset: Int64) {
        self.receipt = receipt
        self.deadLetter = deadLetter
        self.offset = offset
    }

    /// As ``description`` writes it; nil where the text is none.
    public init?(_ text: String) {
        let ids = text.split(separator: ".", omittingEmptySubsequences: false).map { Int64($0) ?? -1 }
        guard ids.count == 3, ids.allSatisfy({ $0 >= 0 }) else { return nil }
        self.init(receipt: ids[0], deadLetter: ids[1], offset: ids[2])
    }

    public var description: String { "\(receipt).\(deadLetter).\(offset)" }
}

/// How much of what waits was looked through.
public struct WaitingLook: Sendable, Equatable {
    /// Enough for a day of a large org, and about a second.
    public static let eventsMax = 50_000

    /// Stored events.
    public var lookedAt: Int
    /// Sinks of which something older waits that was not looked at.
    public var notLookedAt: [String]

    public init(lookedAt: Int = 0, notLookedAt: [String] = []) {
        self.lookedAt = lookedAt
        self.notLookedAt = notLookedAt
    }
}

/// All that a sink was not given, together.
public struct GivenUpEntries: Sendable, Equatable {
    public let sink: String
    public let entries: Int
    /// `since` and `until` of a replay that spans all of them; nanoseconds since 1970.
    public let replaySpan: ClosedRange<Int64>

    public init(sink: String, entries: Int, replaySpan: ClosedRange<Int64>) {
        self.sink = sink
        self.entries = entries
        self.replaySpan = replaySpan
    }
}

/// What waits for a sink.
public struct WaitingCount: Sendable, Equatable {
    /// Why nothing is delivered; nil where the sink is not held.
    public let hold: SinkHold?
    public let waiting: Int
    /// Of these, the oldest ones that were looked at.
    public var lookedAt = 0
    /// What those that were looked at do to their users.
    public var operations: [Operation: Int] = [:]
}

/// What goes with a sink.
public struct DropPreview: Sendable, Equatable {
    public let waiting: Int
    public let deadLetters: Int
    /// Rows that are deleted one by one: dead letters, attempts, what is parked, what is known of users.
    public let rows: Int
}

/// One delivery of a user's, as far as it is still known.
public struct HistoryRecord: Sendable, Equatable {
    /// How a delivery ended, or that it has not.
    public enum Outcome: Sendable, Equatable {
        case settled(SettledOutcome)
        case dead
        case waiting
        /// It has ended, and the journal is damaged where it says how.
        case unreadable

        /// As `history` words it.
        public var word: String {
            switch self {
            case .settled(let outcome): outcome.rawValue
            case .dead: "dead letter"
            case .waiting: "waiting"
            case .unreadable: "unreadable"
            }
        }
    }

    /// When it ended, or came in where it waits; nanoseconds since 1970.
    public let at: Int64
    public let sink: String
    public let outcome: Outcome
    /// Nil where only the operation is known.
    public let eventType: String?
    public let operation: String?
    public let org: String
    public let eventID: String
    /// The destination's answer, or the last error.
    public let detail: String?

    public init(
        at: Int64, sink: String, outcome: Outcome, eventType: String?, operation: String?, org: String,
        eventID: String, detail: String?
    ) {
        self.at = at
        self.sink = sink
        self.outcome = outcome
        self.eventType = eventType
        self.operation = operation
        self.org = org
        self.eventID = eventID
        self.detail = detail
    }
}

/// One thing that an operator did.
public struct OperationRecord: Sendable, Equatable {
    public let id: Int64
    /// Nanoseconds since 1970.
    public let at: Int64
    /// Such as `sinks pause`.
    public let command: String
    /// Nil where it was not about one sink.
    public let sink: String?
    /// A JSON object; no user data.
    ///
    /// Nil where the journal is damaged there.
    public let detail: String?
    /// Entries or records that it dealt with.
    public let entries: Int

    public init(id: Int64, at: Int64, command: String, sink: String?, detail: String?, entries: Int) {
        self.id = id
        self.at = at
        self.command = command
        self.sink = sink
        self.detail = detail
        self.entries = entries
    }
}
