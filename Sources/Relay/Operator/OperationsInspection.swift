/// What an operator can ask of operations, and of users that are gone.
public protocol OperationsInspection: Sendable {
    /// All replays that are kept, newest first; 100 at most.
    func replays() async throws(JournalError) -> [Replay]
    func replay(id: String) async throws(JournalError) -> Replay?
    /// Replays that are not done, oldest first.
    func unfinishedReplays() async throws(JournalError) -> [Replay]

    /// What became of a user's deactivations and deletions, and what of theirs is dead or waits; newest
    /// first.
    ///
    /// - Parameter org: Nil for all orgs.
    func history(
        user: String, org: String?, limit: Int
    ) async throws(JournalError) -> [HistoryRecord]

    /// What operators did, newest first.
    func operations(_ page: PageRequest) async throws(JournalError) -> [OperationRecord]

    /// The offset before the first event that was received at an instant or later; the last one where none
    /// was.
    func offset(before receivedAt: Int64) async throws(JournalError) -> Offset
}

/// One delivery of a user's, as far as it is still known.
public struct HistoryRecord: Sendable, Equatable {
    /// How a delivery ended, or that it has not.
    public enum Outcome: Sendable, Equatable {
        case settled(SettledOutcome)
        case dead
        case waiting

        /// As `history` words it.
        public var word: String {
            switch self {
            case .settled(let outcome): outcome.rawValue
            case .dead: "dead letter"
            case .waiting: "waiting"
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
    public let detail: String
    /// Entries or records that it dealt with.
    public let entries: Int

    public init(id: Int64, at: Int64, command: String, sink: String?, detail: String, entries: Int) {
        self.id = id
        self.at = at
        self.command = command
        self.sink = sink
        self.detail = detail
        self.entries = entries
    }
}
