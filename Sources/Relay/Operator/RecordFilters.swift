import JSON
public import Rules

/// Which dead letters are meant: those that fit everything that is set.
public struct DeadLetterFilter: Sendable, Equatable {
    /// Nil: any.
    public var ids: [Int64]?
    public var sink: String?
    public var rule: String?
    /// `*` stands for any run of characters.
    public var eventType: EventTypePattern?
    /// The user's id at Okta.
    public var user: String?
    /// A part of the last error, in upper or lower case.
    public var error: String?
    /// Those that died then or later, in nanoseconds since 1970.
    public var since: Int64?
    /// Those that died before.
    public var until: Int64?

    public init(
        ids: [Int64]? = nil, sink: String? = nil, rule: String? = nil, eventType: EventTypePattern? = nil,
        user: String? = nil, error: String? = nil, since: Int64? = nil, until: Int64? = nil
    ) {
        self.ids = ids
        self.sink = sink
        self.rule = rule
        self.eventType = eventType
        self.user = user
        self.error = error
        self.since = since
        self.until = until
    }
}

/// Which quarantined inputs are meant: those that fit everything that is set.
public struct QuarantineFilter: Sendable, Equatable {
    /// Nil: any.
    public var ids: [Int64]?
    public var hook: String?
    /// A part of the reason, in upper or lower case.
    public var reason: String?
    /// Those whose bytes tell that they are, or have, such an event; `*` stands for any run of characters.
    public var eventType: EventTypePattern?
    /// Those whose bytes tell that they are, or have, an event about this user; the id at Okta.
    public var user: String?
    /// Those that came then or later, in nanoseconds since 1970.
    public var since: Int64?
    /// Those that came before.
    public var until: Int64?

    public init(
        ids: [Int64]? = nil, hook: String? = nil, reason: String? = nil, eventType: EventTypePattern? = nil,
        user: String? = nil, since: Int64? = nil, until: Int64? = nil
    ) {
        self.ids = ids
        self.hook = hook
        self.reason = reason
        self.eventType = eventType
        self.user = user
        self.since = since
        self.until = until
    }

    /// Whether only the bytes tell which inputs are meant.
    public var looksAtBytes: Bool { eventType != nil || user != nil }

    /// Whether the bytes are meant: one event, or a body with such an event in it.
    ///
    /// What is not JSON, or no longer kept, tells nothing.
    public func accepts(_ bytes: [UInt8]?) -> Bool {
        guard looksAtBytes else { return true }
        guard let bytes, let root = try? JSONDocument(bytes, depthMax: EnvelopeDecoder.depthMax).root,
            root.kind == .object
        else { return false }
        if let data = root["data"], data.kind == .object, let events = data["events"], events.kind == .array {
            return events.elements.contains { accepts($0) }
        }
        return accepts(root)
    }

    private func accepts(_ event: JSONValue) -> Bool {
        guard event.kind == .object else { return false }
        let type = event["eventType"]?.string ?? ""
        return (eventType?.matches(type) ?? true)
            && (user.map { $0 == EventUser(event: event, type: type)?.id } ?? true)
    }
}

/// What is asked for of a user's history: what fits everything that is set.
public struct HistoryFilter: Sendable, Equatable {
    /// The user's id at Okta.
    public var user: String
    /// As the hooks name it; nil for all.
    public var org: String?
    public var sink: String?
    /// What ended, or came in where it has not, then or later; nanoseconds since 1970.
    public var since: Int64?
    /// What ended, or came in, before.
    public var until: Int64?

    public init(
        user: String, org: String? = nil, sink: String? = nil, since: Int64? = nil, until: Int64? = nil
    ) {
        self.user = user
        self.org = org
        self.sink = sink
        self.since = since
        self.until = until
    }
}

/// Which operators' doings are meant: those that fit everything that is set.
public struct OperationFilter: Sendable, Equatable {
    public var sink: String?
    /// Nanoseconds since 1970.
    public var since: Int64?
    public var until: Int64?

    public init(sink: String? = nil, since: Int64? = nil, until: Int64? = nil) {
        self.sink = sink
        self.since = since
        self.until = until
    }
}

/// Which ranges of what was given up are meant: those that fit everything that is set.
public struct DetachedFilter: Sendable, Equatable {
    public var sink: String?
    /// A part of the reason, in upper or lower case.
    public var reason: String?
    /// Those of which something came in then or later, in nanoseconds since 1970.
    public var since: Int64?
    /// Those of which something came in before.
    public var until: Int64?

    public init(sink: String? = nil, reason: String? = nil, since: Int64? = nil, until: Int64? = nil) {
        self.sink = sink
        self.reason = reason
        self.since = since
        self.until = until
    }
}

/// Which replays are meant: those that fit everything that is set.
public struct ReplayListFilter: Sendable, Equatable {
    public var sink: String?
    public var state: Replay.State?
    /// The state goes by it.
    public var prospects: ReplayProspects

    public init(
        sink: String? = nil, state: Replay.State? = nil, prospects: ReplayProspects = ReplayProspects()
    ) {
        self.sink = sink
        self.state = state
        self.prospects = prospects
    }
}

/// What an event must be besides its time, to be replayed.
public struct ReplayFilter: Sendable, Equatable {
    /// The rule that names the sink today; nil for any.
    public var rule: String?
    /// `*` stands for any run of characters.
    public var eventType: EventTypePattern?
    /// The user's id at Okta.
    public var user: String?
    /// What came in behind this offset and was routed to the sink then, it has anyway; nil where it has
    /// nothing.
    var unroutedBehind: Offset?

    public init(rule: String? = nil, eventType: EventTypePattern? = nil, user: String? = nil) {
        self.rule = rule
        self.eventType = eventType
        self.user = user
    }

    func accepts(_ event: Event) -> Bool {
        (eventType?.matches(event.type) ?? true) && (user.map { $0 == event.user?.id } ?? true)
    }

    /// Whether the sink gets the event without a replay.
    func leavesOut(_ event: StoredEvent, for sink: String) -> Bool {
        guard let unroutedBehind, event.offset > unroutedBehind else { return false }
        return event.route.contains { $0.sink == sink }
    }
}
