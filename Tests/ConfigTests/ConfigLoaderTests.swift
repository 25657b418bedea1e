import Config
import Foundation
import JSON
import Rules
import Testing

@Suite struct ConfigLoaderTests {
    @Test func loadsTheExample() throws {
        let outcome = Fixture.load(try Fixture.committed("sinks.example.json"))
        let configuration = try #require(outcome.configuration, "\(outcome.issues)")
        #expect(outcome.issues.isEmpty)
        #expect(configuration.sinks.map(\.name) == ["users", "audit", "warehouse", "crm"])
        #expect(configuration.sinks.map(\.isEnabled) == [true, true, false, false])
        #expect(configuration.rules.map(\.name) == ["user store", "staff to the CRM"])
        #expect(configuration.rules[0].sinks == ["users", "audit", "warehouse"])
        #expect(configuration.journal.path == "/srv/relay/data/journal.sqlite")
        #expect(configuration.sinks[2].table?.schema == "okta")
        #expect(configuration.sinks[1].table?.mode == .append)
    }

    @Test func loadsEveryKey() throws {
        let outcome = Fixture.loadEverything()
        let configuration = try #require(outcome.configuration, "\(outcome.issues)")
        #expect(outcome.issues.isEmpty)
        let server = configuration.server
        #expect(server.tls?.keyPath == "/srv/relay/tls/key.pem")
        #expect(server.bodyBytesMax == 8 << 20)
        #expect(server.connectionsMax == 200)
        #expect(configuration.admin.listen.description == "[::1]:9000")
        let hook = configuration.hooks[0]
        #expect(hook.header == "X-Hook-Secret")
        #expect(hook.secrets.map(\.revealed) == ["hook-secret-hook-secret-2", "old-secret-old-secret"])
        #expect(hook.org == "acme")
        #expect(hook.verification == .open)
        #expect(configuration.journal.retention == .seconds(7 * 86_400))
        let people = try #require(configuration.sinks[0].table)
        #expect(people.columns?.map(\.name) == ["id", "source", "rank", "created_by"])
        #expect(people.columns?.map(\.isInsertOnly) == [false, false, false, true])
        #expect(people.columns?.last?.type == "varchar(20)")
        #expect(!people.createsMissing)
        #expect(people.onDelete == .delete)
        let memberships = try #require(configuration.sinks[1].table)
        #expect(memberships.key == ["user_id", "group_id"])
        #expect(memberships.operations?["group.user_membership.remove"] == .delete)
        #expect(configuration.rules[1].outcome == .any)
        #expect(configuration.rules[1].hooks == ["main"])
        #expect(configuration.rules[1].operations == [.create, .update, .delete])
        #expect(configuration.rules[0].stops)
        #expect(configuration.rules[2].conditions.all.count == 1)
    }

