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
}
