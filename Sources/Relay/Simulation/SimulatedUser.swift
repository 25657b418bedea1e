/// A user of the simulated org, and what may happen to them next.
public struct SimulatedUser: Sendable, Equatable {
    /// As Okta writes it: `00u` and 17 more characters.
    public let id: String
    public internal(set) var login: String
    public internal(set) var displayName: String
    public internal(set) var phase: Phase

    /// Where a user's life stands.
    public enum Phase: String, Sendable, CaseIterable {
        case absent, staged, active, suspended, deprovisioned, deleted
    }

    /// The event types that may come next, each with its weight, in a fixed order.
    var nextSteps: [(type: LifecycleEventType, weight: Int)] {
        switch phase {
        case .absent: [(.create, 1)]
        case .staged: [(.activate, 7), (.updateProfile, 2), (.deactivate, 1)]
        case .active: [(.updateProfile, 6), (.suspend, 2), (.deactivate, 2)]
        case .suspended: [(.unsuspend, 7), (.deactivate, 3)]
        case .deprovisioned: [(.activate, 1), (.deleteInitiated, 3)]
        case .deleted: []
        }
    }

    mutating func take(_ type: LifecycleEventType) {
        switch type {
        case .create: phase = .staged
        case .activate, .unsuspend: phase = .active
        case .suspend: phase = .suspended
        case .deactivate: phase = .deprovisioned
        case .deleteInitiated: phase = .deleted
        case .updateProfile: break
        }
    }
}

/// The event types that the simulation sends, with the texts that Okta gives them.
public enum LifecycleEventType: String, Sendable, CaseIterable {
    case create = "user.lifecycle.create"
    case activate = "user.lifecycle.activate"
    case suspend = "user.lifecycle.suspend"
    case unsuspend = "user.lifecycle.unsuspend"
    case deactivate = "user.lifecycle.deactivate"
    case deleteInitiated = "user.lifecycle.delete.initiated"
    case updateProfile = "user.account.update_profile"

    var displayMessage: String {
        switch self {
        case .create: "Create Okta user"
        case .activate: "Activate Okta user"
        case .suspend: "Suspend Okta user"
        case .unsuspend: "Unsuspend Okta user"
        case .deactivate: "Deactivate Okta user"
        case .deleteInitiated: "Delete Okta user initiated"
        case .updateProfile: "Update user profile for Okta"
        }
    }

    /// The type's name before 2017, which Okta still writes beside the new one.
    var legacyName: String {
        switch self {
        case .create: "core.user.config.user_creation.success"
        case .activate: "core.user.config.user_activated"
        case .suspend: "core.user.config.user_suspended"
        case .unsuspend: "core.user.config.user_unsuspended"
        case .deactivate: "core.user.config.user_deactivated"
        case .deleteInitiated: "core.user.config.user_delete.initiated"
        case .updateProfile: "core.user.config.profile_update.success"
        }
    }
}
