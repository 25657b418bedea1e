import Config
import JSON
import Relay
import RelayTesting
import Rules
import Sinks
import Synchronization
import Testing

@Suite("The HTTP sink: requests whose outcome nobody knows, and merged events")
struct HTTPUnknownTests {
    /// Contacts are made by POST and looked up under their user's id.
    private func contacts(
        _ receiver: HTTPReceiver, _ unknown: (HTTPRequestTemplate) -> UnknownOutcome
    ) throws -> HTTPSinkConfiguration {
        let url = receiver.url + "/contacts"
        let one = url + "/{{ $.user.id }}"
        return try HTTPSinkConfiguration(
            request: HTTPFixtures.request("PUT", one, body: HTTPFixtures.contactBody),
            on: [
                HTTPRequestCase(
                    selector: .operation(.create),
                    request: HTTPFixtures.request("POST", url, body: HTTPFixtures.contactBody)),
                HTTPRequestCase(
                    selector: .operation(.delete), request: HTTPFixtures.request("DELETE", one)),
            ],
            allowsPrivate: true, allowsHTTP: true,
            unknown: unknown(HTTPFixtures.request("GET", one, headers: [("X-Ask", "1")])))
    }

    private func sink(_ configuration: HTTPSinkConfiguration, _ client: CurlClient) -> HTTPSink {
        HTTPSink(name: "crm", configuration: configuration, client: client, clock: ManualClock())
    }

    private func create(isOutcomeUnknown: Bool = false) throws -> Delivery {
        Delivery(
            offset: Offset(rawValue: 7), event: try HTTPFixtures.event("user.lifecycle.create"),
            rule: "staff",
            attempt: 2, isOutcomeUnknown: isOutcomeUnknown)
    }

    @Test func onlyAPostMustNotBeRepeated() async throws {
        try await withReceiver { receiver, client in
            let sink = sink(try contacts(receiver) { _ in .deadLetter }, client)
            #expect(sink.mustNotRepeat(try create()))
            for type in ["user.account.update_profile", "user.lifecycle.delete.initiated"] {
                #expect(!sink.mustNotRepeat(HTTPFixtures.delivery(try HTTPFixtures.event(type))))
            }
            let freely = self.sink(try contacts(receiver) { _ in .retry }, client)
            #expect(!freely.mustNotRepeat(try create()))
            #expect(self.sink(try contacts(receiver) { .lookUp($0) }, client).mustNotRepeat(try create()))
        }
    }

    @Test func aPostThatWasNotAnsweredIsADeadLetterThatSaysWhatToDo() async throws {
        try await withReceiver({ _ in .closeBeforeResponse }) { receiver, client in
            let sink = sink(try contacts(receiver) { _ in .deadLetter }, client)
            for delivery in [try create(), try create(isOutcomeUnknown: true)] {
                let receipt = try #require(try await sink.deliver([delivery]).first)
                guard case .rejected(let reason) = receipt.outcome else {
                    Issue.record("\(receipt)")
                    return
                }
                #expect(reason.hasPrefix("outcome unknown") && reason.contains("redrive it if it is not"))
            }
            // What may be there already is not sent again.
            #expect(receiver.requests.count == 1)
        }
    }

    @Test func aPostThatFailedWithinTheServerKeepsItsStatus() async throws {
        for unknown in [{ _ in .deadLetter }, { .lookUp($0) }] as [(HTTPRequestTemplate) -> UnknownOutcome] {
            try await withReceiver({ _ in .respond(500) }) { receiver, client in
                let sink = sink(try contacts(receiver, unknown), client)
                let receipt = try #require(try await sink.deliver([try create()]).first)
                #expect(receipt.status == 500 && receipt.isOutcomeUnknown)
            }
        }
    }

