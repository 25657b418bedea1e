/// What an operator can ask a journal: read-only, and never in the way of the verbs that move events.
public protocol JournalInspection: Sendable {
    /// Counts and cursors as they are now.
    func status() async throws(JournalError) -> JournalStatus
    /// Those that the filter names, newest first; the event is only in ``event(id:)``.
    func events(_ filter: EventFilter, _ page: PageRequest) async throws(JournalError) -> [EventRecord]
    /// One of those, with its bytes while they are kept.
    func event(id: Int64) async throws(JournalError) -> EventRecord?
    /// Those that the filter names, newest first; the event is only in ``deadLetter(id:)``.
    func deadLetters(
        _ filter: DeadLetterFilter, _ page: PageRequest
    ) async throws(JournalError) -> [DeadLetterRecord]
    func deadLetter(id: Int64) async throws(JournalError) -> DeadLetterRecord?
    /// Those that the filter names, newest first; the bytes are only in ``quarantined(id:)``.
    func quarantine(
        _ filter: QuarantineFilter, _ page: PageRequest
    ) async throws(JournalError) -> [QuarantineRecord]
    func quarantined(id: Int64) async throws(JournalError) -> QuarantineRecord?
    /// What was given up, as far as the filter names it, newest first.
    func detached(
        _ filter: DetachedFilter, _ page: PageRequest
    ) async throws(JournalError) -> [DetachedRange]
    /// Events with their bytes, oldest first: some of those behind an offset, and up to another, that came in
    /// at an instant or later.
    ///
    /// What a replay appended is left out. Read on from the page's end until that is the other offset, or its
    /// horizon.
    func storedEvents(
        after offset: Offset, through last: Offset, since receivedAt: Int64
    ) async throws(JournalError) -> StoredEventPage
}

/// Some stored events, oldest first; a bounded number of bytes.
public struct StoredEventPage: Sendable {
    public let events: [StoredEvent]
    /// Every event up to here was looked at.
    public let end: Offset
    /// The journal's last entry.
    public let horizon: Offset
    /// Whether all entries up to the page's end are still kept.
    public let isWhole: Bool

    public init(events: [StoredEvent], end: Offset, horizon: Offset, isWhole: Bool = true) {
        self.events = events
        self.end = end
        self.horizon = horizon
        self.isWhole = isWhole
    }
}

/// One stored event, with the route that it took.
public struct StoredEvent: Sendable {
    public let offset: Offset
    /// Nanoseconds since 1970.
    public let receivedAt: Int64
    public let hook: String
    public let org: String
    public let eventID: String
    /// Sink and rule pairs.
    public let route: [(sink: String, rule: String)]
    /// The LogEvent; nil when its bytes are no longer kept.
    public let body: [UInt8]?

    public init(
        offset: Offset, receivedAt: Int64, hook: String, org: String, eventID: String,
        route: [(sink: String, rule: String)], body: [UInt8]?
    ) {
        self.offset = offset
        self.receivedAt = receivedAt
        self.hook = hook
        self.org = org
        self.eventID = eventID
        self.route = route
        self.body = body
    }
}

/// One page of a list that is ordered newest first.
public struct PageRequest: Sendable, Equatable {
    /// Only records with a smaller id; nil starts at the newest.
    public let before: Int64?
    /// 1 to 1,000.
    public private(set) var limit: Int

    public static let limitMax = 1_000

    public init(before: Int64? = nil, limit: Int = 100) {
        self.before = before
        self.limit = min(max(limit, 1), Self.limitMax)
    }

    /// The same, and the record behind it where there is one.
    public var andOneMore: PageRequest {
        var page = self
        page.limit += 1
        return page
    }
}

