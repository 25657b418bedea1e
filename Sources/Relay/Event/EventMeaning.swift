public import Rules

/// What an event does to its user, by its type, its outcome and the user's login.
public struct EventMeaning: Sendable, Equatable {
    public let operation: Operation
    /// The user's status from now on; nil where the event says nothing about it.
    public let status: String?
    /// Whether the user is active from now on; nil where the event says nothing about it.
    public let isActive: Bool?
    /// Whether the outcome is one with which the event type takes effect.
    public let isEffective: Bool

    /// Okta renames a user it deletes, and logs that as a profile update milliseconds after the deletion.
    public static let deletedLoginSuffix = "@deleted.invalid"

    /// Whether Okta has given the user that login in the course of a deletion; logins have no case.
    public static func isDeletedLogin(_ login: String?) -> Bool {
        guard let login else { return false }
        let end = login.utf8.suffix(deletedLoginSuffix.utf8.count)
        return end.elementsEqual(deletedLoginSuffix.utf8) { written, wanted in
            written == wanted || written | 0x20 == wanted && wanted >= UInt8(ascii: "a")
        }
    }

    public init(type: String, outcome: String?, login: String?) {
        let isSuccess = outcome?.lowercased() == "success"
        if Self.isDeletedLogin(login), isSuccess {
            self.init(Self.deletion, isEffective: true)
        } else if let row = Self.table[type] {
            self.init(row, isEffective: isSuccess || row.takesEffectWithAnyOutcome)
        } else {
            self.init(Row(.none), isEffective: true)
        }
    }

    private init(_ row: Row, isEffective: Bool) {
        operation = isEffective ? row.operation : .none
        status = isEffective ? row.status : nil
        isActive = isEffective ? row.isActive : nil
        self.isEffective = isEffective
    }

    /// Okta writes lock events with the locked user as the actor, often without a target.
    static func isAboutActorWithoutTarget(_ type: String) -> Bool {
        type == "user.account.lock" || type == "user.account.unlock"
    }

    // MARK: - The table

    private struct Row {
        var operation: Operation
        var status: String?
        var isActive: Bool?
        var takesEffectWithAnyOutcome: Bool

        init(_ operation: Operation, _ status: String? = nil, active: Bool? = nil, anyOutcome: Bool = false) {
            self.operation = operation
            self.status = status
            self.isActive = active
            self.takesEffectWithAnyOutcome = anyOutcome
        }
    }

    private static let deletion = Row(.delete, "DELETED", active: false)

    /// Every event type that changes a user.
    ///
    /// Okta never tells PROVISIONED from ACTIVE in an event, and it logs a lock as FAILURE though the lock
    /// took effect. A lock keeps a person from signing in for a while and says nothing about whether they
    /// belong: it leaves `active` as it is.
    private static let table: [String: Row] = [
        "user.lifecycle.create": Row(.create, "STAGED", active: false),
        "user.lifecycle.activate": Row(.reactivate, "ACTIVE", active: true),
        "user.lifecycle.reactivate": Row(.reactivate, "ACTIVE", active: true),
        "user.lifecycle.unsuspend": Row(.reactivate, "ACTIVE", active: true),
        "user.lifecycle.suspend": Row(.deactivate, "SUSPENDED", active: false),
        "user.lifecycle.deactivate": Row(.deactivate, "DEPROVISIONED", active: false),
        "user.lifecycle.delete.initiated": deletion,
        "user.lifecycle.delete.completed": deletion,
        "user.account.update_profile": Row(.update),
        "user.account.update_primary_email": Row(.update),
        "user.account.update_secondary_email": Row(.update),
        "user.account.update_user_type": Row(.update),
        "user.account.lock": Row(.update, "LOCKED_OUT", anyOutcome: true),
        "user.account.unlock": Row(.update, "ACTIVE", active: true),
        "user.account.unlock_by_admin": Row(.update, "ACTIVE", active: true),
    ]
}
