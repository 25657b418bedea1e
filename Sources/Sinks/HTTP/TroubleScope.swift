/// Whether something that goes wrong is one user's matter or everybody's.
///
/// Whom it meets first may be the reason themselves. A second user in a row means everybody, and so it stays
/// until something shows that it is over, and whoever holds this sets it back to `none`.
enum TroubleScope: Sendable, Equatable {
    case none
    case one(String)
    case everybody

    /// Notes whom it met; true when it is everybody's.
    mutating func met(_ who: String) -> Bool {
        switch self {
        case .none: self = .one(who)
        case .one(let first) where first == who: break
        case .one, .everybody: self = .everybody
        }
        return self == .everybody
    }
}