/// Counts since the journal was made, and where each sink stands.
public struct JournalStatus: Sendable, Equatable {
    public var accepted: Int
    public var duplicates: Int
    public var unrouted: Int
    public var quarantined: Int
    /// The last entry's offset.
    public var horizon: Offset
    /// Bytes of the journal's files.
    public var sizeBytes: Int
    /// By name.
    public var sinks: [SinkStatus]
    /// Bytes of what the journal holds, its log included: what counts against the maximum.
    public var usedBytes: Int
    /// What it may hold: `journal.maxSize`, or what its disk has for it where that is less; nil where the
    /// maximum is not known.
    public var sizeMaxBytes: Int?
    /// Entries that went with the retention, or early because the journal was near its maximum.
    public var expired: Int
    /// Dead letters that lost their events because they were too many.
    public var deadLettersExpired: Int
    /// The same of quarantined inputs.
    public var quarantineExpired: Int

    public init(
        accepted: Int, duplicates: Int, unrouted: Int, quarantined: Int, horizon: Offset, sizeBytes: Int,
        sinks: [SinkStatus], usedBytes: Int = 0, sizeMaxBytes: Int? = nil, expired: Int = 0,
        deadLettersExpired: Int = 0, quarantineExpired: Int = 0
    ) {
        self.accepted = accepted
        self.duplicates = duplicates
        self.unrouted = unrouted
        self.quarantined = quarantined
        self.horizon = horizon
        self.sizeBytes = sizeBytes
        self.sinks = sinks
        self.usedBytes = usedBytes
        self.sizeMaxBytes = sizeMaxBytes
        self.expired = expired
        self.deadLettersExpired = deadLettersExpired
        self.quarantineExpired = quarantineExpired
    }
}

/// Where one sink stands, by the journal.
public struct SinkStatus: Sendable, Equatable {
    public var name: String
    public var cursor: Offset
    /// Entries routed to it that are not settled, parked ones included.
    public var waiting: Int
    /// When the oldest entry that waits was received, in nanoseconds since 1970; nil when none waits.
    public var oldestWaitingReceivedAt: Int64?
    /// Since when one has waited for longest: what a replay or a redrive sent again came in long before.
    public var oldestWaitingSince: Int64?
    public var delivered: Int
    public var superseded: Int
    public var skipped: Int
    /// Attempts that failed and were tried again.
    public var retried: Int
    public var parked: Int
    public var dead: Int
    /// Entries that were given up because it stayed behind for too long, or because a person said so.
    public var detached: Int
    /// Why nothing is delivered until a person resumes the sink; nil where it delivers.
    public var hold: SinkHold?

    public init(
        name: String, cursor: Offset, waiting: Int, oldestWaitingReceivedAt: Int64?,
        oldestWaitingSince: Int64? = nil, delivered: Int, superseded: Int, skipped: Int, retried: Int,
        parked: Int, dead: Int, detached: Int = 0,
        hold: SinkHold? = nil
    ) {
        self.name = name
        self.cursor = cursor
        self.waiting = waiting
        self.oldestWaitingReceivedAt = oldestWaitingReceivedAt
        self.oldestWaitingSince = oldestWaitingSince ?? oldestWaitingReceivedAt
        self.delivered = delivered
        self.superseded = superseded
        self.skipped = skipped
        self.retried = retried
        self.parked = parked
        self.dead = dead
        self.detached = detached
        self.hold = hold
    }
}

extension SinkStatus {
    /// Whether it has had no event yet, and nobody has held it: a sink of that name can still take another's
    /// place.
    public var isUntouched: Bool {
        delivered + superseded + skipped + retried + dead + detached + waiting == 0 && hold == nil
    }
}

/// One accepted event, as `/events` lists it.
public struct EventRecord: Sendable {
    /// Also the event's offset.
    public let id: Int64
    /// Nanoseconds since 1970.
    public let receivedAt: Int64
    public let hook: String
    public let eventID: String
    public let eventType: String
    /// Nil where the envelope had none.
    public let envelopeID: String?
    /// The replay or redrive that sent it again; nil where it came in.
    public let replay: String?
    /// Sink and rule pairs; empty for an unrouted event.
    public let route: [(sink: String, rule: String)]
    /// The LogEvent's bytes; nil in lists.
    public let body: [UInt8]?

