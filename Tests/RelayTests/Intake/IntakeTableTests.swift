import Config
import JSON
import Relay
import RelayTesting
import Rules
import Testing

/// Design §4's table, row by row, on a real socket.
@Suite(.timeLimit(.minutes(1))) struct IntakeTableTests {
    @Test func answersTheVerification() async throws {
        try await IntakeFixture.run { (intake) async throws in
            let challenge = ("x-okta-verification-challenge", #"aB_-"\9"#)
            let answer = try await RawHTTPClient.send(
                "GET", "/okta", port: intake.port, headers: [IntakeFixture.auth, challenge])
            #expect(answer.status == 200)
            #expect(answer["content-type"] == "application/json")
            #expect(answer.text == #"{"verification":"aB_-\"\\9"}"#)
            let stranger = try await RawHTTPClient.send(
                "GET", "/okta", port: intake.port, headers: [challenge])
            #expect(stranger.status == 401)
            let open = try await RawHTTPClient.send(
                "GET", "/narrow?x=1", port: intake.port, headers: [challenge])
            #expect(open.status == 200)
            let without = try await RawHTTPClient.send(
                "GET", "/okta", port: intake.port, headers: [IntakeFixture.auth])
            #expect(without.status == 400 && without.text.contains("Challenge"))
        }
    }

    @Test func acknowledgesADelivery() async throws {
        try await IntakeFixture.run { (intake) async throws in
            let answer = try await intake.deliver(Sample.envelope([Sample.event("1")]))
            #expect(answer.status == 200 && answer.body.isEmpty && answer["content-length"] == "0")
            #expect(intake.journal.entries.map(\.event.id) == ["1"])
            #expect(intake.journal.entries.first?.event.org == "main")
            #expect(intake.metric(#"okta_relay_requests_total{hook="main",outcome="accepted"}"#) == "1")
            #expect(intake.metric(#"okta_relay_events_unrouted_total{hook="main"}"#) == "1")
        }
    }

    @Test func quarantinesTheElementWithoutUUID() async throws {
        try await IntakeFixture.run { (intake) async throws in
            let bad = #"{"eventType":"user.lifecycle.create"}"#
            let answer = try await intake.deliver(
                Sample.envelope([Sample.event("1"), bad, Sample.event("2")]))
            #expect(answer.status == 200)
            #expect(intake.journal.entries.map(\.event.id) == ["1", "2"])
            #expect(intake.journal.quarantinedInputs.map(\.reason) == ["no uuid"])
            #expect(intake.journal.quarantinedInputs.first?.bytes == Array(bad.utf8))
        }
    }

    @Test func quarantinesTypesThatTheHookDoesNotAccept() async throws {
        try await IntakeFixture.run { (intake) async throws in
            let answer = try await RawHTTPClient.send(
                "POST", "/narrow", port: intake.port, headers: [("X-HOOK-KEY", "narrow-secret")],
                body: Sample.envelope([Sample.event("1", type: "group.privilege.grant")]))
            #expect(answer.status == 200)
            #expect(intake.journal.quarantinedInputs.map(\.reason) == ["event type not accepted"])
            #expect(intake.journal.entries.isEmpty)
        }
    }

    @Test func keepsAndExplainsWhatIsNoEnvelope() async throws {
        try await IntakeFixture.run { (intake) async throws in
            let answer = try await intake.deliver(Array("hello".utf8))
            #expect(answer.status == 400 && answer.text.contains("not JSON"))
            #expect(intake.journal.quarantinedInputs.first?.bytes == Array("hello".utf8))
            intake.journal.failAppends(with: .cannotCommit(reason: "disk full"))
            #expect(try await intake.deliver(Array("hello".utf8)).status == 503)
        }
    }

    @Test func refusesAWrongSecretBeforeTheBody() async throws {
        try await IntakeFixture.run { (intake) async throws in
            try await RawHTTPClient.connect(port: intake.port) { client in
                // The announced body never comes: the answer does not wait for it.
                try await client.send(
                    "POST /okta HTTP/1.1\r\nHost: x\r\nAuthorization: wrong\r\nContent-Length: 9\r\n\r\n")
                let answer = try await client.response()
                #expect(answer.status == 401 && answer.body.isEmpty && answer["connection"] == "close")
            }
            #expect(intake.journal.entries.isEmpty && intake.journal.quarantinedInputs.isEmpty)
            let second = try await RawHTTPClient.send(
                "POST", "/okta", port: intake.port, headers: [("authorization", "the-next-one")],
                body: Sample.envelope([Sample.event("1")]))
            #expect(second.status == 200)
            #expect(intake.metric(#"okta_relay_requests_total{hook="main",outcome="unauthorized"}"#) == "1")
            let used = #"okta_relay_secret_last_used_timestamp_seconds{hook="main",secret="1"}"#
            #expect(intake.metric(used) != nil)
        }
    }

    @Test func refusesABodyOverTheLimit() async throws {
        try await IntakeFixture.run {
            $0.bodyBytesMax = 100
        } _: { (intake) async throws in
            // Announced: refused at once, and the client that asked first never sends it.
            try await RawHTTPClient.connect(port: intake.port) { client in
                try await client.send(
                    RawHTTPClient.request(
                        "POST", "/okta",
                        headers: [
                            IntakeFixture.auth, ("content-length", "101"), ("expect", "100-continue"),
                        ]))
                #expect(try await client.response().status == 413)
            }
            // Chunked: refused once it is over, and then the connection is closed.
            try await RawHTTPClient.connect(port: intake.port) { client in
                try await client.send(
                    RawHTTPClient.request(
                        "POST", "/okta", headers: [IntakeFixture.auth, ("transfer-encoding", "chunked")]))
                let chunk = "40\r\n" + String(repeating: "x", count: 64) + "\r\n"
                try await client.send(chunk + chunk)
                let answer = try await client.response()
                #expect(answer.status == 413 && answer["connection"] == "close")
                try await client.send(chunk + chunk)
                #expect(await client.untilClosed().isEmpty)
            }
            #expect(intake.metric(#"okta_relay_requests_total{hook="main",outcome="too_large"}"#) == "2")
        }
    }

    @Test func tellsWrongPathsAndMethods() async throws {
        try await IntakeFixture.run { (intake) async throws in
            for path in ["/", "/okta/", "/other"] {
                #expect(try await RawHTTPClient.send("GET", path, port: intake.port).status == 404)
            }
            for method in ["PUT", "DELETE", "OPTIONS", "HEAD"] {
                let answer = try await RawHTTPClient.send(
                    method, "/okta", port: intake.port, headers: [("content-length", "0")])
                #expect(answer.status == 405 && answer["allow"] == "GET, POST", "\(method)")
            }
        }
    }

    @Test func saysWhenTheJournalCannotCommit() async throws {
        try await IntakeFixture.run { (intake) async throws in
            #expect(intake.readiness.state == .ready)
            intake.journal.failAppends(with: .cannotCommit(reason: "disk full"))
            #expect(try await intake.deliver(Sample.envelope([Sample.event("1")])).status == 503)
            #expect(!intake.readiness.state.isReady)
            intake.journal.failAppends(with: nil)
            #expect(try await intake.deliver(Sample.envelope([Sample.event("1")])).status == 200)
            #expect(intake.readiness.state == .ready)
            #expect(intake.journal.entries.count == 1)
        }
    }

    @Test func aCommitThatComesTooLateIsKnownTheNextTime() async throws {
        let clock = ManualClock()
        try await IntakeFixture.run(clock: clock) { (intake) async throws in
            intake.journal.holdAppends()
            let envelope = Sample.envelope([Sample.event("1")])
            async let first = intake.deliver(envelope)
            _ = await intake.journal.nextAppend()
            #expect(await clock.nextSleep() == .milliseconds(2_500))
            clock.advance(by: .milliseconds(2_500))
            #expect(try await first.status == 503)
            #expect(intake.journal.entries.isEmpty)
            intake.journal.releaseAppends()
            #expect(try await intake.deliver(envelope).status == 200)
            #expect(intake.journal.entries.count == 1)
        }
    }

    @Test func anEnvelopeWithoutEventsNeedsNoJournal() async throws {
        try await IntakeFixture.run { (intake) async throws in
            intake.journal.failAppends(with: .closed)
            #expect(try await intake.deliver(Sample.envelope([])).status == 200)
        }
    }

    @Test func storesTheRouteThatIsInForce() async throws {
        try await IntakeFixture.run { (intake) async throws in
            let rules = RuleTable([Rule(name: "r", events: [EventTypePattern("*")], sinks: ["users"])])
            intake.swap(rules: rules)
            _ = try await intake.deliver(Sample.envelope([Sample.event("1")]))
            let expected = rules.route(
                RoutingFacts(
                    hook: "main", eventType: "user.lifecycle.create", operation: .create, isEffective: true),
                event: try #require(intake.journal.entries.first).event.body.root)
            #expect(intake.journal.entries.first?.route == expected)
        }
    }

    @Test func aReloadExchangesHooksAndRulesForTheNextRequest() async throws {
        try await IntakeFixture.run { (intake) async throws in
            let rules = RuleTable([Rule(name: "r", events: [EventTypePattern("*")], sinks: ["users"])])
            let rotated = HookConfiguration(name: "main", path: "/okta", secrets: [Secret("rotated")])
            // One request is authenticated before the swap and has sent only a part of its body by then.
            let body = Sample.envelope([Sample.event("early")])
            let early = try await RawHTTPClient.connect(port: intake.port) { client in
                let whole = RawHTTPClient.request(
                    "POST", "/okta", headers: [IntakeFixture.auth, ("expect", "100-continue")], body: body)
                try await client.send(Array(whole.dropLast(body.count)))
                #expect(try await client.response().status == 100)
                intake.swap(hooks: [rotated], rules: rules)
                try await client.send(body)
                return try await client.response().status
            }
            #expect(early == 200)
            #expect(intake.journal.entries.first?.route.isUnrouted == true)
            #expect(try await intake.deliver(Sample.envelope([Sample.event("late")])).status == 401)
            let answer = try await RawHTTPClient.send(
                "POST", "/okta", port: intake.port, headers: [("authorization", "rotated")],
                body: Sample.envelope([Sample.event("late")]))
            #expect(answer.status == 200)
            #expect(intake.journal.entries.last?.route.choices.map(\.sink) == ["users"])
            let gone = try await RawHTTPClient.send("POST", "/narrow", port: intake.port, body: [])
            #expect(gone.status == 404)
        }
    }

    @Test func logsRefusalsWithTheirPeerAndNeverAValue() async throws {
        let log = CapturedLog()
        try await IntakeFixture.run(clock: ManualClock(), log: log) {
            $0.trustedProxies = ["127.0.0.0/8"]
        } _: { (intake) async throws in
            for _ in 0..<30 {
                let answer = try await RawHTTPClient.send(
                    "POST", "/okta", port: intake.port,
                    headers: [("authorization", "guessed-value"), ("x-forwarded-for", "203.0.113.7")],
                    body: Array("private words".utf8))
                #expect(answer.status == 401)
            }
            #expect(try await intake.deliver(Sample.envelope([Sample.event("1")])).status == 200)
        }
        let warnings = log.lines.filter { $0.hasPrefix("warning") }
        #expect(warnings.count == 10)
        #expect(warnings.allSatisfy { $0.contains("203.0.113.7") && $0.contains("main") })
        for secret in ["guessed-value", IntakeFixture.secret, "private words", "ann@example.com"] {
            #expect(!log.lines.contains { $0.contains(secret) })
        }
    }
}
