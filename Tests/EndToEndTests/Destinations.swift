/// The texts of config files that several tests share.
enum Destinations {
    /// A SQLite table of users, and one of events beside it.
    static let sqlite = """
        "users": { "type": "sqlite", "path": "users.sqlite", "table": "users" },
        "audit": { "type": "sqlite", "path": "users.sqlite", "table": "events", "mode": "append" }
        """

    /// A test waits for a destination to be back, so it is tried again quickly.
    static let retry = #""retry": { "initial": "50ms", "max": "500ms" }"#

    /// Simulated orgs delete more users than real ones, and no test of these destinations is about that.
    private static let unlimited = #""limits": {}"#

    /// The same in PostgreSQL.
    static func postgresql(_ url: String) -> String {
        """
        "warehouse": { "type": "postgresql", "url": "\(url)", "table": "users", \(retry) },
        "ledger": { "type": "postgresql", "url": "\(url)", "table": "events", "mode": "append", \(retry) }
        """
    }

    /// One contact for each user, kept current.
    ///
    /// - Parameters:
    ///   - token: The bearer token; `${file:…}` as well.
    ///   - retry: The member `retry`.
    ///   - posts: Whether a contact is made by a `POST`, which must not be sent twice.
    ///   - unknown: With `posts`, what is done where nobody knows whether one arrived; as JSON text.
    static func contacts(
        _ url: String, token: String = "a-token-for-the-crm", retry: String = retry, posts: Bool = false,
        unknown: String? = nil
    ) -> String {
        let create = #""create": { "method": "POST", "url": "\#(url)/contacts" },"#
        let lookup = #""lookup": { "url": "\#(url)/contacts/by-external-id/{{ $.user.id }}" }"#
        return """
            "crm": {
              "type": "http", "method": "PUT", "url": "\(url)/contacts/{{ $.user.id }}",
              "headers": { "X-Event": "{{ $.relay.id }}", "X-External-Id": "{{ $.user.id }}" },
              "auth": { "bearer": "\(token)" },
              "body": { "name": "{{ $.user.displayName }}", "active": "{{ $.user.active }}" },
              "on": { \(posts ? create : "") "delete": { "method": "DELETE", "body": null } },
              \(posts ? (unknown ?? lookup) + "," : "")
              \(retry), \(unlimited),
              "allowHttp": true, "allowPrivate": true
            }
            """
    }

    /// One message for each event.
    ///
    /// - Parameters:
    ///   - name: The sink's.
    ///   - more: Further members, as JSON text with a comma behind.
    ///   - retry: The member `retry`.
    static func messages(
        _ url: String, name: String = "feed", more: String = "", retry: String = retry
    ) -> String {
        """
        "\(name)": {
          "type": "http", "method": "POST", "url": "\(url)/messages", \(more)
          "body": { "id": "{{ $.relay.id }}", "user": "{{ $.user.id }}", "type": "{{ $.event.eventType }}" },
          \(retry), \(unlimited),
          "allowHttp": true, "allowPrivate": true
        }
        """
    }

    /// Everything that the simulated org sends, to these sinks.
    static func rule(to sinks: String...) -> String {
        let names = sinks.map { "\"\($0)\"" }.joined(separator: ", ")
        return """
            { "name": "users", "events": ["user.lifecycle.*", "user.account.*"], "sinks": [\(names)] }
            """
    }
}
