import JSON
public import Relay

/// Makes LogEvents in Okta's shape for tests; every part has a default.
public struct LogEventFixture: Sendable {
    public var uuid: String
    public var type = "user.account.update_profile"
    public var published = "2026-03-01T10:00:00.000Z"
    public var outcome = "SUCCESS"
    /// Nil leaves the user target out.
    public var userID: String? = "00u1"
    public var login = "ada@example.com"
    public var displayName = "Ada Lovelace"

    public init(uuid: String) { self.uuid = uuid }

    public init(
        uuid: String, type: String = "user.account.update_profile",
        published: String = "2026-03-01T10:00:00.000Z",
        outcome: String = "SUCCESS", userID: String? = "00u1", login: String = "ada@example.com"
    ) {
        self.uuid = uuid
        self.type = type
        self.published = published
        self.outcome = outcome
        self.userID = userID
        self.login = login
    }

    public var json: [UInt8] {
        var writer = JSONWriter()
        writer.object { event in
            event.member("uuid", uuid)
            event.member("published", published)
            event.member("eventType", type)
            event.member("version", "0")
            event.member("severity", "INFO")
            event.name("outcome")
            event.object { $0.member("result", outcome) }
            event.name("target")
            event.array { targets in
                targets.object { group in
                    group.member("id", "00g1")
                    group.member("type", "UserGroup")
                    group.member("displayName", "Staff")
                }
                guard let userID else { return }
                targets.object { user in
                    user.member("id", userID)
                    user.member("type", "User")
                    user.member("alternateId", login)
                    user.member("displayName", displayName)
                }
            }
        }
        return writer.bytes
    }

    /// The event as the relay reads it.
    public func event(
        hook: String = "okta", org: String = "okta", receivedAt: Int64 = 1, envelopeID: String? = nil
    ) throws -> Event {
        try Event(
            body: try JSONDocument(json), hook: hook, org: org, receivedAt: receivedAt, envelopeID: envelopeID
        )
    }
}
