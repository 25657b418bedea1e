import Config
import Relay
import RelayTesting
import Rules
import Sinks
import Testing

@Suite("The HTTP sink: requests and what their responses mean")
struct HTTPSinkTests {
    private func sink(
        _ configuration: HTTPSinkConfiguration, _ client: CurlClient, clock: any RelayClock = ManualClock()
    ) -> HTTPSink {
        HTTPSink(name: "crm", configuration: configuration, client: client, clock: clock)
    }

    private func stateless(
        _ receiver: HTTPReceiver, _ method: String = "POST", headers: [(String, String)] = [],
        body: String? = #"{"id":"{{ $.user.id }}"}"#
    ) throws -> HTTPSinkConfiguration {
        try HTTPSinkConfiguration(
            request: HTTPFixtures.request(method, receiver.url + "/in", headers: headers, body: body),
            allowsPrivate: true, allowsHTTP: true)
    }

    private func outcome(
        _ status: Int, headers: [String] = [], method: String = "POST",
        type: String = "user.lifecycle.create"
    ) async throws -> Result<Receipt, SinkError> {
        var result = Result<Receipt, SinkError>.failure(.unavailable(reason: "never asked"))
        try await withReceiver({ _ in .respond(status, headers: headers) }) { receiver, client in
            let sink = sink(try stateless(receiver, method), client)
            let delivery = HTTPFixtures.delivery(try HTTPFixtures.event(type))
            do throws(SinkError) {
                let receipts = try await sink.deliver([delivery])
                result = receipts.first.map { .success($0) } ?? result
            } catch {
                result = .failure(error)
            }
        }
        return result
    }

    @Test func fillsUrlHeadersAndBody() async throws {
        try await withReceiver { receiver, client in
            let configuration = try HTTPSinkConfiguration(
                request: HTTPFixtures.request(
                    "PUT", receiver.url + "/c/{{ $.user.login }}?op={{ $.operation }}",
                    headers: [("X-User", "{{ $.user.id }}"), ("X-None", "{{ $.user.nothing }}")],
                    body: HTTPFixtures.contactBody),
                allowsPrivate: true, allowsHTTP: true)
            let event = try HTTPFixtures.event("user.lifecycle.activate", login: "a b/ü@example.com")
            let receipts = try await sink(configuration, client).deliver([HTTPFixtures.delivery(event)])
            #expect(receipts.map(\.outcome) == [.delivered])
            #expect(receipts.first?.detail == "HTTP 200")
            let request = try #require(receiver.requests.first)
            #expect(request.target == "/c/a%20b%2F%C3%BC%40example.com?op=reactivate")
            #expect(request.text == #"{"email":"a b/ü@example.com","name":"Ada","active":true}"#)
            #expect(request.header("x-user") == "00u1")
            #expect(request.header("x-none") == nil)
            #expect(request.header("content-type") == "application/json")
            #expect(request.header("user-agent") == "okta-relay")
            #expect(request.header("idempotency-key")?.count == 43)
        }
    }

