/// The texts of config files that several tests share.
enum Destinations {
    /// A SQLite table of users, and one of events beside it.
    static let sqlite = """
        "users": { "type": "sqlite", "path": "users.sqlite", "table": "users" },
        "audit": { "type": "sqlite", "path": "users.sqlite", "table": "events", "mode": "append" }
        """

    /// The same in PostgreSQL.
    ///
    /// It is tried again quickly: a test waits for it to be back.
    static func postgresql(_ url: String) -> String {
        let retry = #""retry": { "initial": "50ms", "max": "500ms" }"#
        return """
            "warehouse": { "type": "postgresql", "url": "\(url)", "table": "users", \(retry) },
            "ledger": { "type": "postgresql", "url": "\(url)", "table": "events", "mode": "append", \(retry) }
            """
    }

    /// One contact for each user, kept current.
    static func contacts(_ url: String) -> String {
        """
        "crm": {
          "type": "http", "method": "PUT", "url": "\(url)/contacts/{{ $.user.id }}",
          "headers": { "X-Event": "{{ $.relay.id }}" },
          "auth": { "bearer": "a-token-for-the-crm" },
          "body": { "name": "{{ $.user.displayName }}", "active": "{{ $.user.active }}" },
          "on": { "delete": { "method": "DELETE", "body": null } },
          "allowHttp": true, "allowPrivate": true
        }
        """
    }

    /// One message for each event.
    static func messages(_ url: String) -> String {
        """
        "feed": {
          "type": "http", "method": "POST", "url": "\(url)/messages",
          "body": { "id": "{{ $.relay.id }}", "user": "{{ $.user.id }}", "type": "{{ $.event.eventType }}" },
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
