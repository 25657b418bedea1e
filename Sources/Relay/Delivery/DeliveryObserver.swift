/// Where workers tell what they do, for metrics and the admin side; called from any task, and quick.
public protocol DeliveryObserver: Sendable {
    /// A settlement has committed.
    func settled(_ sink: String, _ settlement: Settlement)
    /// Something may have changed about how the sink is doing.
    func isAt(_ sink: String, _ live: LiveDelivery)
}

/// How a sink is doing at this moment.
public struct LiveDelivery: Sendable, Equatable {
    public enum State: String, Sendable, CaseIterable {
        /// Deliveries flow.
        case available
        /// It came back, and one delivery is tried.
        case probing
        /// It is being connected to and checked.
        case preparing
        case unavailable
        case misconfigured
    }

    public let state: State
    /// Why it is not available; no secret and no user data.
    public let reason: String?
    /// Deliveries that are with the sink.
    public let inFlight: Int

    public init(state: State, reason: String?, inFlight: Int) {
        self.state = state
        self.reason = reason
        self.inFlight = inFlight
    }

    init(_ breaker: CircuitBreaker.State, reason: String?, inFlight: Int) {
        let state: State =
            switch breaker {
            case .closed: .available
            case .halfOpen: .probing
            case .preparing: .preparing
            case .open(_, let isMisconfigured): isMisconfigured ? .misconfigured : .unavailable
            }
        self.init(state: state, reason: reason, inFlight: inFlight)
    }
}