    @Test func aMappedHeaderWinsOverADefault() async throws {
        try await withReceiver { receiver, client in
            let configuration = try stateless(
                receiver,
                headers: [("content-type", "text/plain"), ("USER-AGENT", "mine"), ("Idempotency-key", "k")],
                body: #""hello {{ $.user.id }}""#)
            let event = try HTTPFixtures.event("user.lifecycle.create")
            _ = try await sink(configuration, client).deliver([HTTPFixtures.delivery(event)])
            let request = try #require(receiver.requests.first)
            #expect(request.text == "hello 00u1")
            #expect(request.headers.filter { $0.name == "content-type" }.map(\.value) == ["text/plain"])
            #expect(request.headers.filter { $0.name == "user-agent" }.map(\.value) == ["mine"])
            #expect(request.headers.filter { $0.name == "idempotency-key" }.map(\.value) == ["k"])
        }
    }

    @Test(arguments: [
        (HTTPAuthentication.bearer(Secret("t0k")), "authorization", "Bearer t0k"),
        (.basic(user: "ada", password: Secret("p:w")), "authorization", "Basic YWRhOnA6dw=="),
        (.header(name: "X-Api-Key", value: Secret("k3y")), "x-api-key", "k3y"),
    ])
    func provesItself(authentication: HTTPAuthentication, header: String, value: String) async throws {
        try await withReceiver { receiver, client in
            var configuration = try stateless(receiver, headers: [("Authorization", "mapped")])
            configuration.authentication = authentication
            let event = try HTTPFixtures.event("user.lifecycle.create")
            _ = try await sink(configuration, client).deliver([HTTPFixtures.delivery(event)])
            let values = try #require(receiver.requests.first).headers.filter { $0.name == header }
            #expect(values.map(\.value) == [value])
        }
    }

    @Test func withoutOnEveryEventIsSent() async throws {
        try await withReceiver { receiver, client in
            let sink = sink(try stateless(receiver, body: #"{"type":"{{ $.event.eventType }}"}"#), client)
            #expect(!sink.limits.keepsState && sink.limits.batchEventsMax == 1)
            for event in [
                try HTTPFixtures.event("user.session.start"),
                try HTTPFixtures.event("group.lifecycle.create", user: nil, second: nil),
            ] {
                let receipts = try await sink.deliver([HTTPFixtures.delivery(event)])
                #expect(receipts.map(\.outcome) == [.delivered])
                #expect(receipts.first?.state == nil)
            }
            #expect(receiver.requests.map(\.text).count == 2)
        }
    }

    @Test func theMostSpecificRequestIsChosen() async throws {
        try await withReceiver { receiver, client in
            func request(_ path: String) throws -> HTTPRequestTemplate {
                try HTTPFixtures.request("POST", receiver.url + path)
            }
            let configuration = try HTTPSinkConfiguration(
                request: request("/base"),
                on: [
                    HTTPRequestCase(selector: .operation(.deactivate), request: request("/deactivate")),
                    HTTPRequestCase(
                        selector: .eventType("user.lifecycle.suspend"), request: request("/suspend")),
                    HTTPRequestCase(selector: .operation(.update), request: nil),
                    HTTPRequestCase(selector: .eventType("user.session.start"), request: request("/start")),
                ],
                allowsPrivate: true, allowsHTTP: true)
            let sink = sink(configuration, client)
            var outcomes: [Receipt.Outcome] = []
            for type in [
                "user.lifecycle.create", "user.lifecycle.deactivate", "user.lifecycle.suspend",
                "user.account.update_profile", "user.session.start", "user.session.end",
            ] {
                let delivery = HTTPFixtures.delivery(try HTTPFixtures.event(type))
                outcomes += try await sink.deliver([delivery]).map(\.outcome)
            }
            #expect(receiver.requests.map(\.target) == ["/base", "/deactivate", "/suspend", "/start"])
            let skipped = outcomes.filter { if case .skipped = $0 { true } else { false } }
            #expect(skipped.count == 2)
        }
    }

    @Test func theKeyIsTheSameForEveryAttemptAndAnotherForAReplay() async throws {
        try await withReceiver { receiver, client in
            let sink = sink(try stateless(receiver), client)
            let event = try HTTPFixtures.event("user.lifecycle.create")
            for delivery in [
                HTTPFixtures.delivery(event), HTTPFixtures.delivery(event, attempt: 2),
                HTTPFixtures.delivery(event, replay: "r1"),
            ] {
                _ = try await sink.deliver([delivery])
            }
            let keys = receiver.requests.map { $0.header("idempotency-key") }
            #expect(keys[0] == keys[1] && keys[0] != keys[2])
        }
    }

    @Test func aValueThatCannotBeRenderedRejectsTheEvent() async throws {
        try await withReceiver { receiver, client in
            var configuration = try stateless(receiver)
            configuration.request = try HTTPFixtures.request("DELETE", receiver.url + "/c/{{ $.user.email }}")
            let event = try HTTPFixtures.event("user.lifecycle.create")
            let receipts = try await sink(configuration, client).deliver([HTTPFixtures.delivery(event)])
            guard case .rejected(let reason) = receipts.first?.outcome else {
                Issue.record("\(receipts)")
                return
            }
            #expect(reason.contains("$.user.email"))
            configuration.request = try HTTPFixtures.request("DELETE", receiver.url + "/c/{{ $.user.login }}")
            let dots = try HTTPFixtures.event("user.lifecycle.create", login: "..")
            let refused = try await sink(configuration, client).deliver([HTTPFixtures.delivery(dots)])
            guard case .rejected = refused.first?.outcome else {
                Issue.record("\(refused)")
                return
            }
            #expect(receiver.connections == 0)
        }
    }

    @Test func aLineBreakNeverReachesAHeader() async throws {
        try await withReceiver { receiver, client in
            let configuration = try stateless(receiver, headers: [("X-Name", "{{ $.user.displayName }}")])
            let event = try HTTPFixtures.event("user.lifecycle.create", name: "Eve\r\nX-Admin: yes")
            let receipts = try await sink(configuration, client).deliver([HTTPFixtures.delivery(event)])
            guard case .rejected(let reason) = receipts.first?.outcome else {
                Issue.record("\(receipts)")
                return
            }
            #expect(!reason.contains("Eve"))
            #expect(receiver.connections == 0)
        }
    }

    // MARK: - Responses

    @Test func statusesBecomeOutcomes() async throws {
        #expect(try await outcome(204).get().outcome == .delivered)
        #expect(try await outcome(302).get().outcome == .rejected(reason: "HTTP 302"))
        #expect(try await outcome(422).get().outcome == .rejected(reason: "HTTP 422"))
        for status in [302, 400, 401, 422, 409, 500] {
            #expect(try await outcome(status).get().status == status)
        }
        #expect(try await outcome(404).get().outcome == .rejected(reason: "HTTP 404"))
        #expect(try await outcome(404, method: "DELETE").get().outcome == .delivered)
        let deactivation = try await outcome(410, type: "user.lifecycle.deactivate").get()
        #expect(deactivation.outcome == .delivered)
        let conflict = try await outcome(409, headers: ["Retry-After: 3"]).get()
        #expect(conflict.outcome == .retry(after: .seconds(3), reason: "HTTP 409"))
    }

    @Test func anOverloadedServerIsUnavailableForAsLongAsItSays() async throws {
        for (header, pause) in [
            (["Retry-After: 9"], Duration.seconds(9)), (["Retry-After: 90000"], .seconds(3_600)),
        ] {
            let result = try await outcome(503, headers: header)
            guard case .failure(.unavailable(let reason, let retryAfter, 503)) = result else {
                Issue.record("\(result)")
                return
            }
            #expect(retryAfter == pause)
            #expect(reason.contains("HTTP 503") && !reason.contains("/in"))
        }
    }

    @Test func refusedCredentialsAreTheSinksOnceASecondUserMeetsThem() async throws {
        try await withReceiver({ _ in .respond(401) }) { receiver, client in
            let sink = sink(try stateless(receiver), client)
            let first = HTTPFixtures.delivery(try HTTPFixtures.event("user.lifecycle.create", user: "00u1"))
            let second = HTTPFixtures.delivery(try HTTPFixtures.event("user.lifecycle.create", user: "00u2"))
            for _ in 1...2 {
                guard case .retry = try await sink.deliver([first]).first?.outcome else {
                    Issue.record("one user is not everybody")
                    return
                }
            }
            guard
                case .misconfigured(let reason) = await failure({ try await sink.deliver([second]) })
                    as? SinkError
            else {
                Issue.record("two users are")
                return
            }
            #expect(reason.contains("HTTP 401"))
        }
    }

    /// A message that may come twice is no reason to try one user after the other while nothing answers.
    @Test(arguments: ["POST", "PUT"]) func aLostResponseIsAnOutage(_ method: String) async throws {
        try await withReceiver({ _ in .closeBeforeResponse }) { receiver, client in
            let delivery = HTTPFixtures.delivery(try HTTPFixtures.event("user.lifecycle.create"))
            let sink = sink(try stateless(receiver, method), client)
            guard case .unavailable = await failure({ try await sink.deliver([delivery]) }) as? SinkError
            else {
                Issue.record("not unavailable")
                return
            }
        }
    }

    @Test func theRemoteIDIsInTheReceipt() async throws {
        try await withReceiver({ _ in .respond(201, body: #"{"id":4711}"#) }) { receiver, client in
            let delivery = HTTPFixtures.delivery(try HTTPFixtures.event("user.lifecycle.create"))
            let receipts = try await sink(try stateless(receiver), client).deliver([delivery])
            #expect(receipts.first?.detail == "HTTP 201, id 4711")
        }
    }

    @Test func waitsForItsRateOnTheInjectedClock() async throws {
        try await withReceiver { receiver, client in
            var configuration = try stateless(receiver)
            configuration.rate = RateLimit(count: 1, period: .seconds(30))
            let clock = ManualClock()
            let sink = sink(configuration, client, clock: clock)
            let delivery = HTTPFixtures.delivery(try HTTPFixtures.event("user.lifecycle.create"))
            _ = try await sink.attempt(delivery)
            clock.advance(by: .seconds(10))
            #expect(try await sink.takeTurn([delivery]) == .everybody(.seconds(20)))
            clock.advance(by: .seconds(20))
            #expect(try await sink.attempt(delivery)?.outcome == .delivered)
        }
    }

    // MARK: - Checks

    @Test func probeConnectsAndSendsNothing() async throws {
        try await withReceiver { receiver, client in
            let sink = sink(try HTTPFixtures.contacts(receiver.url), client)
            try await sink.prepare()
            try await sink.probe()
            #expect(receiver.requests.isEmpty)
            let nowhere = self.sink(try HTTPFixtures.contacts("http://127.0.0.1:1"), client)
            guard case .unavailable = await failure({ try await nowhere.probe() }) as? SinkError else {
                Issue.record("not unavailable")
                return
            }
        }
    }

    @Test(arguments: [
        "http://{{ $.user.login }}/x", "{{ $.event.url }}", "http://127.0.0.1{{ $.user.id }}", "http://",
        "ftp://a/",
    ])
    func prepareRefusesAHostThatAnEventCouldChoose(url: String) async throws {
        let client = CurlClient()
        let configuration = try HTTPSinkConfiguration(
            request: HTTPFixtures.request("PUT", url), allowsPrivate: true, allowsHTTP: true)
        guard
            case .misconfigured = await failure({ try await sink(configuration, client).prepare() })
                as? SinkError
        else {
            Issue.record("not refused")
            return
        }
        await client.shutdown()
    }

    @Test func aPrivateAddressIsSaidToBeOne() async throws {
        try await withReceiver { receiver, client in
            var configuration = try stateless(receiver)
            configuration.allowsPrivate = false
            let sink = sink(configuration, client)
            let delivery = HTTPFixtures.delivery(try HTTPFixtures.event("user.lifecycle.create"))
            guard
                case .misconfigured(let reason) = await failure({ try await sink.deliver([delivery]) })
                    as? SinkError
            else {
                Issue.record("not refused")
                return
            }
            #expect(reason.contains("allowPrivate"))
        }
    }
}
