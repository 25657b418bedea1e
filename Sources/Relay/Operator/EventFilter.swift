public import Rules

/// Which accepted events are meant: those that fit everything that is set.
public struct EventFilter: Sendable, Equatable {
    /// Only those that went to no sink: no rule matched, or one stopped them.
    public var isUnrouted: Bool
    public var hook: String?
    /// `*` stands for any run of characters.
    public var eventType: EventTypePattern?
    /// Okta's uuid.
    public var eventID: String?
    /// Those that came in then or later, in nanoseconds since 1970.
    public var since: Int64?
    /// Those that came in before.
    public var until: Int64?

    public init(
        isUnrouted: Bool = false, hook: String? = nil, eventType: EventTypePattern? = nil,
        eventID: String? = nil, since: Int64? = nil, until: Int64? = nil
    ) {
        self.isUnrouted = isUnrouted
        self.hook = hook
        self.eventType = eventType
        self.eventID = eventID
        self.since = since
        self.until = until
    }

    /// Whether it is meant, by what a list tells of it.
    public func accepts(_ event: EventRecord) -> Bool {
        (!isUnrouted || event.route.isEmpty) && (hook ?? event.hook) == event.hook
            && (eventType?.matches(event.eventType) ?? true) && (eventID ?? event.eventID) == event.eventID
            && (since ?? .min) <= event.receivedAt && event.receivedAt < (until ?? .max)
    }
}
