/// Which stored events are to be sent to a sink anew.
public struct ReplayRequest: Sendable, Equatable {
    public let sink: String
    public var filter: ReplayFilter
    /// Events received then or later, in nanoseconds since 1970.
    public let since: Int64
    /// Events received before; nil where only the log's end is the end.
    public let until: Int64?
    /// Nothing before it was received in that time.
    public let after: Offset
    /// Whether all entries of the time are kept; where they are not, some that are gone may have gone to the
    /// sink.
    public var isWhole: Bool

    public init(
        sink: String, filter: ReplayFilter, since: Int64, until: Int64?, after: Offset, isWhole: Bool = true
    ) {
        self.sink = sink
        self.filter = filter
        self.since = since
        self.until = until
        self.after = after
        self.isWhole = isWhole
    }
}

/// A durable job: stored events become delivery entries for one sink, by today's rules, step by step.
public struct Replay: Sendable, Equatable {
    /// Also what its entries carry.
    public let id: String
    public let request: ReplayRequest
    /// Nanoseconds since 1970.
    public let startedAt: Int64
    /// Events up to here are dealt with.
    public let after: Offset
    /// What came in later is not its business.
    public let last: Offset
    /// Delivery entries so far.
    public let appended: Int
    /// Nil while it is under way; nanoseconds since 1970.
    public let endedAt: Int64?

    public init(
        id: String, request: ReplayRequest, startedAt: Int64, after: Offset, last: Offset, appended: Int,
        endedAt: Int64?
    ) {
        self.id = id
        self.request = request
        self.startedAt = startedAt
        self.after = after
        self.last = last
        self.appended = appended
        self.endedAt = endedAt
    }

    /// Whether it ended before all was looked at, because a person said so.
    public var isCancelled: Bool { endedAt != nil && after < last }

    /// Where a replay is, as `replay list` words it.
    public enum State: String, Sendable, CaseIterable {
        case underWay = "under-way"
        /// It goes on when it has what it needs.
        case waits
        case done
        case cancelled
    }

    /// What one that waits has to wait for.
    public enum Need: String, Sendable {
        /// That its sink is delivered to.
        case sink
        /// Room in the journal that costs nobody what waits for them.
        case room

        /// Why it waits, for a person.
        public var text: String {
            switch self {
            case .sink: "its sink is not delivered to"
            case .room:
                """
                the journal or its disk is nearly full, and a replay takes no room that events need; mend \
                the sinks that are behind, or raise journal.maxSize or free the disk
                """
            }
        }
    }

    /// Nil where it goes on, or has ended.
    public func need(_ prospects: ReplayProspects) -> Need? {
        guard endedAt == nil else { return nil }
        guard prospects.delivered.contains(request.sink) else { return .sink }
        return prospects.hasRoom ? nil : .room
    }

    public func state(_ prospects: ReplayProspects) -> State {
        if isCancelled { return .cancelled }
        guard endedAt == nil else { return .done }
        return need(prospects) == nil ? .underWay : .waits
    }

    /// The end of a replay that cannot be said yet: of what a sink begins with that no rule names yet.
    static let openEnd = Offset(rawValue: .max)
    var isOpen: Bool { last == Self.openEnd }

    /// How much of it is done, 0 to 1.
    public var share: Double { endedAt == nil || isCancelled ? share(at: after) : 1 }

    /// How much of it is done when everything up to an offset is.
    func share(at offset: Offset) -> Double {
        let whole = last.rawValue - request.after.rawValue
        guard whole > 0 else { return 1 }
        return min(1, Double(offset.rawValue - request.after.rawValue) / Double(whole))
    }
}

/// What replays need to go on, and whether it is there.
public struct ReplayProspects: Sendable, Equatable {
    /// The sinks that are delivered to.
    public var delivered: Set<String>
    /// Whether the journal has room for what replays append.
    public var hasRoom: Bool

    public init(delivered: Set<String> = [], hasRoom: Bool = true) {
        self.delivered = delivered
        self.hasRoom = hasRoom
    }

    /// The sinks whose replays go on.
    var going: Set<String> { hasRoom ? delivered : [] }
}

/// What one step of a replay found.
public struct ReplayStep: Sendable {
    /// Each with a route to the replay's sink alone.
    public var events: [Submission.RoutedEvent] = []
    /// Stored events that were looked at.
    public var lookedAt = 0
    /// Whether all entries were there to be looked at.
    public var isWhole = true
    /// Everything up to here was looked at.
    public var end: Offset
    /// Whether there is no more to look at.
    public var isLast: Bool
}
