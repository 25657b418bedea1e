import Config
import Testing

extension ConfigMistakeTests {
    static let requests = [
        Mistake(Fixture.http("", url: "crm.example.com/x"), "/sinks/crm/url", "must start with https://"),
        Mistake(Fixture.http("", url: "http://crm.example.com/x"), "/sinks/crm/url", "allowHttp"),
        Mistake(Fixture.http("", url: "{{ $.user.id }}/x"), "/sinks/crm/url", "must be written out"),
        Mistake(
            Fixture.http("", url: "https://{{ $.user.id }}.x.com/"), "/sinks/crm/url", "host must be"),
        Mistake(Fixture.http("", url: "https://u:p@crm.example.com/x"), "/sinks/crm/url", "\"basic\""),
        Mistake(Fixture.http("", url: "https:///x"), "/sinks/crm/url", "no host"),
        Mistake(Fixture.http("", url: "https://x.example.com/a#b"), "/sinks/crm/url", "fragment"),
        Mistake(Fixture.http("", url: "https://x.example.com/a b"), "/sinks/crm/url", "%20"),
        Mistake(Fixture.http("", url: "https://localhost/x"), "/sinks/crm/url", "allowPrivate"),
        Mistake(Fixture.http("", url: "https://192.168.1.2:9/x"), "/sinks/crm/url", "allowPrivate"),
        Mistake(Fixture.http("", url: "https://[::1]/x"), "/sinks/crm/url", "allowPrivate"),
        Mistake(
            Fixture.http(#""on": { "delete": { "url": "ftp://x" } }"#), "/sinks/crm/on/delete/url", "https://"
        ),
        Mistake(Fixture.http(#""on": { "delet": null }"#), "/sinks/crm/on/delet", "the operations are"),
        Mistake(Fixture.http(#""on": { "user.*": null }"#), "/sinks/crm/on/user.*", "written out"),
        Mistake(Fixture.http(#""on": {}"#), "/sinks/crm/on", "changes no request", .warning),
        Mistake(
            Fixture.http(#""body": {}, "on": { "delete": { "method": "DELETE" } }"#), "/sinks/crm/on/delete",
            "\"body\": null", .warning),
        Mistake(Fixture.http(#""method": "put""#), "/sinks/crm/method", "did you mean \"PUT\""),
        Mistake(Fixture.http(#""method": "GET", "body": 1"#), "/sinks/crm/body", "GET", .warning),
        Mistake(Fixture.http(#""headers": { "Host": "x" }"#), "/sinks/crm/headers/Host", "leave it out"),
        Mistake(
            Fixture.http(#""headers": { "X-A": "x", "x-a": "y" }"#), "/sinks/crm/headers/x-a", "ignore case"),
        Mistake(Fixture.http(#""headers": { "X-A": "a\nb" }"#), "/sinks/crm/headers/X-A", "line breaks"),
        Mistake(Fixture.http(#""headers": { "X-A": 1 }"#), "/sinks/crm/headers/X-A", "found a number"),
        Mistake(
            Fixture.http(#""headers": { "Authorization": "Bearer x" }"#), "/sinks/crm/headers/Authorization",
            "use \"auth\"", .warning),
        Mistake(Fixture.http(#""auth": {}"#), "/sinks/crm/auth", "exactly one"),
        Mistake(
            Fixture.http(
                #"""
                "auth": { "bearer": "${file:data/hook.secret}",
                          "basic": { "user": "u", "password": "${file:data/hook.secret}" } }
                """#
            ),
            "/sinks/crm/auth", "exactly one"),
        Mistake(
            Fixture.http(#""auth": { "bearer": "x" }"#), "/sinks/crm/auth/bearer", "in the config file",
            .warning),
        Mistake(
            Fixture.http(#""auth": { "bearer": "Bearer ${file:data/hook.secret}" }"#),
            "/sinks/crm/auth/bearer",
            "the token alone"),
        Mistake(Fixture.http(#""auth": { "oauth": {} }"#), "/sinks/crm/auth/oauth", "unknown key"),
    ]

    static let mappings = [
        Mistake(
            Fixture.http(#""body": { "a": ["{{ $.actor.id }}"] }"#), "/sinks/crm/body/a/0", "$.event.actor"),
        Mistake(
            Fixture.http(#""headers": { "X-A": "{{$.usr.id}}" }"#), "/sinks/crm/headers/X-A",
            "did you mean \"user\""),
        Mistake(
            Fixture.http("", url: "https://a.example.com/{{ $.user.uid }}"), "/sinks/crm/url", "leads nowhere"
        ),
        Mistake(
            Fixture.table(#""columns": { "id": "{{ $.user.id }}", "o": { "value": "{{ $.relay.orgg }}" } }"#),
            "/sinks/users/columns/o/value", "did you mean \"org\""),
        Mistake(
            rule(#""sinks": ["users"], "where": { "targets": { "id": ["x"] } }"#), "/rules/0/where/targets",
            "did you mean \"target\"", .warning),
        Mistake(
            rule(#""sinks": ["users"], "all": [{ "event": { "uuid": ["x"] } }]"#), "/rules/0/all/0/event",
            "leave this level out", .warning),
        Mistake(
            rule(#""sinks": ["users"], "where": { "eventType": { "prefix": ["user."] } }"#),
            "/rules/0/where/eventType/prefix", #"[{"prefix": …}]"#, .warning),
        Mistake(
            rule(#""sinks": ["users"], "none": [{ "outcome": { "resutl": ["SUCCESS"] } }]"#),
            "/rules/0/none/0/outcome/resutl", "did you mean \"result\"", .warning),
        Mistake(
            rule(
                #"""
                "sinks": ["users"],
                "any": [{ "$or": [{ "target": { "typ": ["User"] } }, { "actor": { "x": [1] } }] }]
                """#), "/rules/0/any/0/$or/0/target/typ", "did you mean \"type\"", .warning),
    ]

    static let rules = [
        Mistake(rule(#""sinks": []"#), "/rules/0", "without sinks"),
        Mistake(
            rule(#""sinks": ["user"]"#), "/rules/0/sinks/0", "did you mean \"users\""),
        Mistake(rule(#""sinks": ["users"], "hooks": ["okt"]"#), "/rules/0/hooks/0", "did you mean \"okta\""),
        Mistake(
            rule(#""sinks": ["users"], "operations": ["remove"]"#), "/rules/0/operations/0",
            "is not one of create"),
        Mistake(rule(#""sinks": ["users"], "stop": "yes""#), "/rules/0/stop", "true or false"),
        Mistake(
            rule(#""sinks": ["users"], "where": []"#), "/rules/0/where", "an event pattern, found a list"),
        Mistake(rule(#""sinks": ["users"], "all": {}"#), "/rules/0/all", "write it in brackets"),
        Mistake(rule(#""sinks": ["users"], "outcom": "any""#), "/rules/0/outcom", "did you mean \"outcome\""),
        Mistake(
            Fixture.minimal(
                rules: #"""
                    [{ "name": "a", "events": ["user.lifecycle.*"], "sinks": ["users"] },
                     { "name": "a", "events": ["user.account.*"], "sinks": ["users"] }]
                    """#), "/rules/1/name", "called \"a\" already"),
        Mistake(
            Fixture.minimal(
                rules: #"""
                    [{ "name": "a", "events": ["*"], "sinks": ["users"], "stop": true },
                     { "name": "b", "events": ["user.account.*"], "sinks": ["users"] }]
                    """#), "/rules/1", "never reached", .warning),
        Mistake(Fixture.minimal(sinks: "{}", rules: "[]"), "/rules", "no rules", .warning),
        Mistake(
            Fixture.minimal(
                sinks: #"""
                    { "users": { "type": "sqlite", "path": "a", "table": "u" },
                      "b": { "type": "sqlite", "path": "a", "table": "b" } }
                    """#), "/sinks/b", "no rule names this sink", .warning),
    ]

    static let eventTypes = [
        Mistake(
            Fixture.minimal(
                rules:
                    #"[{ "name": "a", "events": ["user.*", "user.lifecycle.creat"], "sinks": ["users"] }]"#
            ),
            "/rules/0/events/1", "did you mean \"user.lifecycle.create\"", .warning),
        Mistake(
            Fixture.minimal(
                rules:
                    #"[{ "name": "a", "events": ["user.*", "user.lifecylce.*"], "sinks": ["users"] }]"#
            ),
            "/rules/0/events/1", "did you mean \"user.lifecycle.*\"", .warning),
        Mistake(
            Fixture.minimal(
                rules:
                    #"[{ "name": "a", "events": ["user.lifecycle.delete.completed"], "sinks": ["users"] }]"#),
            "/rules/0/events/0", "use \"user.lifecycle.delete.initiated\"", .warning),
        Mistake(
            Fixture.minimal(
                rules: #"[{ "name": "a", "events": ["group.user_membership.*"], "sinks": ["users"] }]"#),
            "/rules/0/events", "none of these events changes a user", .warning),
        Mistake(
            rule(#""sinks": ["users"], "operations": ["create", "update"]"#), "/rules/0/operations/1",
            "means this operation: they mean create, deactivate, delete, none, reactivate", .warning),
        Mistake(
            Fixture.minimal(
                rules: #"""
                    [{ "name": "a", "events": ["user.account.update_profile"], "operations": ["none"],
                       "sinks": ["users"] }]
                    """#), "/rules/0/operations/0", "failed ones are \"none\", with \"outcome\": \"any\"",
            .warning),
        Mistake(
            Fixture.minimal(rules: #"[{ "name": "a", "events": ["user lifecycle"], "sinks": ["users"] }]"#),
            "/rules/0/events/0", "is not an event type"),
        Mistake(
            Fixture.http(#""on": { "user.account.lokc": null }"#), "/sinks/crm/on/user.account.lokc",
            "did you mean \"user.account.lock\"", .warning),
        Mistake(
            Fixture.http(#""on": { "user.account.lock": null }"#), "/sinks/crm/on/user.account.lock",
            "no rule brings", .warning),
        Mistake(
            Fixture.minimal(
                hooks: #"""
                    [{ "name": "okta", "path": "/a", "secrets": ["${file:data/hook.secret}"],
                       "events": ["user.account.*"] }]
                    """#), "/rules/0/events/0", "no hook of this rule accepts", .warning),
    ]

    private static func rule(_ keys: String) -> String {
        Fixture.minimal(rules: #"[{ "name": "a", "events": ["user.lifecycle.*"], \#(keys) }]"#)
    }
}
