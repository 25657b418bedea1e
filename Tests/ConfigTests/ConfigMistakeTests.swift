import Config
import JSON
import Testing

/// One line a mistake: what the file says, where it is reported, and a part of what is said.
@Suite struct ConfigMistakeTests {
    struct Mistake: Sendable, CustomTestStringConvertible {
        var text: String
        var pointer: String
        var part: String
        var severity = ConfigIssue.Severity.error

        init(_ text: String, _ pointer: String, _ part: String, _ severity: ConfigIssue.Severity = .error) {
            self.text = text
            self.pointer = pointer
            self.part = part
            self.severity = severity
        }

        var testDescription: String { "\(pointer): \(part)" }
    }

    @Test(
        arguments: shapes + servers + journals + hooks + tables + requests + mappings + deliveries + rules
            + eventTypes)
    func isReportedOnce(mistake: Mistake) {
        let issues = Fixture.load(mistake.text).issues
        #expect(issues.count == 1, "\(issues)")
        #expect(issues.first?.pointer.description == mistake.pointer)
        #expect(issues.first?.message.contains(mistake.part) == true, "\(issues)")
        #expect(issues.first?.severity == mistake.severity)
    }

    private static func journal(_ keys: String) -> String {
        Fixture.minimal().replacing(
            #""sinks":"#, with: #""journal": { \#(keys) }, "sinks":"#, maxReplacements: 1)
    }

    private static func sinks(_ sinks: String, _ rule: String) -> String {
        Fixture.minimal(
            sinks: sinks, rules: #"[{ "name": "all", "events": ["user.lifecycle.*"], "sinks": [\#(rule)] }]"#)
    }

    static let journals = [
        Mistake(journal(#""maxSize": "32MiB""#), "/journal/maxSize", "at least 64MiB"),
        Mistake(journal(#""receipts": "7d""#), "/journal/receipts", "shorter than \"retention\""),
        Mistake(journal(#""retention": "500d""#), "/journal/retention", "shorter than \"retention\""),
        Mistake(
            journal(#""maxSize": "1GiB", "maxDeadLetters": "500MiB""#), "/journal/maxDeadLetters",
            "less than half"),
        Mistake(journal(#""maxQuarantine": "9GiB""#), "/journal/maxQuarantine", "less than half"),
        Mistake(Fixture.table(#""renamedFrom": "users""#), "/sinks/users/renamedFrom", "from itself"),
        Mistake(Fixture.table(#""maxBehind": "soon""#), "/sinks/users/maxBehind", "not a duration"),
        Mistake(Fixture.table(#""maxParked": 0"#), "/sinks/users/maxParked", "1"),
        Mistake(
            Fixture.http(#""rateHeaders": { "remaining": "X-Left", "reset": "x-left" }"#),
            "/sinks/crm/rateHeaders/reset", "of its own"),
        Mistake(
            Fixture.http(#""rateHeaders": { "remaining": "X-Left" }"#), "/sinks/crm/rateHeaders", "reset"),
        Mistake(
            sinks(
                #"""
                { "a": { "type": "sqlite", "path": "a", "table": "a", "renamedFrom": "b" },
                  "b": { "type": "sqlite", "path": "a", "table": "b" } }
                """#, #""a", "b""#), "/sinks/a/renamedFrom", "is still there"),
        Mistake(
            sinks(
                #"""
                { "a": { "type": "sqlite", "path": "a", "table": "a", "renamedFrom": "c" },
                  "b": { "type": "sqlite", "path": "a", "table": "b", "renamedFrom": "c" } }
                """#, #""a", "b""#), "/sinks/b/renamedFrom", "only one"),
    ]

    static let shapes = [
        Mistake(Fixture.table(#""maxSize": 1"#), "/sinks/users/maxSize", "unknown key"),
        Mistake(Fixture.table(#""crate": false"#), "/sinks/users/crate", "did you mean \"create\""),
        Mistake(
            Fixture.table(#""create": "no""#), "/sinks/users/create", "expected true or false, found a string"
        ),
        Mistake(Fixture.table(#""create": false, "create": true"#), "/sinks/users/create", "twice"),
        Mistake(Fixture.table(#""mode": "apend""#), "/sinks/users/mode", "did you mean \"append\""),
        Mistake(Fixture.table(#""url": "x""#), "/sinks/users/url", "http or postgresql"),
        Mistake(Fixture.table(#""enabled": null"#), "/sinks/users/enabled", "found null"),
        Mistake(Fixture.http(#""table": "users""#), "/sinks/crm/table", "SQL type"),
        Mistake(Fixture.http(#""concurrency": 0"#), "/sinks/crm/concurrency", "from 1 to 1000"),
        Mistake(Fixture.http(#""concurrency": 2.5"#), "/sinks/crm/concurrency", "whole number"),
        Mistake(Fixture.http(#""rate": "10""#), "/sinks/crm/rate", "10/s"),
        Mistake(Fixture.http(#""rate": 10"#), "/sinks/crm/rate", "found a number"),
        Mistake(Fixture.http(#""timeout": "15""#), "/sinks/crm/timeout", "\"15\" is not a duration"),
        Mistake(Fixture.http(#""timeout": "${env}""#), "/sinks/crm/timeout", "unknown reference"),
        Mistake(Fixture.http(#""timeout": "${env:A""#), "/sinks/crm/timeout", "not closed"),
        Mistake(Fixture.http(#""retry": { "initial": "10m" }"#), "/sinks/crm/retry/initial", "shorter"),
        Mistake(Fixture.http(#""retry": { "max": "1ms" }"#), "/sinks/crm/retry/max", "shorter"),
        Mistake(Fixture.http(#""retry": { "for": "1ms" }"#), "/sinks/crm/retry/for", "nothing would be"),
        Mistake(
            Fixture.minimal(
                sinks: #"""
                    { "users": { "type": "sqlite", "path": "a", "table": "a" },
                      "us ers": { "type": "sqlite", "path": "a", "table": "b" } }
                    """#),
            "/sinks/us ers", "is not a name"),
        Mistake(Fixture.minimal(rules: "{}"), "/rules", "write it in brackets"),
        Mistake(
            Fixture.minimal(rules: #"[{ "name": "a", "events": "user.*", "sinks": ["users"] }]"#),
            "/rules/0/events", "write it in brackets"),
        Mistake(
            Fixture.minimal(rules: #"[{ "name": "a", "event": ["user.*"], "sinks": ["users"] }]"#),
            "/rules/0/event", "did you mean \"events\""),
        Mistake(
            Fixture.minimal(rules: #"[{ "name": "a", "events": ["user.*"], "sinks": ["users", "users"] }]"#),
            "/rules/0/sinks/1", "twice"),
    ]

    static let servers = [
        Mistake(Fixture.minimal(server: #"{ "maxBody": 16 }"#), "/server/maxBody", "found a number"),
        Mistake(Fixture.minimal(server: #"{ "maxBody": "16MB" }"#), "/server/maxBody", "KiB, MiB, GiB"),
        Mistake(
            Fixture.minimal(server: #"{ "maxBody": "64KiB" }"#), "/server/maxBody", "under 1MiB", .warning),
        Mistake(Fixture.minimal(server: #"{ "listen": ":8080" }"#), "/server/listen", "0.0.0.0:8080"),
        Mistake(
            Fixture.minimal(server: #"{ "listen": "0.0.0.0:80" }"#), "/server/listen", "plain", .warning),
        Mistake(
            Fixture.minimal(server: #"{ "trustedProxies": ["10.0.0.0/40"] }"#), "/server/trustedProxies/0",
            "only 32"),
        Mistake(
            Fixture.minimal(server: #"{ "trustedProxies": ["10.0.0"] }"#), "/server/trustedProxies/0",
            "is not an IP address"),
        Mistake(
            Fixture.minimal(server: #"{ "trustedProxies": ["::/0"] }"#), "/server/trustedProxies/0",
            "every caller", .warning),
        Mistake(
            Fixture.minimal(admin: #"{ "listen": "127.0.0.1:8080", "token": "${file:data/admin.token}" }"#),
            "/admin/listen", "same address"),
        Mistake(
            Fixture.minimal(admin: #"{ "listen": "10.0.0.1:81", "token": "${file:data/admin.token}" }"#),
            "/admin/listen", "only with TLS"),
        Mistake(
            Fixture.minimal(admin: #"{ "token": "0123456789abcdef" }"#), "/admin/token", "in the config file",
            .warning),
        Mistake(Fixture.minimal(admin: #"{ "token": "" }"#), "/admin/token", "is not a secret"),
        Mistake(Fixture.minimal(admin: "{}"), "/admin", "\"token\" is missing"),
    ]

    static let hooks = [
        Mistake(hook(#""path": "/okta?x=1""#), "/hooks/0/path", "is not a URL path"),
        Mistake(hook(#""path": "/okta", "header": "X Y""#), "/hooks/0/header", "is not a header name"),
        Mistake(hook(#""path": "/okta", "header": "Host""#), "/hooks/0/header", "meaning of its own"),
        Mistake(
            hook(#""path": "/okta", "verification": "none""#), "/hooks/0/verification", "authenticated"),
        Mistake(hook(#""path": "/okta", "secret": "x""#), "/hooks/0/secret", "did you mean \"secrets\""),
        Mistake(Fixture.minimal(hooks: "[]"), "/hooks", "empty list"),
        Mistake(
            Fixture.minimal(hooks: #"[{ "name": "okta", "path": "/a", "secrets": [] }]"#), "/hooks/0/secrets",
            "empty list"),
        Mistake(
            two(#""name": "okta", "path": "/b", "org": "okta""#), "/hooks/1/name", "called \"okta\" already"),
        Mistake(two(#""name": "b", "path": "/a", "org": "okta""#), "/hooks/1/path", "path \"/a\" already"),
        Mistake(two(#""name": "b", "path": "/b""#), "/sinks/users", "users of several orgs (b, okta)"),
    ]

    private static func hook(_ keys: String) -> String {
        Fixture.minimal(hooks: #"[{ "name": "okta", "secrets": ["${file:data/hook.secret}"], \#(keys) }]"#)
    }

    private static func two(_ keys: String) -> String {
        let secrets = #""secrets": ["${file:data/hook.secret}"]"#
        return Fixture.minimal(
            hooks: "[{ \"name\": \"okta\", \"path\": \"/a\", \(secrets) }, { \(keys), \(secrets) }]")
    }

    private static let on = #""on": { "delete": { "method": "DELETE" } }"#
    private static let creatingOn = #""on": { "create": { "method": "POST" } }"#

    static let deliveries = [
        Mistake(Fixture.http(#""limits": { "delete": "100/s" }"#), "/sinks/crm/limits/delete", "\"100/h\""),
        Mistake(Fixture.http(#""limits": { "none": "1/h" }"#), "/sinks/crm/limits/none", "deactivate"),
        Mistake(Fixture.http(#""limits": []"#), "/sinks/crm/limits", "found a list"),
        Mistake(
            Fixture.table(#""mode": "append", "limits": { "create": "1/h" }"#), "/sinks/users/limits",
            "only adds rows"),
        Mistake(Fixture.table(#""mode": "append", "settle": "2s""#), "/sinks/users/settle", "as it comes"),
        Mistake(Fixture.http(#""settle": "2s""#), "/sinks/crm/settle", "without \"on\""),
        Mistake(Fixture.http(on + #", "coalesce": true"#), "/sinks/crm/coalesce", "needs \"settle\""),
        Mistake(
            Fixture.http(
                #""settle": "2s", "coalesce": true, "on": { "user.lifecycle.suspend": { "body": 1 } }"#),
            "/sinks/crm/on/user.lifecycle.suspend", "could be lost"),
        Mistake(
            Fixture.http(#""settle": "2s", "coalesce": true, "unknown": "retry", "# + creatingOn),
            "/sinks/crm/unknown", "a second contact", .warning),
        Mistake(Fixture.http(#""unknown": "ignore""#), "/sinks/crm/unknown", "deadLetter, retry"),
        Mistake(
            Fixture.http(#""unknown": "retry", "lookup": { "url": "https://crm.example.com/u/1" }"#),
            "/sinks/crm/unknown", "keep one"),
        Mistake(Fixture.http(#""lookup": {}"#), "/sinks/crm/lookup", "\"url\" is missing"),
        Mistake(
            Fixture.http(#""lookup": { "url": "http://crm.example.com/1" }"#), "/sinks/crm/lookup/url",
            "plain http"),
        Mistake(
            Fixture.http(#""method": "PUT", "unknown": "retry""#), "/sinks/crm/unknown", "is a POST", .warning
        ),
        Mistake(
            Fixture.http(#""on": { "deactivate": { "method": "DELETE", "body": null } }"#),
            "/sinks/crm/on/deactivate/method", "\"deactivate\": \"100/h\"", .warning),
    ]

    static let tables = [
        Mistake(Fixture.table(#""key": ["idd"]"#), "/sinks/users/key/0", "did you mean \"id\""),
        Mistake(
            Fixture.table(#""mode": "append", "onDelete": "mark""#), "/sinks/users/onDelete", "append mode"),
        Mistake(
            Fixture.table(#""operations": { "user.lifecycle.create": "create" }"#), "/sinks/users/operations",
            "needs \"key\""),
        Mistake(
            Fixture.table(#""operations": { "user.lifecycle.create": "none" }, "key": ["id"]"#),
            "/sinks/users/operations/user.lifecycle.create", "is not one of"),
        Mistake(
            Fixture.table(#""operations": { "user.*": "create" }, "key": ["id"]"#),
            "/sinks/users/operations/user.*",
            "without \"*\""),
        Mistake(
            Fixture.memberships(rules: #"["group.user_membership.add"]"#), "/sinks/users/operations",
            "no rule brings the deletions of users", .warning),
        Mistake(
            Fixture.memberships(
                rules: #"["user.lifecycle.*"], "where": { "eventType": [{ "suffix": ".create" }] }"#),
            "/sinks/users/operations", "no rule brings the deletions of users", .warning),
        Mistake(
            Fixture.memberships(team: "null", rules: #"["user.lifecycle.*"]"#),
            "/sinks/users/columns/team", "always null"),
        Mistake(
            Fixture.memberships(team: #"{ "value": null }"#, rules: #"["user.lifecycle.*"]"#),
            "/sinks/users/columns/team", "always null"),
        Mistake(Fixture.table(#""columns": {}"#), "/sinks/users/columns", "needs a member"),
        Mistake(
            Fixture.table(#""columns": { "uid": "{{ $.user.id }}" }"#), "/sinks/users/columns",
            "no column \"id\""),
        Mistake(
            Fixture.table(#""columns": { "id": { "valeu": 1 } }"#), "/sinks/users/columns/id/valeu",
            "did you mean \"value\""),
        Mistake(
            Fixture.table(#""columns": { "id": { "value": "{{ $.user.id }}", "insert": true } }"#),
            "/sinks/users/columns/id/insert", "leave \"insert\" out"),
        Mistake(
            Fixture.table(#""columns": { "login": "{{ $.user.login }}" }, "key": ["login"]"#),
            "/sinks/users/key",
            "second row", .warning),
        Mistake(
            Fixture.table(#""mode": "append", "columns": { "event_id": { "value": 1, "insert": true } }"#),
            "/sinks/users/columns/event_id/insert", "every row is new"),
        Mistake(table(#""path": "a", "table": "okta.users""#), "/sinks/users/table", "no schema"),
        Mistake(table(#""path": "~/a", "table": "users""#), "/sinks/users/path", "not expanded"),
        Mistake(table(#""path": "data/journal.sqlite", "table": "users""#), "/sinks/users/path", "journal"),
        Mistake(
            table(#""path": "a", "table": "x" }, "b": { "type": "sqlite", "path": "./a", "table": "X""#),
            "/sinks/b/table", "\"users\" writes to this table"),
        Mistake(
            table(#""path": "a", "table": "x" }, "b": { "type": "sqlite", "path": "a", "table": "x_relay""#),
            "/sinks/b/table", "keeps its state"),
        Mistake(
            table(#""path": "a", "table": "x" }, "b": { "type": "postgresql", "url": "db", "table": "x""#),
            "/sinks/b/url", "not a connection string"),
        Mistake(
            table(
                #""path": "a", "table": "x" }, "b": { "type": "postgresql", "table": "x", "#
                    + #""url": "postgres://u:p@h""#
            ), "/sinks/b/url", "password in the config file", .warning),
    ]

    /// A file with the sink `users` of the given keys, which may go on with a sink `b`.
    private static func table(_ keys: String) -> String {
        let sinks = keys.contains("\"b\":") ? #"["users", "b"]"# : #"["users"]"#
        return Fixture.minimal(
            sinks: #"{ "users": { "type": "sqlite", \#(keys) } }"#,
            rules: #"[{ "name": "all", "events": ["user.lifecycle.*"], "sinks": \#(sinks) }]"#)
    }
}
