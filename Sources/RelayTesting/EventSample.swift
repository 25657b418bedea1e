import Foundation
import JSON
public import Relay

/// A made-up LogEvent, in our own words, for tests that need many different ones.
public struct EventSample: Sendable {
    public var id: String
    public var type: String
    /// Nil makes an event without targets.
    public var user: String?
    /// Nil leaves `alternateId` out.
    public var login: String?
    /// Nil leaves `displayName` out.
    public var displayName: String?
    /// Seconds since 2026-01-01T00:00:00Z; nil writes a `published` that is no timestamp.
    public var second: Int64?
    public var outcome: String
    /// A further target of type UserGroup.
    public var group: String?
    public var org: String
    /// Nanoseconds since 1970.
    public var receivedAt: Int64 = 1_767_225_600_000_000_000

    /// The id is made of type, user and second, so equal samples are the same event.
    public init(
        type: String, user: String?, second: Int64?, outcome: String = "SUCCESS", group: String? = nil,
        org: String = "acme"
    ) {
        id = [type, user ?? "-", second.map(String.init) ?? "-", group ?? "-"].joined(separator: "/")
        self.type = type
        self.user = user
        self.second = second
        self.outcome = outcome
        self.group = group
        self.org = org
        login = user.map { "\($0)@example.com" }
        displayName = user.map { "\($0)@\(second ?? 0)" }
    }

    /// The event.
    ///
    /// The text is always a LogEvent, so a failure is a mistake in this file.
    public var event: Event {
        do {
            return try Event(
                body: JSONDocument(json), hook: "hook", org: org, receivedAt: receivedAt)
        } catch {
            preconditionFailure("a sample is not an event: \(error)")
        }
    }

    private var json: [UInt8] {
        var writer = JSONWriter()
        writer.object { root in
            root.member("uuid", id)
            root.member("eventType", type)
            root.member("published", published)
            root.name("outcome")
            root.object { $0.member("result", outcome) }
            root.name("target")
            root.array { targets in
                if let group {
                    targets.object { target in
                        target.member("type", "UserGroup")
                        target.member("id", group)
                        target.member("displayName", "Group \(group)")
                    }
                }
                guard let user else { return }
                targets.object { target in
                    target.member("type", "User")
                    target.member("id", user)
                    if let login { target.member("alternateId", login) }
                    if let displayName { target.member("displayName", displayName) }
                }
            }
        }
        return writer.bytes
    }

    private var published: String {
        guard let second else { return "some day" }
        return Timestamp(nanoseconds: (1_767_225_600 + second) * 1_000_000_000).description
    }
}
