import Config
import Foundation
import JSON

/// Loads config texts in surroundings that a test makes up.
enum Fixture {
    static let directory = "/srv/relay"

    static func load(
        _ text: String, variables: [String: String] = [:], files: [String: String] = [:]
    ) -> ConfigLoader.Outcome {
        ConfigLoader(surroundings: surroundings(variables: variables, files: files))
            .load(Array(text.utf8), file: "sinks.json", directory: directory)
    }

    static func surroundings(
        variables: [String: String] = [:], files: [String: String] = [:]
    ) -> ConfigSurroundings {
        let given = ["/srv/relay/data/admin.token": adminToken, "/srv/relay/data/hook.secret": hookSecret]
        let all = given.merging(files) { $1 }
        return ConfigSurroundings(
            variable: { variables[$0] },
            read: { path in all[path].map { .contents(Array($0.utf8)) } ?? .missing }
        )
    }

    static let adminToken = "admin-token-admin-token-1\n"
    static let hookSecret = "hook-secret-hook-secret-2\n"

    /// The smallest file that has a sink and a rule, with parts to exchange.
    static func minimal(
        server: String = #"{ "listen": "127.0.0.1:8080" }"#,
        admin: String = #"{ "token": "${file:data/admin.token}" }"#,
        hooks: String = #"[{ "name": "okta", "path": "/okta", "secrets": ["${file:data/hook.secret}"] }]"#,
        sinks: String = #"{ "users": { "type": "sqlite", "path": "users.sqlite", "table": "users" } }"#,
        rules: String = #"[{ "name": "all", "events": ["user.lifecycle.*"], "sinks": ["users"] }]"#
    ) -> String {
        """
        {
          "server": \(server),
          "admin": \(admin),
          "hooks": \(hooks),
          "sinks": \(sinks),
          "rules": \(rules)
        }
        """
    }

