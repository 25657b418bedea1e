import Config
import Testing

@testable import OktaRelay

/// What `serve` prints.
@Suite struct GreetingTests {
    private static let config = Array(
        #"""
        {
          "admin": { "token": "${file:data/admin.token}" },
          "hooks": [
            { "secrets": ["${file:data/hook.secret}", "${env:OLD_SECRET:-none}"] },
            { "secrets": ["written here"] },
            { "secrets": ["Basic ${file:data/basic}"] }
          ]
        }
        """#.utf8)

    @Test func referencesAreFoundAndResolvedAgainstTheConfig() throws {
        let secrets = try SecretSources(config: Self.config, path: "etc/sinks.json")
        #expect(
            secrets.hooks == [
                [.file("etc/data/hook.secret"), .environment("OLD_SECRET")], [.text], [.text],
            ])
        #expect(secrets.admin == .file("etc/data/admin.token"))
    }

    @Test func theGreetingSaysWhatToConfigureAndShowsNoSecret() {
        let hook = HookConfiguration(name: "okta", path: "/okta/events", secrets: [Secret("s3cret-value")])
        let greeting = Greeting(
            server: ServerConfiguration(listen: ListenAddress(host: "0.0.0.0", port: 8_080)),
            hooks: [hook],
            secrets: [[.file("data/hook.secret")]],
            admin: AdminConfiguration(
                listen: ListenAddress(host: "127.0.0.1", port: 8_081), token: Secret("t0ken-value")),
            eventFile: "event.json"
        )
        #expect(greeting.text.contains("http://127.0.0.1:8080/okta/events"))
        #expect(greeting.text.contains("Authorization, with the value in data/hook.secret"))
        #expect(
            greeting.firstEventLine
                == #"curl -sS -i -H "Authorization: $(cat data/hook.secret)""#
                + " -H 'Content-Type: application/json'"
                + " --data-binary @event.json http://127.0.0.1:8080/okta/events")
        #expect(!greeting.text.contains("s3cret-value") && !greeting.text.contains("t0ken-value"))
    }
}
