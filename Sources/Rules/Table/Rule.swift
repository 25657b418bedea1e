/// One row of the rule table: which events it matches and the sinks it names.
public struct Rule: Sendable {
    /// Unique in the table; it is stored with each event that the rule routed.
    public var name: String
    /// The hooks whose events it looks at; nil means all.
    public var hooks: Set<String>?
    /// Event-type names with `*`; any of them must match.
    public var events: [EventTypePattern]
    /// The operations it looks at; nil means all.
    public var operations: Set<Operation>?
    /// Whether an event must have taken effect at Okta.
    public var outcome: Outcome
    /// The patterns over the LogEvent.
    public var conditions: Conditions
    /// The sinks it adds to the event's route.
    public var sinks: [String]
    /// Whether the rules behind it are left out once it matches.
    public var stops: Bool

    /// `effective`: only outcomes with which the event type takes effect; `any`: failures too.
    public enum Outcome: String, Sendable, CaseIterable { case effective, any }

    /// Patterns that all have to hold.
    ///
    /// One pattern's fields must come from the same array element, so a condition on two targets needs two
    /// patterns in `all`.
    public struct Conditions: Sendable {
        /// `where`: every field of it matches.
        public var pattern: Pattern?
        /// Each matches.
        public var all: [Pattern]
        /// At least one matches; an empty list holds.
        public var any: [Pattern]
        /// None matches.
        public var none: [Pattern]

        public init(pattern: Pattern? = nil, all: [Pattern] = [], any: [Pattern] = [], none: [Pattern] = []) {
            self.pattern = pattern
            self.all = all
            self.any = any
            self.none = none
        }
    }

    public init(
        name: String,
        hooks: Set<String>? = nil,
        events: [EventTypePattern],
        operations: Set<Operation>? = nil,
        outcome: Outcome = .effective,
        conditions: Conditions = Conditions(),
        sinks: [String],
        stops: Bool = false
    ) {
        self.name = name
        self.hooks = hooks
        self.events = events
        self.operations = operations
        self.outcome = outcome
        self.conditions = conditions
        self.sinks = sinks
        self.stops = stops
    }
}
