import Synchronization

/// What the engine does with a sink now.
public enum BreakerState: String, Sendable, CaseIterable {
    /// Delivering.
    case closed
    /// Trying whether the destination is back.
    case halfOpen
    /// The destination cannot be reached: the cursor waits.
    case open
    /// A person has to change something before anything can be delivered.
    case misconfigured
    /// A person has stopped it.
    case paused
    /// Its limits have stopped it; a person has to look.
    case tripped
    /// Nothing is delivered any more: another relay has taken it over, or its worker has ended.
    case ended
}

/// The live state of one sink.
public struct LiveSinkState: Sendable, Equatable {
    public var state: BreakerState
    /// Why, for a person; no secret and no user data.
    public var reason: String?
    /// Since when, in nanoseconds since 1970.
    public var since: Int64
    /// Deliveries at the destination right now.
    public var inFlight: Int

    public init(state: BreakerState, reason: String? = nil, since: Int64, inFlight: Int = 0) {
        self.state = state
        self.reason = reason
        self.since = since
        self.inFlight = inFlight
    }
}

/// The live states of all sinks: workers publish them, the admin side reads them.
///
/// May be used from any thread.
public final class SinkBoard: Sendable {
    private let states = Mutex<[String: LiveSinkState]>([:])

    public init() {}

    /// Sets a sink's state.
    public func update(_ sink: String, _ state: LiveSinkState) { states.withLock { $0[sink] = state } }

    /// Takes a sink off the board.
    public func remove(_ sink: String) { states.withLock { $0[sink] = nil } }

    /// All states, by the sinks' names.
    public var snapshot: [String: LiveSinkState] { states.withLock { $0 } }
}
