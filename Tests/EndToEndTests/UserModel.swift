import JSON
import Relay

/// What a history of events comes to, user by user: plain, and written apart from the relay's own fold.
///
/// It knows histories in which nobody is created a second time, as the simulated org's are.
struct UserModel {
    struct User: Equatable {
        var id: String
        var login: String?
        var displayName: String?
        var status: String?
        var lastEventID: String
        var lastEventType: String

        /// As the tests read a row.
        var row: [String?] { [id, login, displayName, status, lastEventID, lastEventType] }
    }

    static let columns = "id, login, display_name, status, last_event_id, last_event_type"

    private static let statuses = [
        "user.lifecycle.create": "STAGED", "user.lifecycle.activate": "ACTIVE",
        "user.lifecycle.unsuspend": "ACTIVE", "user.lifecycle.suspend": "SUSPENDED",
        "user.lifecycle.deactivate": "DEPROVISIONED", "user.lifecycle.delete.initiated": "DELETED",
    ]

    /// By id.
    private(set) var users: [String: User] = [:]

    init(_ events: some Sequence<SimulatedEvent>) throws {
        for event in events.sorted(by: { $0.published < $1.published }) { try apply(event) }
    }

    /// All rows, by id.
    var rows: [[String?]] { users.values.sorted { $0.id < $1.id }.map(\.row) }

    private mutating func apply(_ event: SimulatedEvent) throws {
        let root = try JSONDocument(event.bytes).root
        let target = root["target"]?.elements.first { $0["type"]?.isString("User") == true }
        var user =
            users[event.userID]
            ?? User(id: event.userID, lastEventID: event.id, lastEventType: event.type.rawValue)
        let login = target?["alternateId"]?.string
        if let login, !login.hasSuffix("@deleted.invalid") { user.login = login }
        user.displayName = target?["displayName"]?.string ?? user.displayName
        if user.status != "DELETED" { user.status = Self.statuses[event.type.rawValue] ?? user.status }
        user.lastEventID = event.id
        user.lastEventType = event.type.rawValue
        users[event.userID] = user
    }
}