    public init(
        id: Int64, receivedAt: Int64, hook: String, eventID: String, eventType: String,
        envelopeID: String? = nil, replay: String? = nil, route: [(sink: String, rule: String)],
        body: [UInt8]? = nil
    ) {
        self.id = id
        self.receivedAt = receivedAt
        self.hook = hook
        self.eventID = eventID
        self.eventType = eventType
        self.envelopeID = envelopeID
        self.replay = replay
        self.route = route
        self.body = body
    }
}

/// One dead letter.
public struct DeadLetterRecord: Sendable {
    public let id: Int64
    public let sink: String
    public let rule: String
    public let eventID: String
    public let eventType: String
    /// The user's id at Okta; nil where the event is about none.
    public let userID: String?
    /// Nanoseconds since 1970.
    public let diedAt: Int64
    /// Attempts, oldest first: all that are logged still; in lists, of many the first
    /// ``FailedAttempt/firstKept`` and the newest ``FailedAttempt/newestKept``.
    public let failures: [FailedAttempt]
    /// The LogEvent's bytes; nil in lists, and when they are no longer kept.
    public let body: [UInt8]?
    /// Whether its bytes are no longer kept.
    public let isExpired: Bool

    /// How often it was tried.
    public var attemptCount: Int { failures.last?.number ?? 0 }
    /// Attempts that are not among ``failures``.
    public var attemptsLeftOut: Int { max(0, attemptCount - failures.count) }

    public init(
        id: Int64, sink: String, rule: String, eventID: String, eventType: String, userID: String? = nil,
        diedAt: Int64, failures: [FailedAttempt], body: [UInt8]?,
        isExpired: Bool = false
    ) {
        self.id = id
        self.sink = sink
        self.rule = rule
        self.eventID = eventID
        self.eventType = eventType
        self.userID = userID
        self.diedAt = diedAt
        self.failures = failures
        self.body = body
        self.isExpired = isExpired
    }
}

/// One quarantined input.
public struct QuarantineRecord: Sendable {
    public let id: Int64
    /// Nanoseconds since 1970.
    public let receivedAt: Int64
    public let hook: String
    public let reason: String
    public let sizeBytes: Int
    /// Nil in lists, and when they are no longer kept.
    public let bytes: [UInt8]?
    /// Whether its bytes are no longer kept.
    public let isExpired: Bool

    public init(
        id: Int64, receivedAt: Int64, hook: String, reason: String, sizeBytes: Int, bytes: [UInt8]?,
        isExpired: Bool = false
    ) {
        self.id = id
        self.receivedAt = receivedAt
        self.hook = hook
        self.reason = reason
        self.sizeBytes = sizeBytes
        self.bytes = bytes
        self.isExpired = isExpired
    }
}

/// Entries that a sink will never get.
public struct DetachedRange: Sendable, Equatable {
    public let id: Int64
    public let sink: String
    /// Nanoseconds since 1970: when the first of them was given up.
    public let at: Int64
    public let reason: String
    public let offsets: ClosedRange<Offset>
    /// When the first and the last of them were received, in nanoseconds since 1970.
    public let firstReceivedAt: Int64
    public let lastReceivedAt: Int64
    public let entries: Int

    /// `since` and `until` of a replay that spans all of them, in nanoseconds since 1970: whole
    /// milliseconds, as they are written.
    public var replaySpan: ClosedRange<Int64> { Timestamp.span(firstReceivedAt, lastReceivedAt) }

    public init(
        id: Int64, sink: String, at: Int64, reason: String, offsets: ClosedRange<Offset>,
        firstReceivedAt: Int64, lastReceivedAt: Int64, entries: Int
    ) {
        self.id = id
        self.sink = sink
        self.at = at
        self.reason = reason
        self.offsets = offsets
        self.firstReceivedAt = firstReceivedAt
        self.lastReceivedAt = lastReceivedAt
        self.entries = entries
    }
}
