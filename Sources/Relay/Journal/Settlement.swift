public import Rules

/// The right to deliver to a sink, and where that delivery stands.
public struct SinkLease: Sendable, Equatable {
    public let sink: String
    /// Grows with each lease of the sink.
    public let epoch: Int64
    /// Everything at or below it is settled or parked.
    public let cursor: Offset
    /// Settled out of order, above the cursor; ascending.
    public let settledAbove: [Offset]
    /// Deliveries that wait for another attempt, by ascending offset.
    public var parked: [ParkedDelivery]
    /// Why nothing is delivered until a person resumes the sink; nil where it delivers.
    public let hold: SinkHold?
    /// Deliveries that were about to be sent when the last lease ended: their outcome is unknown.
    public let intents: Set<Offset>
    /// What the tripwire counted last, in its own words; empty before it has counted anything.
    public let limitCounts: String
    /// A person has let everything up to here pass, whatever the limits.
    public let exemptTo: Offset
    /// How long the sink was away or held so far, in nanoseconds: its retry clock is that much behind the
    /// wall clock.
    public let stoodStill: Int64

    public init(
        sink: String, epoch: Int64, cursor: Offset, settledAbove: [Offset], parked: [ParkedDelivery],
        hold: SinkHold? = nil, intents: Set<Offset> = [], limitCounts: String = "", exemptTo: Offset = .zero,
        stoodStill: Int64 = 0
    ) {
        self.sink = sink
        self.epoch = epoch
        self.cursor = cursor
        self.settledAbove = settledAbove
        self.parked = parked
        self.hold = hold
        self.intents = intents
        self.limitCounts = limitCounts
        self.exemptTo = exemptTo
        self.stoodStill = stoodStill
    }
}

/// Why nothing is delivered to a sink, until a person resumes it; kept in the journal.
public struct SinkHold: Sendable, Equatable {
    public enum Kind: String, Sendable, CaseIterable {
        /// A person stopped it.
        case paused
        /// Its limits did: one delivery more would have exceeded them.
        case tripped
    }

    public let kind: Kind
    /// For a person; no secret and no user data.
    public let reason: String
    /// Nanoseconds since 1970.
    public let since: Int64

    public init(kind: Kind, reason: String, since: Int64) {
        self.kind = kind
        self.reason = reason
        self.since = since
    }
}

/// One attempt that did not succeed, kept with its delivery.
public struct FailedAttempt: Sendable, Equatable {
    /// From 1.
    public let number: Int
    /// Nanoseconds since 1970.
    public let at: Int64
    public let reason: String
    /// How long the destination took; nil where that was not measured.
    public let took: Duration?
    /// The HTTP status that the destination gave; nil where it gave none.
    public let status: Int?

    /// Of one delivery's attempts the first and the newest are kept with it, because three days of them are
    /// many; all of them are in a log of their own (``LoggedAttempt``).
    public static let firstKept = 10
    /// See ``firstKept``.
    public static let newestKept = 40

    public init(number: Int, at: Int64, reason: String, took: Duration? = nil, status: Int? = nil) {
        self.number = number
        self.at = at
        self.reason = reason
        self.took = took
        self.status = status
    }
}

/// A delivery that waits out of line: for its own next attempt, or behind an earlier one of the same user.
public struct ParkedDelivery: Sendable, Equatable {
    public let offset: Offset
    public let subject: Subject?
    /// Attempts so far; empty where it only waits behind another.
    public var failures: [FailedAttempt]
    /// Nanoseconds since 1970.
    public var notBefore: Int64
    /// When it becomes a dead letter, by the sink's retry clock; nil before its first attempt has failed.
    ///
    /// Nanoseconds since 1970, less the time for which the sink was away or held.
    public var giveUpAt: Int64?

    public init(
        offset: Offset, subject: Subject?, failures: [FailedAttempt], notBefore: Int64, giveUpAt: Int64? = nil
    ) {
        self.offset = offset
        self.subject = subject
        self.failures = failures
        self.notBefore = notBefore
        self.giveUpAt = giveUpAt
    }
}

/// A delivery that was given up on.
public struct DeadLetter: Sendable, Equatable {
    public let offset: Offset
    public let subject: Subject?
    public let failures: [FailedAttempt]
    /// Nil unless the event would have removed its user.
    public let removal: DeliveryReceipt.Removal?

    public init(
        offset: Offset, subject: Subject?, failures: [FailedAttempt],
        removal: DeliveryReceipt.Removal? = nil
    ) {
        self.offset = offset
        self.subject = subject
        self.failures = failures
        self.removal = removal
    }
}

/// One attempt that failed, for the log that keeps all of them for as long as receipts are kept.
public struct LoggedAttempt: Sendable, Equatable {
    public let offset: Offset
    public let attempt: FailedAttempt

    public init(offset: Offset, attempt: FailedAttempt) {
        self.offset = offset
        self.attempt = attempt
    }
}

