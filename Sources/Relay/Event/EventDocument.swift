public import JSON
public import Rules

/// The document that templates, `when` conditions and SQL columns see: the event, its user, and the relay's
/// own facts about this delivery.
///
/// ```
/// $.event       the LogEvent, as Okta sent it
/// $.user        id, login, displayName, status, active: those that are known
/// $.group $.app the first target of type UserGroup and AppInstance, where there is one
/// $.operation   create | update | deactivate | reactivate | delete | none
/// $.relay       id, hook, org, sink, rule, attempt, receivedAt, idempotencyKey
/// ```
public enum EventDocument {
    /// What the relay knows of a delivery besides its event.
    public struct Context: Sendable {
        public var sink: String
        public var rule: String
        /// From 1.
        public var attempt: Int
        public var idempotencyKey: String
        public var operation: Operation

        public init(sink: String, rule: String, attempt: Int, idempotencyKey: String, operation: Operation) {
            self.sink = sink
            self.rule = rule
            self.attempt = attempt
            self.idempotencyKey = idempotencyKey
            self.operation = operation
        }
    }

    /// What is said of the user; a nil member is left out.
    public struct User: Sendable, Equatable {
        public var id: String
        public var login: String?
        public var displayName: String?
        public var status: String?
        public var isActive: Bool?
        /// Members without a value that are known to have none: null instead of left out.
        public var nulls: Set<EventUser.Member>

        public init(
            id: String, login: String?, displayName: String?, status: String?, isActive: Bool?,
            nulls: Set<EventUser.Member> = []
        ) {
            self.nulls = nulls
            self.id = id
            self.login = login
            self.displayName = displayName
            self.status = status
            self.isActive = isActive
        }

        /// What the event alone says.
        public init?(_ event: Event) {
            guard let user = event.user else { return nil }
            let meaning = event.meaning
            self.init(
                id: user.id,
                login: user.login,
                displayName: user.displayName,
                status: meaning.status,
                isActive: meaning.isActive,
                nulls: user.nulls
            )
        }
    }

    /// Builds the document.
    public static func make(_ event: Event, user: User?, _ context: Context) -> JSONDocument {
        var writer = JSONWriter(capacity: 1_024)
        writer.object { document in
            if let user {
                document.name("user")
                document.object { write(user, to: &$0) }
            }
            for (name, type) in [("group", "UserGroup"), ("app", "AppInstance")] {
                if let target = event.target(ofType: type) { document.member(name, raw: target.raw) }
            }
            document.member("operation", context.operation.rawValue)
            document.name("relay")
            document.object { write(event, context, to: &$0) }
        }
        do {
            return JSONDocument("event", event.body, before: try JSONDocument(writer.bytes))
        } catch {
            // The writer writes JSON, and what is in it of the event was parsed before.
            preconditionFailure("an event's document is not JSON: \(error)")
        }
    }

    private static func write(_ user: User, to writer: inout JSONWriter) {
        writer.member("id", user.id)
        if user.login != nil || user.nulls.contains(.login) { writer.member("login", user.login) }
        if user.displayName != nil || user.nulls.contains(.displayName) {
            writer.member("displayName", user.displayName)
        }
        if let status = user.status { writer.member("status", status) }
        if let isActive = user.isActive { writer.member("active", isActive) }
    }

    private static func write(_ event: Event, _ context: Context, to writer: inout JSONWriter) {
        writer.member("id", event.id)
        writer.member("hook", event.hook)
        writer.member("org", event.org)
        writer.member("sink", context.sink)
        writer.member("rule", context.rule)
        writer.member("attempt", context.attempt)
        writer.member("receivedAt", Timestamp(nanoseconds: event.receivedAt).description)
        writer.member("idempotencyKey", context.idempotencyKey)
    }
}

extension Event {
    /// The first target of that type; Okta's order of targets varies.
    func target(ofType type: String) -> JSONValue? {
        body.root["target"]?.elements.first { $0["type"]?.isString(type) == true }
    }
}
