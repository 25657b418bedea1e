import JSON
import Testing

@testable import Config

@Suite struct ReferenceTests {
    @Test func splitsTextAndReferences() throws {
        #expect(try Reference.parts(of: "plain") == [.text("plain")])
        #expect(try Reference.parts(of: "") == [.text("")])
        #expect(
            try Reference.parts(of: "a${env:B}c${file:d/e}") == [
                .text("a"), .variable("B", default: nil), .text("c"), .file("d/e"),
            ])
        #expect(try Reference.parts(of: "${env:A:-x:-y}") == [.variable("A", default: "x:-y")])
        #expect(try Reference.parts(of: "$${env:A} $x {") == [.text("${env:A} $x {")])
    }

    @Test(arguments: ["${", "${env:A", "${A}", "${env:}", "${env:1A}", "${env:A-B}", "${file:}", "${ENV:A}"])
    func refuses(text: String) {
        #expect(throws: Reference.Mistake.self) { try Reference.parts(of: text) }
    }

    @Test func areReplacedInStrings() throws {
        let outcome = Fixture.load(
            Fixture.minimal(
                server: #"{ "listen": "${env:HOST:-127.0.0.1}:${env:PORT}" }"#,
                sinks: #"""
                    { "users": { "type": "sqlite", "path": "${env:EMPTY:-db}/u.sqlite", "table": "users" } }
                    """#),
            variables: ["PORT": "9999", "EMPTY": ""])
        let configuration = try #require(outcome.configuration, "\(outcome.issues)")
        #expect(configuration.server.listen == ListenAddress(host: "127.0.0.1", port: 9999))
        #expect(configuration.admin.token.revealed == "admin-token-admin-token-1")
        #expect(configuration.hooks[0].secrets[0].revealed == "hook-secret-hook-secret-2")
        guard case .sqlite(let sqlite) = configuration.sinks[0].kind else {
            Issue.record("not a SQLite sink")
            return
        }
        #expect(sqlite.path == "/srv/relay/db/u.sqlite")
    }

    @Test func onlyOneNewlineIsDropped() {
        let outcome = Fixture.load(
            Fixture.minimal(), files: ["/srv/relay/data/hook.secret": "secret-secret-secret\n\n"])
        #expect(outcome.errors.map(\.pointer.description) == ["/hooks/0/secrets/0"])
    }

    @Test func anUnsetOneIsAnErrorWhereItIsNeeded() {
        let sink = #"{ "type": "postgresql", "url": "${env:DB}", "table": "${env:T}" }"#
        let on = Fixture.load(Fixture.minimal(sinks: "{ \"users\": \(sink) }"))
        #expect(on.errors.map(\.pointer.description) == ["/sinks/users/url", "/sinks/users/table"])
        #expect(on.errors.first?.message == "the environment variable DB is not set")
    }

    @Test func anUnsetOneIsFineWhereThePartIsOff() throws {
        let keys = #""enabled": false, "rate": "${env:RATE}", "auth": { "bearer": "${file:no}" }"#
        let outcome = Fixture.load(Fixture.http(keys, url: "${env:BASE}/u/{{ $.user.id }}"))
        let configuration = try #require(outcome.configuration, "\(outcome.issues)")
        #expect(configuration.sinks.map(\.isEnabled) == [false])
    }

    @Test func aPartThatIsOffIsStillChecked() {
        let outcome = Fixture.load(Fixture.http(#""enabled": false, "rate": "10", "auht": {}"#))
        #expect(outcome.errors.map(\.pointer.description) == ["/sinks/crm/rate", "/sinks/crm/auht"])
    }

    @Test func replacedValuesNeverShow() {
        let secret = "s3cr3t-value-{{"
        let outcome = Fixture.load(
            Fixture.minimal(
                server: #"{ "listen": "${env:S}", "maxBody": "${env:S}", "trustedProxies": ["${env:S}"] }"#,
                admin: #"{ "listen": "x${env:S}", "token": "${env:S} \u0001" }"#,
                sinks: #"""
                    { "users": { "type": "sqlite", "path": "a", "table": "${env:S} .", "mode": "${env:S}" },
                      "crm": { "type": "http", "url": "${env:S}{{ $.user.id", "rate": "${env:S}",
                        "headers": { "X-Key": "${env:S}" }, "method": "${env:S}",
                        "auth": { "basic": { "user": "${env:S}:", "password": "${env:S}\n" } } } }
                    """#,
                rules: #"[{ "name": "r", "events": ["${env:S} x"], "sinks": ["${env:S}"] }]"#),
            variables: ["S": secret])
        #expect(outcome.errors.count >= 10)
        for issue in outcome.issues { #expect(!issue.description.contains("s3cr3t"), "\(issue)") }
    }

    @Test func filesThatCannotBeUsedSayWhy() {
        let reading = ConfigSurroundings(
            variable: { _ in nil },
            read: { $0.hasSuffix("token") ? .unreadable("permission denied") : .contents([0xFF, 0xFE]) })
        let outcome = ConfigLoader(surroundings: reading).load(
            Array(Fixture.minimal().utf8), file: "sinks.json", directory: "/srv/relay")
        #expect(
            outcome.errors.map(\.message) == [
                "the file data/admin.token cannot be read: permission denied",
                "the file data/hook.secret is not UTF-8 text",
            ])
    }

    @Test func aMissingSecretFileNamesTheCommandThatCreatesIt() {
        let nothing = ConfigSurroundings(variable: { _ in nil }, read: { _ in .missing })
        let outcome = ConfigLoader(surroundings: nothing).load(
            Array(Fixture.minimal().utf8), file: "sinks.json", directory: "/srv/relay")
        #expect(outcome.errors.count == 2)
        for issue in outcome.errors { #expect(issue.message.contains("serve --init")) }
    }
}
