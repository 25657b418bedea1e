/// Which settlements and receipts are meant: those that fit everything that is set.
public struct ReceiptFilter: Sendable, Equatable {
    public var sink: String?
    /// Receipts that tell of this; settlements by which at least one delivery ended so.
    public var outcome: SettledOutcome?
    /// Receipts of the event with this uuid of Okta's; no settlement has one.
    public var eventID: String?
    /// Receipts of removals of this user, by the id at Okta; no settlement has one.
    public var user: String?
    /// What was settled then or later, in nanoseconds since 1970.
    public var since: Int64?
    /// What was settled before.
    public var until: Int64?

    public init(
        sink: String? = nil, outcome: SettledOutcome? = nil, eventID: String? = nil, user: String? = nil,
        since: Int64? = nil, until: Int64? = nil
    ) {
        self.sink = sink
        self.outcome = outcome
        self.eventID = eventID
        self.user = user
        self.since = since
        self.until = until
    }
}

/// What one settle recorded: how many of a sink's deliveries ended, and how.
public struct SettlementRecord: Sendable, Equatable {
    public let id: Int64
    /// By the name it had then.
    public let sink: String
    /// Nanoseconds since 1970.
    public let at: Int64
    /// The lowest and the highest offset that ended; what lies between may have ended before or after.
    public let first: Offset
    public let last: Offset
    public let delivered: Int
    public let superseded: Int
    public let skipped: Int
    public let dead: Int

    public init(
        id: Int64, sink: String, at: Int64, first: Offset, last: Offset, delivered: Int, superseded: Int,
        skipped: Int, dead: Int
    ) {
        self.id = id
        self.sink = sink
        self.at = at
        self.first = first
        self.last = last
        self.delivered = delivered
        self.superseded = superseded
        self.skipped = skipped
        self.dead = dead
    }
}

/// What is kept of one delivery: see ``DeliveryReceipt``.
public struct ReceiptRecord: Sendable, Equatable {
    public let id: Int64
    /// By the name it had then.
    public let sink: String
    /// Nanoseconds since 1970.
    public let at: Int64
    public let offset: Offset
    /// Nil where the journal is damaged there.
    public let outcome: SettledOutcome?
    /// The destination's answer, or why it was not asked; nil where there is neither.
    public let detail: String?
    /// What it did to its user, where it removed it.
    public let operation: String?
    /// The user's id at Okta, where it removed it.
    public let userID: String?
    /// Okta's uuid; nil for what an older relay recorded of others than removals.
    public let eventID: String?

    public init(
        id: Int64, sink: String, at: Int64, offset: Offset, outcome: SettledOutcome?, detail: String?,
        operation: String?, userID: String?, eventID: String?
    ) {
        self.id = id
        self.sink = sink
        self.at = at
        self.offset = offset
        self.outcome = outcome
        self.detail = detail
        self.operation = operation
        self.userID = userID
        self.eventID = eventID
    }
}
