public import JSON
public import Rules

/// One Okta LogEvent that came in through a hook: its original bytes and what the relay reads out of them.
///
/// Immutable; an object, because an event goes through many hands and each copy of its dozen fields would
/// cost more than the hand-over itself.
public final class Event: Sendable {
    /// Arrays and objects in each other; Okta's own events have about 8.
    ///
    /// Below ``JSON/JSONDocument/depthMax`` by what the relay and a mapping put around an event.
    public static let depthMax = 200

    /// The event's `uuid`, verbatim: unique within an org.
    public let id: String
    /// `eventId` of the envelope that it first came in, verbatim; nil where that had none.
    ///
    /// Okta repeats an envelope under the same one, and one event may come in several.
    public let envelopeID: String?
    /// The hook that it came through.
    public let hook: String
    /// The Okta org, as the config names it; users and events are told apart within it.
    public let org: String
    /// `eventType`, verbatim.
    public let type: String
    /// `published`; nil where it is missing or not a timestamp.
    public let published: Timestamp?
    /// `outcome.result`, verbatim; nil where there is none.
    public let outcome: String?
    /// The user it is about; nil where it names none.
    public let user: EventUser?
    /// What it does to its user.
    public let meaning: EventMeaning
    /// When the relay received it, in nanoseconds since 1970.
    public let receivedAt: Int64
    /// The LogEvent as Okta sent it, indexed.
    public let body: JSONDocument

    /// Reads what the relay needs from a LogEvent; see ``EventDefect`` for what makes that impossible.
    public init(
        body: JSONDocument, hook: String, org: String, receivedAt: Int64, envelopeID: String? = nil
    ) throws(EventDefect) {
        let root = body.root
        guard root.kind == .object else { throw .notAnObject }
        guard !body.isDeeper(than: Self.depthMax) else { throw .nestedTooDeeply }
        guard let id = root["uuid"]?.string, !id.isEmpty else { throw .noUUID }
        guard let type = root["eventType"]?.string, !type.isEmpty else { throw .noEventType }
        self.id = id
        self.envelopeID = envelopeID
        self.hook = hook
        self.org = org
        self.type = type
        self.published = root["published"]?.string.flatMap { Timestamp($0) }
        let outcome = root["outcome"]?["result"]?.string
        self.outcome = outcome
        let user = EventUser(event: root, type: type)
        self.user = user
        self.meaning = EventMeaning(type: type, outcome: outcome, login: user?.login)
        self.receivedAt = receivedAt
        self.body = body
    }

    /// What the rule table wants to know besides the event's text.
    public var routingFacts: RoutingFacts {
        RoutingFacts(
            hook: hook, eventType: type, operation: meaning.operation, isEffective: meaning.isEffective)
    }

    /// Bytes of memory that it takes, about: an event of 2 KB takes 5.
    public var footprint: Int { body.footprint + Self.ownBytes }

    /// The object, and the texts that were read out of the body.
    private static let ownBytes = 512

    /// Its place among all events of its user; nil without a usable `published`.
    public var stamp: Stamp? {
        published.map { Stamp(published: $0.nanoseconds, rank: meaning.operation.rank, eventID: id) }
    }

    /// The ordering key: events with the same subject reach a sink one after another.
    ///
    /// Nil without a user.
    public var subject: Subject? { user.map { Subject(org: org, userID: $0.id) } }
}

/// What makes an element of `data.events` unusable; it is quarantined with its bytes.
public enum EventDefect: String, Error, Sendable, CaseIterable {
    case notAnObject = "not an object"
    case nestedTooDeeply = "nested too deeply"
    case noUUID = "no uuid"
    case noEventType = "no eventType"
}

/// The user an event is about: all that Okta says of them in an event.
public struct EventUser: Sendable, Equatable {
    public let id: String
    /// `alternateId`, normally the login; nil where it is missing or null.
    public let login: String?
    public let displayName: String?
    /// The members that are there and null, which says more than a member that is missing.
    public let nulls: Set<Member>

    public enum Member: Sendable, Hashable { case login, displayName }

    public init(id: String, login: String?, displayName: String?, nulls: Set<Member> = []) {
        self.id = id
        self.login = login
        self.displayName = displayName
        self.nulls = nulls
    }

    /// Finds the target of type `User`, by type and never by position (Okta's order varies); a lock event
    /// without one is about its actor.
    init?(event: JSONValue, type: String) {
        let target = event["target"]?.elements.first { target in
            target["type"]?.isString("User") == true && target["id"]?.string?.isEmpty == false
        }
        let lockedActor = EventMeaning.isAboutActorWithoutTarget(type) ? event["actor"] : nil
        guard let user = target ?? lockedActor, user["type"]?.isString("User") == true,
            let id = user["id"]?.string, !id.isEmpty
        else { return nil }
        var nulls: Set<Member> = []
        if user["alternateId"]?.isNull == true { nulls.insert(.login) }
        if user["displayName"]?.isNull == true { nulls.insert(.displayName) }
        self.init(
            id: id,
            login: user["alternateId"]?.string,
            displayName: user["displayName"]?.string,
            nulls: nulls
        )
    }
}

/// A user within an org.
public struct Subject: Sendable, Hashable {
    public let org: String
    public let userID: String

    public init(org: String, userID: String) {
        self.org = org
        self.userID = userID
    }
}
