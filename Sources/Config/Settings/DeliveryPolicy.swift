public import Rules

/// How the engine delivers to one sink, whatever its kind.
public struct DeliveryPolicy: Sendable, Equatable {
    public var retry: RetryConfiguration
    /// Deliveries of an operation that may be made in a period; one more stops the sink.
    public var limits: [Operation: RateLimit]
    /// Nil delivers at once, in the order of the journal.
    public var settle: SettleWindow?
    /// Deliveries that may be parked; above it the sink holds its cursor instead.
    public var parkedMax: Int

    public init(
        retry: RetryConfiguration = RetryConfiguration(), limits: [Operation: RateLimit] = [:],
        settle: SettleWindow? = nil, parkedMax: Int = 10_000
    ) {
        self.retry = retry
        self.parkedMax = parkedMax
        self.limits = limits
        self.settle = settle
    }
}

/// How long a user's events are gathered before they are delivered in the order in which they happened.
public struct SettleWindow: Sendable, Equatable {
    /// From when the first of them was received.
    public var duration: Duration
    /// Whether only their result is delivered.
    public var coalesces: Bool

    public init(duration: Duration, coalesces: Bool = false) {
        self.duration = duration
        self.coalesces = coalesces
    }
}
