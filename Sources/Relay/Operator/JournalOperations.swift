/// What an operator can change in a journal.
///
/// Each call is one durable transaction, which also notes in the journal what was done. Work on many records
/// goes in steps, and what has to be counted is counted before it, so that no call keeps the writer for long.
public protocol JournalOperations: Sendable {
    /// Holds a sink for a person; false where the journal does not know it.
    func pause(_ sink: String, reason: String) async throws(JournalError) -> Bool

    /// Ends a sink's hold.
    ///
    /// Where its limits had stopped it, what waits for it now passes whatever they are.
    /// Nil where the journal does not know it.
    func resume(_ sink: String) async throws(JournalError) -> ResumeReport?

    /// Moves a sink's place, so that the next entry it gets is the first one behind the offset.
    ///
    /// Forward, what it passes is given up and listed as detached. Backward, what was settled and is still
    /// kept comes again. What is in flight is settled all the same. Nil where the journal does not know the
    /// sink.
    func seek(_ sink: String, to offset: Offset, reason: String) async throws(JournalError) -> SeekReport?

    /// Forgets a sink that is not configured any more, with its dead letters.
    ///
    /// Nothing is done without force where anything waits. Where there is much, a call deletes some of it,
    /// and the sink itself goes with the last one. Nil where the journal does not know it.
    func drop(_ sink: String, isForced: Bool) async throws(JournalError) -> DropReport?

    /// Sends dead letters again, as delivery entries at the log's end.
    ///
    /// - Parameter sinks: Those that are delivered to; the letters of others stay.
    func redrive(
        _ filter: DeadLetterFilter, _ step: OperationStep, sinks: Set<String>
    ) async throws(JournalError) -> StepReport

    /// Takes dead letters out for good.
    func discard(
        _ filter: DeadLetterFilter, _ step: OperationStep
    ) async throws(JournalError) -> StepReport

    /// Judges quarantined inputs anew; what is accepted leaves the quarantine in the same transaction.
    func resubmit(
        _ filter: QuarantineFilter, _ step: OperationStep,
        judge: @escaping @Sendable (QuarantineRecord) -> Judgement
    ) async throws(JournalError) -> StepReport

    /// Notes a replay that is to be done; it lasts until it is. A sink that is new is known from then on.
    ///
    /// - Parameter last: Where it ends; nil at the log's end.
    func begin(_ replay: ReplayRequest, through last: Offset?) async throws(JournalError) -> Replay

    /// Makes a sink known that is new to the journal, and notes the replay that brings it what it is to begin
    /// with; both or neither. Nothing is done where the journal knows the sink.
    ///
    /// The replay has no end yet: what comes in before rules name the sink belongs to it, too.
    func enroll(_ replay: ReplayRequest) async throws(JournalError)

    /// Ends such replays of these sinks at the log's end.
    func endStarts(of sinks: [String]) async throws(JournalError)

    /// Appends what a step of a replay found.
    ///
    /// False, and nothing is done, where the replay has gone on, or its sink was renamed, meanwhile.
    func advance(_ replay: Replay, by step: ReplayStep) async throws(JournalError) -> Bool

    /// Ends a replay where it stands; what it has appended stays.
    ///
    /// False, and nothing is done, where no replay of that id is under way.
    func cancel(replay id: String) async throws(JournalError) -> Bool
}

/// What came of a resume.
public struct ResumeReport: Sendable, Equatable {
    /// Nil where the sink was not held.
    public let ended: SinkHold?
    /// Everything up to here passes whatever the limits; nil where nothing does.
    public let exemptTo: Offset?
    /// Whether the sink's worker is still finishing what was in flight.
    var isFinishing = false
}

/// What a seek did.
public struct SeekReport: Sendable, Equatable {
    public let from: Offset
    public let to: Offset
    /// Entries that the sink will not get.
    public let givenUp: Int
    /// Entries that it gets again.
    public let repeated: Int
    /// Whether the sink's worker is still finishing what was in flight.
    var isFinishing = false
}

/// What a drop did, or would do with force.
public struct DropReport: Sendable, Equatable {
    public let isDropped: Bool
    /// Events that waited: all that there were; where the drop goes on, those that are gone so far.
    public let waiting: Int
    /// The same of dead letters.
    public let deadLetters: Int
    /// Rows that this call deleted, where another has to follow; nil where nothing is left to do, or nothing
    /// was done.
    public var deleted: Int?
    /// Rows that are left for the next call, about; nil where no other has to follow.
    public var remaining: Int?
}

/// How much of a long operation one call does, and where it goes on.
public struct OperationStep: Sendable, Equatable {
    /// Between two steps of one operation.
    public struct Position: Sendable, Equatable {
        /// Records up to this id are done.
        public var after: Int64
        /// What comes into being behind this id meanwhile is not meant.
        public var through: Int64
        /// Records that are left, about.
        public var remaining: Int
        /// Where the journal notes the operation; nil for a dry run.
        public var operation: Int64?

        public init(after: Int64, through: Int64, remaining: Int, operation: Int64?) {
            self.after = after
            self.through = through
            self.remaining = remaining
            self.operation = operation
        }
    }

    public static let recordsMax = 1_000
    /// Bodies of one step; a record that is larger is a step by itself.
    static let bytesMax = 2 << 20

    /// Nil begins.
    public let position: Position?
    /// 1 to 1,000.
    public let limit: Int
    /// Changes nothing, and reports what would be done.
    public let isDryRun: Bool

    public init(position: Position? = nil, limit: Int = Self.recordsMax, isDryRun: Bool = false) {
        self.position = position
        self.limit = min(max(limit, 1), Self.recordsMax)
        self.isDryRun = isDryRun
    }
}

/// What one step of an operation on many records did.
public struct StepReport: Sendable, Equatable {
    /// Records that are dealt with.
    public var done = 0
    /// Events among them that the journal knew already; only a resubmission has some.
    public var duplicates = 0
    /// Records that stay as they are, by the reason.
    public var kept: [String: Int] = [:]
    /// The id that the entries of a redrive carry.
    public var replay: String?
    /// Where the next step goes on; nil when all is done.
    public var next: OperationStep.Position?
}

/// What today's config makes of a quarantined input.
public enum Judgement: Sendable {
    /// At least one event can be accepted; elements that cannot go back into the quarantine by themselves.
    case accepted(Submission)
    case unusable(reason: String)
}

/// Why an operation leaves a record alone.
enum KeptReason {
    static let expired = "its bytes are no longer kept"
    static let unreadable = "its bytes cannot be read"
    static let notDelivered = "its sink is not delivered to"
}