    /// An outage in which connections die behind the request must not cost a dead letter a request.
    @Test func afterALostAnswerNothingIsSentUntilTheDestinationAnswers() async throws {
        let isBack = Mutex(false)
        try await withReceiver({ _ in isBack.withLock { $0 } ? .respond(201) : .closeBeforeResponse }) {
            receiver, client in
            let sink = sink(try contacts(receiver) { _ in .deadLetter }, client)
            guard case .rejected = try await sink.attempt(try create())?.outcome else {
                Issue.record("the first was sent, and nobody knows")
                return
            }
            for _ in 0..<3 {
                let delivery = try create()
                guard case .unavailable = await failure({ try await sink.attempt(delivery) }) as? SinkError
                else {
                    Issue.record("not unavailable")
                    return
                }
            }
            #expect(receiver.requests.filter { $0.method == "POST" }.count == 1)
            isBack.withLock { $0 = true }
            #expect(try await sink.attempt(try create())?.outcome == .delivered)
            #expect(try await sink.attempt(try create())?.outcome == .delivered)
            #expect(receiver.requests.suffix(3).map(\.method) == ["GET", "POST", "POST"])
        }
    }

    @Test func whatIsThereIsNotSentAgain() async throws {
        try await withReceiver({ _ in .respond(200, body: #"{"id":"c9"}"#) }) { receiver, client in
            let sink = sink(try contacts(receiver) { .lookUp($0) }, client)
            let receipt = try #require(try await sink.deliver([try create(isOutcomeUnknown: true)]).first)
            #expect(receipt.outcome == .delivered && receipt.detail == "HTTP 200, id c9, to the lookup")
            #expect(receipt.state != nil)
            #expect(receiver.requests.map(\.method) == ["GET"])
            #expect(receiver.requests.first?.target == "/contacts/00u1")
            #expect(receiver.requests.first?.header("x-ask") == "1")
        }
    }

    @Test func whatIsNotThereIsSent() async throws {
        try await withReceiver({ .respond($0.method == "GET" ? 404 : 201) }) { receiver, client in
            let sink = sink(try contacts(receiver) { .lookUp($0) }, client)
            let receipt = try #require(try await sink.deliver([try create(isOutcomeUnknown: true)]).first)
            #expect(receipt.outcome == .delivered && receipt.detail == "HTTP 201")
            #expect(receiver.requests.map(\.method) == ["GET", "POST"])
        }
    }

    /// What a lookup says is there is never sent again, and what is not is doubled: half an answer is none.
    @Test(
        arguments: [.respond(400), .respond(401), .respond(500), .cutBody(200), .cutBody(404)]
            as [HTTPReceiver.Behaviour])
    func whatCannotBeLookedUpStaysUnknown(_ answer: HTTPReceiver.Behaviour) async throws {
        try await withReceiver({ _ in answer }) { receiver, client in
            let sink = sink(try contacts(receiver) { .lookUp($0) }, client)
            let receipt = try #require(try await sink.deliver([try create(isOutcomeUnknown: true)]).first)
            guard case .retry = receipt.outcome else {
                Issue.record("\(receipt)")
                return
            }
            #expect(receipt.isOutcomeUnknown && receiver.requests.map(\.method) == ["GET"])
        }
    }

    /// One user's limit may be that one's; a second one says that it is everybody's.
    @Test func aLimitOfLookupsIsTheSinksWithASecondUser() async throws {
        try await withReceiver({ _ in .respond(429, headers: ["Retry-After: 7"]) }) { receiver, client in
            let sink = sink(try contacts(receiver) { .lookUp($0) }, client)
            let first = try HTTPFixtures.create(1, isOutcomeUnknown: true)
            let receipt = try #require(try await sink.deliver([first]).first)
            #expect(receipt.isOutcomeUnknown)
            guard case .retry(.seconds(7), _) = receipt.outcome else {
                Issue.record("\(receipt)")
                return
            }
            let second = try HTTPFixtures.create(2, isOutcomeUnknown: true)
            switch await failure({ try await sink.deliver([second]) }) as? SinkError {
            case .unavailable(_, .seconds(7), _): break
            case let other: Issue.record("\(String(describing: other))")
            }
        }
    }

    /// Who may not read may still write: as long as that is answered, a refusal is about lookups alone.
    @Test(arguments: [(401, 201), (403, 400)])
    func aRefusalOfLookupsIsTheSinksUnlessItsWritesAreAnswered(_ refusal: Int, _ answer: Int) async throws {
        let isReadable = Mutex(false)
        try await withReceiver({ request in
            guard request.method == "GET" else { return .respond(answer) }
            return .respond(isReadable.withLock { $0 } ? 200 : refusal)
        }) { receiver, client in
            let clock = ManualClock()
            let sink = HTTPSink(
                name: "crm", configuration: try contacts(receiver) { .lookUp($0) }, client: client,
                clock: clock)
            func lookUp(_ user: Int) async throws -> Receipt? {
                try await sink.deliver([HTTPFixtures.create(user, isOutcomeUnknown: true)]).first
            }
            for hasWritten in [false, true] {
                if hasWritten {
                    _ = try await sink.deliver([HTTPFixtures.create(9)])
                    clock.advance(by: .seconds(299))
                    for user in 1...3 { #expect(try await lookUp(user)?.contact == .notAsked) }
                    clock.advance(by: .seconds(2))
                }
                let receipt = try #require(try await lookUp(1))
                #expect(receipt.contact == .notAsked && receipt.isOutcomeUnknown)
                #expect(receipt.status == refusal)
                // Another one that is answered comes between.
                isReadable.withLock { $0 = true }
                #expect(try await lookUp(4)?.outcome == .delivered)
                isReadable.withLock { $0 = false }
                for _ in 0..<2 { #expect(try await lookUp(2)?.contact == .notAsked) }
                // It stays misconfigured as long as nothing is answered.
                for user in [3, 2] {
                    guard
                        case .misconfigured(let reason) = await failure({ try await lookUp(user) })
                            as? SinkError
                    else {
                        Issue.record("not misconfigured")
                        return
                    }
                    #expect(reason.contains("HTTP \(refusal) for several users, at last to a lookup"))
                }
            }
        }
    }

    /// Whose credentials are no good for a request, and whose for a lookup, are two users.
    @Test(arguments: [false, true]) func aRefusedLookupAndARefusedRequestAreTwo(
        _ isLookupFirst: Bool
    ) async throws {
        try await withReceiver({ .respond($0.target.hasSuffix("00u3") ? 200 : 403) }) { receiver, client in
            let sink = sink(try contacts(receiver) { .lookUp($0) }, client)
            let both = [
                try HTTPFixtures.create(1, isOutcomeUnknown: isLookupFirst),
                try HTTPFixtures.create(2, isOutcomeUnknown: !isLookupFirst),
            ]
            guard case .retry = try await sink.deliver([both[0]]).first?.outcome else {
                Issue.record("not one user's")
                return
            }
            // Who may read may still not write.
            if !isLookupFirst {
                let found = try await sink.deliver([HTTPFixtures.create(3, isOutcomeUnknown: true)]).first
                #expect(found?.outcome == .delivered)
            }
            guard case .misconfigured = await failure({ try await sink.deliver([both[1]]) }) as? SinkError
            else {
                Issue.record("not misconfigured")
                return
            }
        }
    }

    @Test func aLookupThatIsUnavailableIsTheSinks() async throws {
        try await withReceiver({ _ in .respond(503) }) { receiver, client in
            let sink = sink(try contacts(receiver) { .lookUp($0) }, client)
            let delivery = try create(isOutcomeUnknown: true)
            guard case .unavailable = await failure({ try await sink.deliver([delivery]) }) as? SinkError
            else {
                Issue.record("not unavailable")
                return
            }
        }
    }

    @Test func aPostThatWasNotAnsweredIsLookedUpNext() async throws {
        try await withReceiver({ _ in .closeBeforeResponse }) { receiver, client in
            let sink = sink(try contacts(receiver) { .lookUp($0) }, client)
            let receipt = try #require(try await sink.deliver([try create()]).first)
            #expect(receipt.isOutcomeUnknown)
            guard case .retry = receipt.outcome else {
                Issue.record("\(receipt)")
                return
            }
        }
    }

    @Test func whatNeverLeftIsNotUnknown() async throws {
        let port = try LoopbackPort.free()
        try await withReceiver { receiver, client in
            var configuration = try contacts(receiver) { _ in .deadLetter }
            configuration.on = [
                HTTPRequestCase(
                    selector: .operation(.create),
                    request: try HTTPFixtures.request("POST", "http://127.0.0.1:\(port)/contacts"))
            ]
            let (sink, delivery) = (sink(configuration, client), try create())
            guard case .unavailable = await failure({ try await sink.deliver([delivery]) }) as? SinkError
            else {
                Issue.record("not unavailable")
                return
            }
        }
    }

    // MARK: - Merged events

    private func merged(
        _ sink: HTTPSink, _ earlier: [Event], _ event: Event, state: FoldState? = nil
    ) async throws -> Receipt? {
        let delivery = Delivery(
            offset: Offset(rawValue: 7), event: event, rule: "staff", attempt: 1, state: state,
            earlier: earlier)
        return try await sink.deliver([delivery]).first
    }

    @Test func aCreationWithWhatFollowedIsOneCreation() async throws {
        try await withReceiver { receiver, client in
            let sink = sink(try contacts(receiver) { _ in .retry }, client)
            let earlier = [
                try HTTPFixtures.event("user.lifecycle.create", second: 1, id: "e1"),
                try HTTPFixtures.event("user.account.update_profile", name: "Ada L.", second: 2, id: "e2"),
            ]
            let last = try HTTPFixtures.event("user.lifecycle.activate", name: "Ada L.", second: 3, id: "e3")
            let receipt = try await merged(sink, earlier, last)
            #expect(receipt?.outcome == .delivered && receipt?.state?.values["status"] == "ACTIVE")
            let request = try #require(receiver.requests.first)
            #expect(receiver.requests.count == 1 && request.method == "POST")
            #expect(request.text == #"{"email":"ada@example.com","name":"Ada L.","active":true}"#)
            // The key is that of the last event.
            _ = try await sink.deliver([HTTPFixtures.delivery(last)])
            let keys = receiver.requests.map { $0.header("idempotency-key") }
            #expect(keys[0] != nil && keys[0] != keys[1], "another mapping, another key")
        }
    }

    /// What counts is what the destination was told of the user before all of it.
    @Test func aCreationBehindAnUpdateInAGroupIsACreation() async throws {
        try await withReceiver { receiver, client in
            let sink = sink(try contacts(receiver) { _ in .retry }, client)
            func pair(_ second: Int) throws -> (Event, Event) {
                (
                    try HTTPFixtures.event("user.account.update_profile", second: second, id: "e\(second)"),
                    try HTTPFixtures.event("user.lifecycle.create", second: second + 1, id: "c\(second)")
                )
            }
            let (first, second) = (try pair(1), try pair(3))
            let receipt = try await merged(sink, [first.0], first.1)
            _ = try await merged(sink, [second.0], second.1, state: receipt?.state)
            #expect(receipt?.outcome == .delivered)
            #expect(receiver.requests.map(\.method) == ["POST", "PUT"])
        }
    }

    @Test func aDeletionInAGroupThatIsStaleDeletesNothing() async throws {
        try await withReceiver { receiver, client in
            let sink = sink(try contacts(receiver) { _ in .retry }, client)
            // The contact was made again after that deletion.
            let born = try HTTPFixtures.event("user.lifecycle.create", second: 9, id: "e9")
            let state = try await sink.deliver([HTTPFixtures.delivery(born)]).first?.state
            let update = try HTTPFixtures.event("user.account.update_profile", second: 1, id: "e1")
            let deletion = try HTTPFixtures.event("user.lifecycle.delete.initiated", second: 2, id: "e2")
            let receipt = try await merged(sink, [update], deletion, state: state)
            #expect(receipt?.outcome == .superseded)
            #expect(receiver.requests.map(\.method) == ["POST"])
        }
    }

    @Test func anOlderDeactivationInAGroupIsNotLostBehindAStaleProfile() async throws {
        try await withReceiver { receiver, client in
            let sink = sink(try contacts(receiver) { _ in .retry }, client)
            let profile = try HTTPFixtures.event(
                "user.account.update_profile", name: "New", second: 9, id: "e9")
            let state = try await sink.deliver([HTTPFixtures.delivery(profile)]).first?.state
            let deactivation = try HTTPFixtures.event("user.lifecycle.deactivate", second: 2, id: "e2")
            let stale = try HTTPFixtures.event(
                "user.account.update_profile", name: "Old", second: 3, id: "e3")
            let receipt = try await merged(sink, [deactivation], stale, state: state)
            #expect(receipt?.outcome == .delivered)
            #expect(
                receiver.requests.last?.text
                    == #"{"email":"ada@example.com","name":"New","active":false}"#)
        }
    }
}
