public import Rules

/// Okta's event types: which there are, and which an event hook may subscribe to.
///
/// It advises and never decides: Okta adds types with every release, so an unknown one is accepted.
public enum EventTypeCatalogue {
    /// How many event types one hook may subscribe to, by Okta's documentation of August 2026.
    public static let hookTypesMax = 300

    /// What the relay itself appends when it lists an org's users.
    public static let backfill = "relay.backfill"

    /// All names, sorted.
    public static var names: [String] { contents.names }

    /// Whether Okta's documentation lists the type, or the relay makes it itself.
    public static func isKnown(_ name: String) -> Bool { contents.all.contains(name) || name == backfill }

    /// Whether an event hook may subscribe to the type.
    public static func isEligible(_ name: String) -> Bool { contents.eligible.contains(name) }

    /// The known types that a pattern matches, sorted.
    public static func matching(_ pattern: EventTypePattern) -> [String] {
        if pattern.isExact { return isKnown(pattern.description) ? [pattern.description] : [] }
        return contents.names.filter(pattern.matches)
    }

    /// The known type that a misspelt one was probably meant to be; for a pattern, one whose family exists.
    public static func nearest(_ name: String) -> String? {
        guard name.contains("*") else { return NearestName.of(name, among: contents.names) }
        guard name.hasSuffix(".*") else { return nil }
        return NearestName.of(String(name.dropLast(2)), among: contents.families).map { $0 + ".*" }
    }

    /// What to subscribe to instead of a type that event hooks do not carry, and why.
    public static func substitute(for name: String) -> (name: String, reason: String)? {
        substitutes[name]
    }

    /// The event types that change a user, each with its operation where it takes effect, as the relay
    /// understands them.
    ///
    /// The relay's table of meanings is the authority; a test holds the two together.
    public static let userChanges: [String: Operation] = [
        "user.lifecycle.create": .create, "user.lifecycle.activate": .reactivate,
        "user.lifecycle.reactivate": .reactivate, "user.lifecycle.unsuspend": .reactivate,
        "user.lifecycle.suspend": .deactivate, "user.lifecycle.deactivate": .deactivate,
        "user.lifecycle.delete.initiated": .delete, "user.lifecycle.delete.completed": .delete,
        "user.account.update_profile": .update, "user.account.update_primary_email": .update,
        "user.account.update_secondary_email": .update, "user.account.update_user_type": .update,
        "user.account.lock": .update, "user.account.unlock": .update,
        "user.account.unlock_by_admin": .update, backfill: .update,
    ]

    /// What events of a type can do: nothing where they fail, and a deletion shows in the login too, which
    /// Okta changes by a profile update.
    public static func operations(of type: String, withOutcome outcome: Rule.Outcome) -> Set<Operation> {
        guard let operation = userChanges[type] else { return [.none] }
        var operations: Set = [operation]
        if type == "user.account.update_profile" { operations.insert(.delete) }
        if outcome == .any { operations.insert(.none) }
        return operations
    }

    private static let substitutes: [String: (name: String, reason: String)] = [
        "user.lifecycle.delete.completed": (
            "user.lifecycle.delete.initiated", "every deletion starts with it"
        ),
        "user.account.update_primary_email": (
            "user.account.update_profile", "a new address changes the profile too"
        ),
        "user.account.update_secondary_email": (
            "user.account.update_profile", "a new address changes the profile too"
        ),
        "user.account.update_user_type": (
            "user.account.update_profile", "a new type changes the profile too"
        ),
        "user.account.lock.limit": ("user.account.lock", "it tells of each lock"),
        "user.account.expire_password": (
            "user.account.update_password", "it tells when the password changes"
        ),
    ]

    // MARK: - Contents

    private struct Contents {
        var names: [String] = []
        var all: Set<String> = []
        var eligible: Set<String> = []
        /// Every dotted beginning of a name.
        var families: [String] = []
    }

    /// Read from the data once, on first use.
    private static let contents: Contents = {
        var contents = Contents()
        var family = ""
        var families: Set<String> = []
        for word in EventTypeNames.families.split(whereSeparator: \.isWhitespace) {
            if word.hasSuffix(":") {
                family = String(word.dropLast())
                var beginning = ""
                for part in family.split(separator: ".") {
                    beginning += beginning.isEmpty ? "\(part)" : ".\(part)"
                    families.insert(beginning)
                }
                continue
            }
            let isEligible = word.hasPrefix("+")
            let name = "\(family).\(isEligible ? word.dropFirst() : word)"
            contents.all.insert(name)
            if isEligible { contents.eligible.insert(name) }
        }
        contents.names = contents.all.sorted()
        contents.families = families.sorted()
        return contents
    }()
}
