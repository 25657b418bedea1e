import Config
import Foundation
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

    @Test func rulesBehindOneThatStopsAreNotRead() throws {
        let any = [EventTypePattern("*")]
        let table = RuleTable([
            Rule(name: "a", events: any, operations: [.create], sinks: ["x"], stops: true),
            Rule(name: "b", events: any, sinks: ["x"], stops: true),
            Rule(name: "c", events: any, sinks: ["y"]),
        ])
        let event = try Event(body: JSONDocument(Self.deactivation), hook: "okta", org: "acme", receivedAt: 0)
        let hook = HookConfiguration(name: "okta", path: "/", secrets: [])
        let verdicts = Explanation(event, hook: hook, table: table).verdicts.map { $0.mismatch ?? "yes" }
        #expect(
            verdicts == [
                "the operation is deactivate, wanted create", "yes",
                "not read: the rule \"b\" before it stops",
            ])
    }

    @Test func aTypeThatTheHookDoesNotAcceptGoesNowhere() throws {
        let hook = HookConfiguration(
            name: "okta", path: "/", secrets: [], events: [EventTypePattern("group.*")])
        let found = try explanation(hook: hook)
        #expect(!found.isAccepted && found.route.isUnrouted)
        #expect(found.text.contains("quarantined: the hook does not accept this event type"))
    }

    /// The whole way: a config file, an event, and what `explain` prints of it.
    @Test func showsWhatEachSinkWouldGetWithoutSecrets() async throws {
        let config = """
            {"server": {"listen": "127.0.0.1:0"}, "admin": {"listen": "127.0.0.1:0", "token": "${env:TOKEN}"},
             "hooks": [{"name": "okta", "path": "/", "secrets": ["${env:TOKEN}"]}],
             "journal": {"path": "j.sqlite"},
             "sinks": {
               "users": {"type": "sqlite", "path": "u.sqlite", "table": "users"},
               "later": {"type": "postgresql", "enabled": false, "url": "${env:UNSET}", "table": "users"},
               "crm": {"type": "http", "method": "PUT", "url": "https://crm.example.com/{{ $.user.id }}",
                       "auth": {"bearer": "${env:TOKEN}"}, "headers": {"X-One": "a ${env:TOKEN}"},
                       "body": {"active": "{{ $.user.active }}", "by": "${env:TOKEN}"}},
               "teams": {"type": "sqlite", "path": "u.sqlite", "table": "teams", "key": ["id"],
                         "columns": {"id": "{{ $.group.id }}"}, "operations": {"group.x": "create"}}},
             "rules": [{"name": "all", "events": ["*"], "sinks": ["users", "later", "crm", "teams"]}]}
            """
        let token = "a-token-that-nobody-may-see-0123456789"
        let surroundings = ConfigSurroundings(
            variable: { $0 == "TOKEN" ? token : nil }, read: { _ in .missing })
        let outcome = ConfigLoader(surroundings: surroundings)
            .load(Array(config.utf8), file: "sinks.json", directory: "/nowhere")
        let configuration = try #require(outcome.configuration, "\(outcome.errors)")
        let previews = SinkPreviews(configuration)
        let hook = try #require(configuration.hooks.first)
        let event = try Event(
            body: JSONDocument(Self.deactivation), hook: hook.name, org: hook.org, receivedAt: 0)
        let found = Explanation(
            event, hook: hook, table: RuleTable(configuration.rules), disabled: ["later"],
            previews: previews)
        await previews.shutdown()
        var writer = JSONWriter()
        writer.object { found.write(to: &$0) }
        _ = try JSONDocument(writer.bytes)
        for output in [found.text, writer.text] { #expect(!output.contains(token)) }
        #expect(found.text.contains("users: a row of users is inserted or changed"))
        let lines = found.text.split(separator: "\n")
        #expect(lines.contains { $0.hasPrefix("  email ") && $0.hasSuffix(" not carried: keeps its value") })
        #expect(found.text.contains("  PUT https://crm.example.com/00u1\n  X-One: a ***\n"))
        #expect(found.text.contains(#"  {"active":false,"by":"***"}"#))
        #expect(found.text.contains("teams: skipped: no effect on a row"))
        #expect(found.text.contains("later: a row of users is inserted or changed"))
        #expect(writer.text.contains(#""outcome":"skipped","reason":"no effect on a row""#))
        #expect(writer.text.contains(#"{"name":"Authorization","value":"***"}"#))
        #expect(writer.text.contains(#""body":{"active":false,"by":"***"}"#))
    }

    /// `test <(…)` names a pipe, which has no size.
    @Test func filesAreReadFromPipesToo() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("pipe")
        try #require(mkfifo(path, 0o600) == 0)
        let text = String(repeating: "x", count: 20_000)
        let writer = Thread {
            try? FileHandle(forWritingAtPath: path)?.write(contentsOf: Data(text.utf8))
        }
        writer.start()
        #expect(try ConfigurationFile.read(path) == Array(text.utf8))
        #expect(throws: (any Error).self) { try ConfigurationFile.read(folder.file("none")) }
    }

    @Test func caseFilesCountTheirLinesAndSkipBlankOnes() {
        let lines = CaseFile.lines(Array("{\"a\":1}\n\n  \n{\"b\":2}\r\n".utf8))
        #expect(lines.map(\.number) == [1, 4])
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
        func difference(_ line: String) -> String? { runner.run(Array(line.utf8)).failure?.description }
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
