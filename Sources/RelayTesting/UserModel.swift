public import Relay
import JSON

/// What a set of events comes to, user by user: plain, and written apart from the relay's own fold.
///
/// A function of the set: there is no order of arrival in it. Events are ordered by `published`, then by what
/// they do, then by uuid. The newest deletion that a newer creation followed ends a life: what came up to it
/// says nothing any more.
public struct UserModel {
    public struct User: Equatable, Sendable {
        public var id: String
        public var login: String?
        public var displayName: String?
        public var status: String?
        public var lastEventID: String
        public var lastEventType: String
        /// What a destination of contacts has; nil where the user is deleted.
        public var contact: String?

        /// As tests read a row, in the order of ``UserModel/columns``.
        public var row: [String?] { [id, login, displayName, status, lastEventID, lastEventType] }
    }

    /// Of the SQL sinks' default table.
    public static let columns = "id, login, display_name, status, last_event_id, last_event_type"

    /// By id.
    public let users: [String: User]

    public init(_ events: some Sequence<SimulatedEvent>) throws {
        let words = try events.map(Word.init)
        users = Dictionary(grouping: words, by: \.userID).mapValues(Self.user)
    }

    /// All rows, by id.
    public var rows: [[String?]] { users.values.sorted { $0.id < $1.id }.map(\.row) }

    /// Where rows are not the model's, told user by user.
    public func differences(from rows: [[String?]]) -> [String] {
        let found = rows.map { (($0.first ?? nil) ?? "", $0) }
        let doubled = Dictionary(grouping: found, by: \.0).filter { $0.value.count > 1 }.keys.sorted()
        return doubled.map { "\($0): more than one row" }
            + RelayTesting.differences(Dictionary(found) { $1 }, from: users.mapValues(\.row))
    }

    /// The bodies of all contacts, by the users' ids.
    public var contacts: [String: String] { users.compactMapValues(\.contact) }

    /// What one event says.
    private struct Word {
        let id: String
        let type: String
        let userID: String
        let published: Int64
        let login: String?
        let displayName: String?
        let isDeletion: Bool

        init(_ event: SimulatedEvent) throws {
            let root = try JSONDocument(event.bytes).root
            let target = root["target"]?.elements.first { $0["type"]?.isString("User") == true }
            let login = target?["alternateId"]?.string
            let isRenamed = login?.hasSuffix("@deleted.invalid") == true
            id = event.id
            type = event.type.rawValue
            userID = event.userID
            published = event.published
            self.login = isRenamed ? nil : login
            displayName = isRenamed ? nil : target?["displayName"]?.string
            isDeletion = isRenamed || event.type == .deleteInitiated
        }

        /// At the same instant a removal wins over all else, and a creation comes first.
        var place: (Int64, Int, String) {
            let rank =
                switch type {
                case _ where isDeletion: 5
                case "user.lifecycle.create": 1
                case "user.account.update_profile": 2
                case "user.lifecycle.activate", "user.lifecycle.unsuspend": 3
                default: 4
                }
            return (published, rank, id)
        }

        var status: String? {
            switch type {
            case _ where isDeletion: nil
            case "user.lifecycle.create": "STAGED"
            case "user.lifecycle.activate", "user.lifecycle.unsuspend": "ACTIVE"
            case "user.lifecycle.suspend": "SUSPENDED"
            case "user.lifecycle.deactivate": "DEPROVISIONED"
            default: nil
            }
        }
    }

    private static func user(_ words: [Word]) -> User {
        let sorted = words.sorted { $0.place < $1.place }
        let created = sorted.lastIndex { $0.type == "user.lifecycle.create" }
        let buried = created.flatMap { sorted[..<$0].lastIndex(where: \.isDeletion) }
        let life = sorted[(buried.map { $0 + 1 } ?? 0)...]
        let isDeleted = life.contains(where: \.isDeletion)
        let alive = life.filter { !$0.isDeletion }
        let status = alive.compactMap(\.status).last
        let name = alive.compactMap(\.displayName).last
        return User(
            id: sorted[0].userID,
            login: life.compactMap(\.login).last,
            displayName: life.compactMap(\.displayName).last,
            status: isDeleted ? "DELETED" : status,
            lastEventID: life.last?.id ?? "",
            lastEventType: life.last?.type ?? "",
            contact: isDeleted ? nil : #"{"name":"\#(name ?? "")","active":\#(status == "ACTIVE")}"#
        )
    }
}