    @Test func buildsTheRequestsOfAnHTTPSink() throws {
        let outcome = Fixture.loadEverything()
        let configuration = try #require(outcome.configuration)
        guard case .http(let crm) = configuration.sinks[2].kind,
            case .http(let chat) = configuration.sinks[3].kind
        else {
            Issue.record("not HTTP sinks")
            return
        }
        #expect(crm.authentication == .bearer(Secret("crm-token-value")))
        #expect(chat.authentication == .basic(user: "relay", password: Secret("chat-password-value")))
        #expect(crm.rate == RateLimit(count: 600, period: .seconds(60)))
        #expect(
            crm.rateHeaders
                == HTTPRateHeaders(remaining: "X-RateLimit-Remaining", reset: "X-RateLimit-Reset"))
        #expect(configuration.sinks[2].delivery.parkedMax == 500)
        #expect(configuration.sinks[3].delivery.parkedMax == 10_000 && chat.rateHeaders == nil)
        #expect(configuration.sinks[2].delivery.retry.initial == .milliseconds(250))
        #expect(chat.on == nil)
        #expect(chat.request.method == "POST")
        #expect(chat.request.body == nil)
        let cases = try #require(crm.on)
        #expect(cases.first?.selector == .eventType("user.lifecycle.suspend"), "the most specific first")
        #expect(cases[0].request?.method == "PUT", "inherited")
        #expect(cases[0].request?.headers.isEmpty == true, "replaced")
        let deletion = try #require(cases.first { $0.selector == .operation(.delete) }?.request)
        #expect(deletion.method == "DELETE")
        #expect(deletion.body == nil)
        #expect(deletion.headers.map(\.name) == ["Accept"])
        let none = try #require(cases.first { $0.selector == .operation(.none) })
        #expect(none.request == nil)
    }

    @Test func whatRemovesForGoodIsLimitedUnlessTheFileSaysOtherwise() throws {
        let standard: [Rules.Operation: RateLimit] = [.delete: RateLimit(count: 100, period: .seconds(3_600))]
        func limits(_ text: String) -> [Rules.Operation: RateLimit]? {
            Fixture.load(text).configuration?.sinks[0].delivery.limits
        }
        #expect(limits(Fixture.http("")) == standard)
        #expect(limits(Fixture.http(#""limits": null"#)) == [:])
        #expect(limits(Fixture.http(#""limits": {}"#)) == [:])
        #expect(limits(Fixture.minimal()) == [:])
        #expect(limits(Fixture.table(#""onDelete": "delete""#)) == standard)
        #expect(limits(Fixture.table(#""mode": "append""#)) == [:])
        let ours = limits(Fixture.http(#""limits": { "create": "5/min" }"#))
        #expect(ours == [.create: RateLimit(count: 5, period: .seconds(60))])
    }

    @Test func whatIsUnknownIsLookedUpOrTreatedAsConfigured() throws {
        func unknown(_ keys: String) throws -> UnknownOutcome {
            let sink = try #require(Fixture.load(Fixture.http(keys)).configuration?.sinks[0])
            guard case .http(let http) = sink.kind else { throw CancellationError() }
            return http.unknown
        }
        #expect(try unknown("") == .retry)
        #expect(try unknown(#""on": {"delete": null}"#) == .deadLetter)
        #expect(try unknown(#""on": {"delete": null}, "unknown": "retry""#) == .retry)
        let keys = #""headers": {"A": "b"}, "lookup": {"url": "https://crm.example.com/{{ $.user.id }}"}"#
        guard case .lookUp(let request) = try unknown(keys) else {
            Issue.record("no lookup")
            return
        }
        #expect(request.method == "GET" && request.body == nil && request.headers.map(\.name) == ["A"])
    }

    @Test func defaultsAreThoseOfTheLimits() throws {
        let text = Fixture.minimal().replacing(#"  "server": { "listen": "127.0.0.1:8080" },"#, with: "")
        let configuration = try #require(Fixture.load(text).configuration)
        #expect(configuration.server.listen.description == "127.0.0.1:8080")
        #expect(configuration.admin.listen.description == "127.0.0.1:8081")
        #expect(configuration.server.bodyBytesMax == Limits.bodyBytesDefault)
        #expect(configuration.journal.path == "/srv/relay/data/journal.sqlite")
        #expect(configuration.journal.sizeMax == Limits.journalSizeDefault)
        #expect(configuration.hooks[0].org == "okta")
        #expect(configuration.sinks[0].delivery.retry == RetryConfiguration())
    }

    /// One mistake a line, one issue a mistake.
    @Test func tenMistakesAreTenIssuesAtTheirLines() {
        let text = #"""
            {
              "server": { "listen": "8080" },
              "admin": { "listen": "0.0.0.0:8081", "token": "${file:data/admin.token}" },
              "hooks": [
                { "name": "okta", "path": "okta/events", "secrets": ["${file:data/hook.secret}"] }
              ],
              "journal": { "path": "journal.sqlite", "retention": "30 days" },
              "sinks": {
                "users": { "type": "sqlite", "path": "users.sqlite",
                  "tabel": "users" },
                "crm": { "type": "http",
                  "url": "http://crm.example.com/{{ $.user.id }}",
                  "concurrency": "8",
                  "auth": { "bearer": "${env:NOT_SET}" } },
                "log": { "type": "posgresql", "url": "postgresql://db/x", "table": "log" }
              },
              "rules": [
                { "name": "one", "events": ["user.lifecycle.*"],
                  "sinks": ["users", "crmm", "log"] }
              ]
            }
            """#
        let outcome = Fixture.load(text)
        #expect(outcome.configuration == nil)
        let found = outcome.errors.map { "\($0.line) \($0.pointer)" }
        #expect(
            found == [
                "2 /server/listen", "3 /admin/listen", "5 /hooks/0/path", "7 /journal/retention",
                "10 /sinks/users/tabel", "12 /sinks/crm/url", "13 /sinks/crm/concurrency",
                "14 /sinks/crm/auth/bearer", "15 /sinks/log/type", "19 /rules/0/sinks/1",
            ])
        #expect(outcome.warnings.isEmpty, "\(outcome.warnings)")
        let suggestions = outcome.errors.filter { $0.message.contains("did you mean") }.map(\.line)
        #expect(suggestions == [10, 15, 19])
    }

    @Test func syntaxErrorsAreOneIssueWithItsPlace() {
        let outcome = Fixture.load("{\n  \"server\": {},\n  \"admin\" {}\n}")
        #expect(outcome.configuration == nil)
        #expect(outcome.issues.map(\.description) == ["sinks.json:3:11: error: not JSON: expected ':'"])
    }

    @Test func aFileThatIsNoObjectIsOneIssue() {
        #expect(Fixture.load("[]").issues.map(\.message) == ["expected an object, found a list"])
    }

    @Test func anEmptyObjectSaysWhatIsNeeded() {
        let missing = Fixture.load("{}").issues.map(\.message)
        #expect(missing.count == 4, "\(missing)")
        for (message, key) in zip(missing, ["admin", "hooks", "sinks", "rules"]) {
            #expect(message.hasPrefix("\"\(key)\" is missing"))
        }
    }

    @Test func readsFilesByTheirPath() throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let path = directory.appendingPathComponent("relay.json").path
        let missing = ConfigLoader().load(path: path)
        #expect(
            missing.issues.first?.description.hasPrefix("\(path):1:1: error: the file does not exist") == true
        )
        #expect(ConfigLoader().load(path: directory.path).errors.first?.message.contains("directory") == true)
        let secrets = directory.appendingPathComponent("data")
        try FileManager.default.createDirectory(at: secrets, withIntermediateDirectories: true)
        for name in ["admin.token", "hook.secret"] {
            try Data("0123456789abcdef0123\n".utf8).write(to: secrets.appendingPathComponent(name))
        }
        try Data(Fixture.minimal().utf8).write(to: URL(fileURLWithPath: path))
        let configuration = try #require(ConfigLoader().load(path: path).configuration)
        #expect(configuration.journal.path.hasSuffix("/data/journal.sqlite"))
        #expect(configuration.admin.token.revealed == "0123456789abcdef0123")
    }

    @Test func issuesAreTextAndJSON() throws {
        let issue = ConfigIssue(
            severity: .warning, file: "a.json", line: 2, column: 3,
            pointer: JSONPointer.root.appending("x").appending(1), message: "odd")
        #expect(issue.description == "a.json:2:3: warning: /x/1: odd")
        var writer = JSONWriter()
        issue.write(to: &writer)
        #expect(
            writer.text
                == #"{"severity":"warning","file":"a.json","line":2,"column":3,"#
                + #""pointer":"/x/1","message":"odd"}"#
        )
    }

    @Test func secretsDoNotShowInADumpedConfiguration() throws {
        let configuration = try #require(Fixture.loadEverything().configuration)
        var text = "\(configuration)"
        dump(configuration, to: &text)
        for value in Fixture.everythingVariables.values { #expect(!text.contains(value)) }
        #expect(!text.contains("admin-token-admin"))
        #expect(!text.contains("hook-secret-hook"))
    }
}
