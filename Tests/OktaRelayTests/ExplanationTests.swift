import Config
import JSON
import Relay
import RelayTesting
import Rules
import Testing

@testable import OktaRelay

/// `explain` and `test`, which both ask the rule table.
@Suite struct ExplanationTests {
    private static let table = RuleTable([
        Rule(name: "joiners", events: [EventTypePattern("user.lifecycle.create")], sinks: ["crm"]),
        Rule(name: "everything", events: [EventTypePattern("user.*")], sinks: ["audit"]),
    ])
    private static let deactivation = """
        {"uuid": "e1", "eventType": "user.lifecycle.deactivate", "outcome": {"result": "SUCCESS"},
         "published": "2026-01-01T00:00:00.000Z", "target": [{"id": "00u1", "type": "User"}]}
        """

    private func explanation(hook: HookConfiguration) throws -> Explanation {
        let event = try Event(
            body: JSONDocument(Self.deactivation), hook: hook.name, org: hook.org, receivedAt: 0)
        return Explanation(event, hook: hook, table: Self.table)
    }

    @Test func tellsWhichRulesMatchAndWhyOthersDoNot() throws {
        let found = try explanation(hook: HookConfiguration(name: "okta", path: "/", secrets: []))
        #expect(found.verdicts.map { $0.mismatch == nil } == [false, true])
        #expect(found.route.choices == [Route.Choice(sink: "audit", rule: "everything")])
        #expect(found.text.contains("operation  deactivate"))
        var writer = JSONWriter()
        writer.object { found.write(to: &$0) }
        #expect(writer.text.contains(#""sinks":[{"sink":"audit","rule":"everything","enabled":true}]"#))
    }

    @Test func aTypeThatTheHookDoesNotAcceptGoesNowhere() throws {
        let hook = HookConfiguration(
            name: "okta", path: "/", secrets: [], events: [EventTypePattern("group.*")])
        let found = try explanation(hook: hook)
        #expect(!found.isAccepted && found.route.isUnrouted)
        #expect(found.text.contains("quarantined: the hook does not accept this event type"))
    }

    @Test func caseFilesCountTheirLinesAndSkipBlankOnes() {
        let lines = CaseFile.lines(Array("{\"a\":1}\n\n  \n{\"b\":2}\r\n".utf8))
        #expect(lines.map(\.number) == [1, 4])
    }

    /// The request as it would go out, but for what proves the relay to the endpoint.
    @Test func showsRowsAndRequestsWithoutSecrets() throws {
        let text = try JSONDocument(#""https://crm.example.com/u/{{ $.user.id }}""#).root
        let url = try Template(text, place: .url)
        let request = HTTPRequestTemplate(method: "PUT", url: url)
        let sinks = [
            SinkConfiguration(
                name: "audit",
                kind: .http(
                    HTTPSinkConfiguration(
                        request: request, authentication: .bearer(Secret("hush-hush-hush"))))),
            SinkConfiguration(
                name: "users", isEnabled: false,
                kind: .sqlite(
                    SQLiteSinkConfiguration(path: "x.sqlite", table: TableConfiguration(name: "users")))),
        ]
        let table = RuleTable([
            Rule(name: "all", events: [EventTypePattern("user.*")], sinks: ["audit", "users"])
        ])
        let hook = HookConfiguration(name: "okta", path: "/", secrets: [])
        let event = try Event(body: JSONDocument(Self.deactivation), hook: "okta", org: "okta", receivedAt: 0)
        let found = Explanation(event, hook: hook, table: table, sinks: sinks)
        #expect(found.text.contains("PUT https://crm.example.com/u/00u1"))
        #expect(found.text.contains("Authorization: ***"))
        #expect(found.text.contains("deactivate in table users"))
        #expect(found.text.contains(#"status = "DEPROVISIONED""#))
        var writer = JSONWriter()
        writer.object { found.write(to: &$0) }
        #expect(!writer.text.contains("hush") && !found.text.contains("hush"))
    }

    /// Cases run against the config's table, through the hook that they name.
    @Test func casesGoThroughTheConfigsHooksAndRules() throws {
        let secret = String(repeating: "s", count: 20)
        let text = """
            {"server": {"listen": "127.0.0.1:0"}, "admin": {"token": "\(secret)"},
             "hooks": [{"name": "eu", "path": "/eu", "org": "acme", "secrets": ["\(secret)"],
                        "events": ["user.*"]},
                       {"name": "us", "path": "/us", "org": "acme", "secrets": ["\(secret)"]}],
             "sinks": {"a": {"type": "sqlite", "path": "a.sqlite", "table": "users"},
                       "b": {"type": "sqlite", "path": "a.sqlite", "table": "log", "mode": "append"}},
             "rules": [{"name": "1", "events": ["*"], "hooks": ["us"], "sinks": ["b"]},
                       {"name": "2", "events": ["user.*"], "operations": ["deactivate"], "sinks": ["a"]}]}
            """
        let outcome = ConfigLoader().load(Array(text.utf8), file: "sinks.json", directory: "/tmp")
        let configuration = try #require(outcome.configuration, "\(outcome.issues)")
        let runner = RuleCaseRunner(router: TestRulesCommand.router(configuration))
        func difference(_ line: String) -> String? { runner.run(Array(line.utf8)).difference }
        let leaver = #""event":{"eventType":"user.lifecycle.deactivate","outcome":{"result":"SUCCESS"}}"#
        let group = #""event":{"eventType":"group.lifecycle.create","outcome":{"result":"SUCCESS"}}"#
        #expect(difference("{\(leaver),\"sinks\":[\"a\"]}") == nil)
        #expect(difference("{\(leaver),\"hook\":\"us\",\"sinks\":[\"a\",\"b\"]}") == nil)
        #expect(difference("{\(group),\"sinks\":[]}") == nil)
        let wrong = difference("{\(group),\"hook\":\"us\",\"sinks\":[\"a\"]}")
        #expect(wrong == "sinks: missing a; unexpected b")
        #expect(difference("{\(group),\"hook\":\"asia\",\"sinks\":[]}")?.contains("eu, us") == true)
        #expect(difference(#"{"event":{},"sinks":[]}"#)?.contains("no eventType") == true)
    }

    @Test func checkNamesTheTypesToSubscribeTo() {
        let few = HookSubscription(hook: "okta", eventTypes: ["user.lifecycle.create"])
        #expect(few.text == "hook okta: subscribe it in Okta to 1 event type\n  user.lifecycle.create")
        let many = HookSubscription(hook: "okta", eventTypes: (0...300).map { "t\($0)" })
        #expect(many.text.contains("more than the 300"))
        #expect(HookSubscription(hook: "okta", eventTypes: []).text.contains("no type"))
    }
}
