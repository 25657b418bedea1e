import Foundation
import JSON
import RelayTesting
import Testing

/// Secrets and users go through a relay in which everything fails that can, and none of them is in what it
/// says of that: the log, the metrics, the status, the page, the answers to strangers.
///
/// Whoever has the admin token is shown users where that is the purpose, as with a dead letter's event.
@Suite(.timeLimit(.minutes(2))) struct SecrecyTests {
    /// A part of every text that must not be seen, but for the two of ``RelaySetup``.
    private static let mark = "zq9x"
    private static let users = 2
    /// Sinks at which every event dies.
    private static let deadly = [
        "answers-302", "answers-400", "answers-500", "unrenderable", "strict-sqlite", "strict-pg",
    ]

    let receiver: HTTPReceiver
    let setup: RelaySetup

    init() async throws {
        // A destination that says everything back that it was told.
        receiver = try HTTPReceiver { request in
            let status = request.target.split(separator: "/").first.flatMap { Int($0) } ?? 404
            let token = request.header("authorization") ?? ""
            let body = #"{"error":"no \#(request.target) for \#(token)","was":\#(request.text)}"#
            let headers = ["X-Token: \(token)", "Location: \(request.target)"]
            return .respond(status, headers: headers, body: body)
        }
        let database = try await onOwnThread { try PostgresCluster.shared().makeDatabase() }
        let nobody = "postgresql://relay:\(Self.mark)@127.0.0.1:\(try LoopbackPort.free())/users"
        let url = receiver.url
        let answers = ["302", "400", "401", "500", "503"].map { status in
            let path = "/\(status)/{{ $.user.login }}/{{ $.user.displayName }}?key=\(Self.mark)"
            return Self.sink("answers-\(status)", url + path, #"{ "user": "{{ $.user }}" }"#)
        }
        // A login has no place in a number, a short text, an integer.
        let number = #"{ "login": "{{ $.user.login | number }}" }"#
        let unrenderable = Self.sink("unrenderable", "\(url)/200", number)
        let names = (Self.deadly + ["answers-401", "answers-503", "away"]).map { "\"\($0)\"" }
        let columns = #""columns": { "id": "{{ $.user.id }}", "login": "#
        setup = try RelaySetup(
            sinks: """
                \(answers.joined(separator: ",")), \(unrenderable),
                "strict-sqlite": { "type": "sqlite", "path": "strict.sqlite", "table": "people",
                  \(columns)"{{ $.user.login }}" } },
                "strict-pg": { "type": "postgresql", "url": "\(database)", "table": "people",
                  \(columns){ "value": "{{ $.user.login }}", "type": "integer" } } },
                "away": { "type": "postgresql", "url": "\(nobody)", "table": "people" }
                """,
            rules: """
                { "name": "all", "events": ["*"], "sinks": [\(names.joined(separator: ","))] }
                """)
        try await Rows.change(
            setup.folder.file("strict.sqlite"),
            "CREATE TABLE people (id TEXT PRIMARY KEY, login TEXT CHECK (length(login) < 5))")
    }

    private static func sink(_ name: String, _ url: String, _ body: String) -> String {
        """
        "\(name)": {
          "type": "http", "method": "POST", "url": "\(url)", "auth": { "bearer": "\(mark)-bearer" },
          "headers": { "X-Name": "{{ $.user.displayName }}" }, "body": \(body),
          "retry": { "initial": "10ms", "max": "20ms", "for": "50ms" }, "limits": {},
          "allowHttp": true, "allowPrivate": true
        }
        """
    }

    @Test func nothingThatTheRelaySaysHoldsASecretOrAUser() async throws {
        defer { receiver.stop() }
        let relay = try await setup.start()
        var said = try await sendEverything()
        try await waitForFailures()
        said += try await failAtTheAdminSide()
        try await failToReload(relay)
        for path in ["/metrics", "/status", "/sinks", "/", "/healthz", "/readyz"] {
            let page = try await setup.page(path)
            #expect(page.status == 200, "\(path): \(page.text)")
            said.append((path, page.text))
        }
        let deaths = Self.deadly.count * Self.users
        try await waitUntil(every: .milliseconds(10)) {
            relay.log.components(separatedBy: "event dead-lettered").count > deaths
        }
        #expect(await relay.stop() == 0)
        said.append(("the log", relay.log))

        for (what, text) in said {
            for secret in [Self.mark, RelaySetup.secret, RelaySetup.token] {
                let lines = text.split(whereSeparator: \.isNewline).filter {
                    $0.localizedCaseInsensitiveContains(secret)
                }
                #expect(lines.isEmpty, "\(secret) is in \(what): \(lines)")
            }
        }
        expectTellingTexts(said)
    }

    /// Every kind of request that the intake knows.
    ///
    /// - Returns: What the answers to those that failed say.
    private func sendEverything() async throws -> [(String, String)] {
        let events = (1...Self.users).map { number in
            var event = LogEventFixture(
                uuid: "event-\(number)", type: "user.lifecycle.create", userID: "00u\(Self.mark)\(number)",
                login: "\(Self.mark).\(number)@example.com")
            event.displayName = "\(Self.mark.uppercased()) the \(number)."
            return event.json
        }
        let unnamed = Array(#"{"eventType":"user.lifecycle.create","note":"\#(Self.mark)"}"#.utf8)
        let misnamed = Array(#"{"uuid":"u","eventType":"\#(Self.mark) type"}"#.utf8)
        let envelope = RelaySetup.envelope(events + [unnamed, misnamed])
        #expect(try await setup.post(envelope, secret: "\(Self.mark)-guess") == 401)
        #expect(try await setup.post(envelope) == 200)
        func answer(
            _ method: String, _ path: String, _ header: String, _ body: String? = nil
        ) async throws
            -> RawHTTPResponse
        {
            try await RawHTTPClient.send(
                method, path, port: setup.port,
                headers: [("Authorization", RelaySetup.secret), (header, Self.mark)],
                body: body.map { Array($0.utf8) })
        }
        let challenge = "X-Okta-Verification-Challenge"
        #expect(try await answer("GET", "/okta/events", challenge).status == 200)
        let refused = [
            try await answer("POST", "/okta/events", "X-Other", #"{"note":"\#(Self.mark)"}"#),
            try await answer("POST", "/okta/events", "X-Other", #"{"note":"\#(Self.mark)"#),
            try await answer("GET", "/\(Self.mark)", "X-Other"),
        ]
        #expect(refused.map(\.status) == [400, 400, 404])
        return refused.map { ("an answer of \($0.status)", $0.text) }
    }

    private func waitForFailures() async throws {
        try await setup.wait(for: "every sink to fail in its way") { status in
            func isAt(_ sink: String, _ states: String...) -> Bool {
                states.contains { status.sink(sink)?["state"]?.isString($0) == true }
            }
            return Self.deadly.allSatisfy { status.sink($0)?["dead"]?.int == Self.users }
                && isAt("answers-401", "misconfigured") && isAt("answers-503", "open", "halfOpen")
                && isAt("away", "open", "halfOpen")
        }
    }

    private func failAtTheAdminSide() async throws -> [(String, String)] {
        let guessed = try await setup.page("/status", token: "\(Self.mark)-guess")
        #expect(guessed.status == 401)
        // What is looked at for its users has them, so they did come as far as this.
        let list = try await setup.admin("GET", "/dead-letters")
        let letters = list["deadLetters"]?.elements.map { $0 } ?? []
        #expect(letters.count == Self.deadly.count * Self.users)
        let id = try #require(letters.first?["id"]?.int)
        let letter = try await setup.page("/dead-letters/\(id)").text
        #expect(letter.contains("\(Self.mark).") && letter.contains("@example.com"))
        for letter in letters {
            #expect(letter["reason"]?.string?.localizedCaseInsensitiveContains(Self.mark) == false)
        }
        return [("an answer of 401", guessed.text)]
    }

    /// A file with mistakes where its secrets are.
    private func failToReload(_ relay: RelayProcess) async throws {
        let text = try String(contentsOfFile: setup.configPath, encoding: .utf8)
        try setup.write(
            text.replacing("http://127.0.0.1", with: "http://relay:\(Self.mark)@127.0.0.1")
                .replacing("\(Self.mark)-bearer", with: #"\#(Self.mark)\n\#(Self.mark)"#), to: "sinks.json")
        relay.signal(SIGHUP)
        await relay.waitForLog("the config file was not taken over")
    }

    /// The texts are those that would have held it all.
    private func expectTellingTexts(_ said: [(String, String)]) {
        let texts = Dictionary(said) { $0 + $1 }
        for line in [
            "event dead-lettered", "HTTP 302", "HTTP 400", "HTTP 500", "22P02", "CHECK",
            "sink cannot work as it is configured", "HTTP 401", "sink is unavailable", "HTTP 503",
            "refused a request without the hook's secret", "refused an admin request without the token",
            "answered a verification", "do not belong in a URL", "the config file was not taken over",
        ] {
            #expect(texts["the log"]?.contains(line) == true, "the log says nothing of: \(line)")
        }
        #expect(texts["/status"]?.contains("HTTP 401 for several users") == true)
        let deaths = #"okta_relay_sink_dead_letters_total{sink="answers-400"} \#(Self.users)"#
        #expect(texts["/metrics"]?.contains(deaths) == true)
        #expect(texts["/metrics"]?.contains(#"okta_relay_events_quarantined_total{hook="okta"} 4"#) == true)
        // And what they were told of was marked, on its way there and back.
        let request = receiver.requests.first { $0.target.hasPrefix("/400/\(Self.mark).") }
        #expect(request?.header("authorization") == "Bearer \(Self.mark)-bearer")
        #expect(request?.text.contains("00u\(Self.mark)") == true)
    }
}