    /// A minimal file with one HTTP sink of the given keys, named `crm`.
    static func http(_ keys: String, url: String = "https://crm.example.com/u/{{ $.user.id }}") -> String {
        minimal(
            sinks: #"{ "crm": { "type": "http", "url": "\#(url)"\#(keys.isEmpty ? "" : ", ")\#(keys) } }"#,
            rules: #"[{ "name": "all", "events": ["user.lifecycle.*"], "sinks": ["crm"] }]"#)
    }

    /// A minimal file whose SQLite sink `users` has more keys.
    static func table(_ keys: String) -> String {
        minimal(
            sinks: #"{ "users": { "type": "sqlite", "path": "users.sqlite", "table": "users", \#(keys) } }"#)
    }

    /// A minimal file whose SQLite sink `users` holds memberships, with one rule of those events.
    static func memberships(team: String = #""{{ $.group.id }}""#, rules events: String) -> String {
        minimal(
            sinks: #"""
                { "users": { "type": "sqlite", "path": "users.sqlite", "table": "users",
                             "key": ["id", "team"],
                             "columns": { "id": "{{ $.user.id }}", "team": \#(team) },
                             "operations": { "group.user_membership.add": "create" } } }
                """#,
            rules: #"[{ "name": "a", "sinks": ["users"], "events": \#(events) },"#
                + #" { "name": "b", "sinks": ["users"], "events": ["group.user_membership.add"] }]"#)
    }

    /// A file that uses every key there is.
    static let everything = #"""
        {
          "$schema": "./sinks.schema.json",
          "server": {
            "listen": "0.0.0.0:8443", "tls": { "certificate": "tls/cert.pem", "key": "tls/key.pem" },
            "trustedProxies": ["10.0.0.0/8", "::1"], "maxBody": "8MiB", "requestTimeout": "5s",
            "maxConnections": 200, "shutdownTimeout": "30s"
          },
          "admin": {
            "listen": "[::1]:9000", "token": "${file:data/admin.token}",
            "tls": { "certificate": "tls/cert.pem", "key": "tls/key.pem" }
          },
          "hooks": [
            { "name": "main", "path": "/okta/main", "header": "X-Hook-Secret",
              "secrets": ["${file:data/hook.secret}", "${env:OLD_SECRET}"],
              "events": ["user.*", "group.user_membership.*"], "org": "acme", "verification": "open" },
            { "name": "more", "path": "/okta/more", "secrets": ["${file:data/hook.secret}"], "org": "acme" }
          ],
          "journal": { "path": "journal/events.sqlite", "retention": "7d", "maxSize": "512MiB",
            "receipts": "90d", "maxDeadLetters": "100MiB", "maxQuarantine": "64MiB" },
          "sinks": {
            "users": {
              "type": "sqlite", "path": "users.sqlite", "table": "people",
              "maxBehind": "14d", "renamedFrom": "people",
              "columns": {
                "id": "{{ $.user.id }}", "source": "okta", "rank": 1,
                "created_by": { "value": "relay", "type": "varchar(20)", "insert": true }
              },
              "key": ["id"], "create": false, "onDelete": "delete"
            },
            "memberships": {
              "type": "postgresql", "enabled": true, "from": "2026-11-01", "url": "${env:DATABASE_URL}",
              "table": "okta.memberships",
              "mode": "upsert", "columns": { "user_id": "{{ $.user.id }}", "group_id": "{{ $.group.id }}" },
              "key": ["user_id", "group_id"],
              "operations": {
                "group.user_membership.add": "create", "group.user_membership.remove": "delete"
              }
            },
            "crm": {
              "type": "http", "method": "PUT", "url": "https://crm.example.com/v1/{{ $.user.id }}",
              "headers": { "Accept": "application/json" }, "auth": { "bearer": "${env:CRM_TOKEN}" },
              "body": { "login": "{{ $.user.login }}" },
              "on": {
                "delete": { "method": "DELETE", "body": null }, "none": null,
                "user.lifecycle.suspend": {
                  "url": "https://crm.example.com/v1/{{ $.user.id }}/suspend", "headers": {}, "body": {}
                }
              },
              "concurrency": 4, "rate": "600/min", "timeout": "5s", "allowPrivate": false, "allowHttp": true,
              "rateHeaders": { "remaining": "X-RateLimit-Remaining", "reset": "X-RateLimit-Reset" },
              "retry": { "initial": "250ms", "max": "10m", "for": "24h" },
              "limits": { "delete": "50/h", "deactivate": "500/d" }, "settle": "2s", "coalesce": false,
              "maxBehind": "7d", "maxParked": 500
            },
            "chat": {
              "type": "http", "url": "https://chat.example.com/hook",
              "auth": { "basic": { "user": "relay", "password": "${env:CHAT_PASSWORD}" } },
              "limits": null, "lookup": { "url": "https://chat.example.com/{{ $.user.id }}", "headers": {} }
            },
            "log": {
              "type": "http", "url": "https://log.example.com/hook",
              "auth": { "header": { "name": "X-Api-Key", "value": "${env:LOG_KEY}" } },
              "unknown": "deadLetter"
            }
          },
          "rules": [
            { "name": "ours", "events": ["user.lifecycle.*"], "none": [{ "actor": { "id": ["0oa1"] } }],
              "stop": true },
            { "name": "people", "events": ["user.*"], "where": { "outcome": { "result": ["SUCCESS"] } },
              "sinks": ["users", "crm"], "hooks": ["main"], "operations": ["create", "update", "delete"],
              "outcome": "any" },
            { "name": "groups", "events": ["group.user_membership.*"],
              "all": [{ "target": { "type": ["User"] } }], "any": [{ "target": { "type": ["UserGroup"] } }],
              "sinks": ["memberships", "chat", "log"] },
            { "name": "leavers", "events": ["user.lifecycle.delete.initiated"], "hooks": ["main"],
              "sinks": ["memberships"] }
          ]
        }
        """#

    static let everythingVariables = [
        "OLD_SECRET": "old-secret-old-secret", "DATABASE_URL": "postgresql://relay@db/okta",
        "CRM_TOKEN": "crm-token-value", "CHAT_PASSWORD": "chat-password-value", "LOG_KEY": "log-key-value",
    ]

    static let everythingFiles = [
        "/srv/relay/tls/cert.pem": "-----BEGIN CERTIFICATE-----\n",
        "/srv/relay/tls/key.pem": "-----BEGIN PRIVATE KEY-----\n",
    ]

    static func loadEverything(_ text: String = everything) -> ConfigLoader.Outcome {
        load(text, variables: everythingVariables, files: everythingFiles)
    }

    /// The package's own folder, where the committed files are.
    static let packageRoot = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static func committed(_ name: String) throws -> String {
        try String(contentsOf: packageRoot.appendingPathComponent(name), encoding: .utf8)
    }
}

/// Texts that differ from a JSON text in one place.
struct Mutations {
    let document: JSONDocument

    /// The text with one value exchanged.
    func replacing(_ value: JSONValue, by text: String) -> String {
        let bytes = document.bytes
        return String(
            decoding: bytes[..<value.raw.startIndex] + Array(text.utf8) + bytes[value.raw.endIndex...],
            as: UTF8.self)
    }

    /// An object's text without one member, and with one more.
    static func object(
        _ value: JSONValue, without dropped: String? = nil, adding added: String? = nil
    ) -> String {
        var writer = JSONWriter()
        writer.object { writer in
            for (name, member) in value.members where name.string != dropped {
                writer.member(name.string ?? "", raw: member.raw)
            }
            if let added { writer.member(added, true) }
        }
        return writer.text
    }

    /// Every value of the document with its pointer, the root last.
    var places: [(pointer: JSONPointer, value: JSONValue)] {
        var result: [(JSONPointer, JSONValue)] = []
        func visit(_ value: JSONValue, _ pointer: JSONPointer) {
            for (name, member) in value.members { visit(member, pointer.appending(name.string ?? "")) }
            for (index, element) in value.elements.enumerated() { visit(element, pointer.appending(index)) }
            result.append((pointer, value))
        }
        visit(document.root, .root)
        return result
    }
}
