/// What the configuration says of how long the journal holds a sink's entries.
///
/// A sink that the journal knows and that no policy names was taken out of the configuration: its entries are
/// held for the retention.
public struct SinkPolicy: Sendable, Equatable {
    public let name: String
    /// A disabled sink pins nothing: what waits for it goes with the retention, and first where room is
    /// needed.
    public let isEnabled: Bool
    /// How long entries wait for it; nil means the journal's retention.
    public let maxBehind: Duration?
    /// The name whose place it takes; where the journal knows its own already, only as long as it has had no
    /// event.
    public let renamedFrom: String?

    public init(
        name: String, isEnabled: Bool = true, maxBehind: Duration? = nil, renamedFrom: String? = nil
    ) {
        self.name = name
        self.isEnabled = isEnabled
        self.maxBehind = maxBehind
        self.renamedFrom = renamedFrom
    }

    /// How long an entry waits, in a journal with that retention.
    public func holds(retention: Duration) -> Duration {
        let maxBehind = maxBehind ?? retention
        return isEnabled ? maxBehind : min(maxBehind, retention)
    }
}