/// What is kept of one delivery when its event's bytes are gone: what the destination answered or why it was
/// skipped, and whom a removal was about.
public struct DeliveryReceipt: Sendable, Equatable {
    public let offset: Offset
    public let outcome: SettledOutcome
    /// The destination's answer, such as an HTTP status and a remote id, or why it was not asked; nil where
    /// it gives none.
    public let detail: String?
    /// Okta's uuid.
    public let eventID: String
    /// Nil unless the event removed its user.
    public let removal: Removal?

    /// A deactivation or a deletion.
    public struct Removal: Sendable, Equatable {
        public let operation: Operation
        public let subject: Subject

        public init(operation: Operation, subject: Subject) {
            self.operation = operation
            self.subject = subject
        }
    }

    public init(
        offset: Offset, outcome: SettledOutcome, detail: String?, eventID: String, removal: Removal? = nil
    ) {
        self.offset = offset
        self.outcome = outcome
        self.detail = detail
        self.eventID = eventID
        self.removal = removal
    }
}

/// How a delivery ended well.
public enum SettledOutcome: String, Sendable, CaseIterable {
    case delivered, superseded, skipped
}

/// What one settle records, all or nothing.
public struct Settlement: Sendable, Equatable {
    public let sink: String
    /// The lease's.
    public let epoch: Int64
    /// The new cursor, never below the old one.
    public var cursor: Offset
    /// All offsets above the cursor that are settled or parked.
    public var settledAbove: [Offset]
    /// How many deliveries ended in each way.
    public var outcomes: [SettledOutcome: Int]
    /// Attempts that failed and are tried again.
    public var retries: Int
    /// New or changed parked rows.
    public var parked: [ParkedDelivery]
    /// Parked rows that are no longer needed.
    public var unparked: [Offset]
    public var deadLetters: [DeadLetter]
    public var states: [Subject: FoldState]
    /// The deliveries that ended, well or as dead letters; each once, in no order.
    public var ended: [Offset]
    /// Of those deliveries that are worth one: with an answer, skipped for a reason, or of a removal.
    public var receipts: [DeliveryReceipt]
    /// Attempts that failed, whatever became of their deliveries; of each delivery in order.
    public var attempts: [LoggedAttempt]
    /// Holds the sink from now on, unless a person has changed anything since the lease; nil leaves it as it
    /// is.
    public var hold: SinkHold?
    /// What the tripwire has counted; nil leaves it as it is.
    public var limitCounts: String?
    /// Of ``parked``, those of which it is not known whether the destination has them: their intents stay.
    public var unknown: [Offset]
    /// Deliveries whose intents end because they are known not to be there: they go again.
    public var unsent: [Offset]
    /// How long the sink was away, of what no settlement has told yet; nanoseconds.
    public var stoodStill: Int64
    /// Since when it has been away, of what none has told, in nanoseconds since 1970; nil where it is not.
    ///
    /// Where no other settlement follows, the sink was away until its next lease.
    public var awaySince: Int64?

    public init(
        sink: String,
        epoch: Int64,
        cursor: Offset,
        settledAbove: [Offset] = [],
        outcomes: [SettledOutcome: Int] = [:],
        retries: Int = 0,
        parked: [ParkedDelivery] = [],
        unparked: [Offset] = [],
        deadLetters: [DeadLetter] = [],
        states: [Subject: FoldState] = [:],
        ended: [Offset] = [],
        receipts: [DeliveryReceipt] = [],
        attempts: [LoggedAttempt] = [],
        hold: SinkHold? = nil,
        limitCounts: String? = nil,
        unknown: [Offset] = [],
        unsent: [Offset] = [],
        stoodStill: Int64 = 0,
        awaySince: Int64? = nil
    ) {
        self.sink = sink
        self.epoch = epoch
        self.cursor = cursor
        self.settledAbove = settledAbove
        self.outcomes = outcomes
        self.retries = retries
        self.parked = parked
        self.unparked = unparked
        self.deadLetters = deadLetters
        self.states = states
        self.ended = ended
        self.receipts = receipts
        self.attempts = attempts
        self.hold = hold
        self.limitCounts = limitCounts
        self.unknown = unknown
        self.unsent = unsent
        self.stoodStill = stoodStill
        self.awaySince = awaySince
    }

    /// The lowest and the highest offset that ended; nil where none did.
    public var range: ClosedRange<Offset>? {
        guard let first = ended.min(), let last = ended.max() else { return nil }
        return first...last
    }

    /// Deliveries whose intents end, parked or not; those of settled ones end where they are not parked.
    public var endedIntents: Set<Offset> {
        Set(unparked + parked.map(\.offset) + unsent).subtracting(unknown)
    }
}

/// How much of a settlement was recorded.
public enum SettleResult: Sendable, Equatable {
    case whole
    /// Only this, for the sink was moved, paused or resumed since it was leased: lease it again.
    case held(Settlement)
}
