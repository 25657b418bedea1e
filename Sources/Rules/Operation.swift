/// What an event does to a user, as every sink understands it.
public enum Operation: String, Sendable, CaseIterable, Hashable {
    case create, update, reactivate, deactivate, delete, none

    /// Breaks the tie between events that were published at the same instant: Okta emits create, update and
    /// activate within milliseconds, and a removal must win over all of them.
    public var rank: Int {
        switch self {
        case .none: 0
        case .create: 1
        case .update: 2
        case .reactivate: 3
        case .deactivate: 4
        case .delete: 5
        }
    }
}
