import Config
import Relay
import RelayTesting
import Rules
import Synchronization
import Testing

@testable import Sinks

/// What is one user's matter and what is an outage, and what that costs where a `POST` must not go twice.
@Suite("The HTTP sink: one user, or everybody")
struct HTTPOutageTests {
    /// A contact is made by POST, and changed by PUT.
    private func contacts(
        _ receiver: HTTPReceiver, lookup: Bool = false, repeats: Bool = false
    ) throws -> HTTPSinkConfiguration {
        let one = receiver.url + "/contacts/{{ $.user.id }}"
        let unknown: UnknownOutcome =
            lookup ? .lookUp(try HTTPFixtures.request("GET", one)) : repeats ? .retry : .deadLetter
        return try HTTPSinkConfiguration(
            request: HTTPFixtures.request("PUT", one, body: HTTPFixtures.contactBody),
            on: [
                HTTPRequestCase(
                    selector: .operation(.create),
                    request: HTTPFixtures.request(
                        "POST", receiver.url + "/contacts", body: HTTPFixtures.contactBody))
            ],
            allowsPrivate: true, allowsHTTP: true, unknown: unknown)
    }

    private func sink(
        _ configuration: HTTPSinkConfiguration, _ client: CurlClient, _ clock: ManualClock = ManualClock()
    ) -> HTTPSink {
        HTTPSink(name: "crm", configuration: configuration, client: client, clock: clock)
    }

    private func posts(_ receiver: HTTPReceiver) -> Int {
        receiver.requests.filter { $0.method == "POST" }.count
    }

    // MARK: - Creations that are not answered

    /// The gateway answers every `GET` and `PUT`, and the creations behind it come to nothing.
    @Test(arguments: [false, true])
    func anOutageOfCreationsIsNotADeadLetterEach(_ updatesGoOn: Bool) async throws {
        try await withReceiver({ $0.method == "POST" ? .closeBeforeResponse : .respond(200) }) {
            receiver, client in
            let clock = ManualClock()
            let sink = sink(try contacts(receiver), client, clock)
            var refusals = 0
            // An hour, in which the engine asks every five seconds.
            for user in 0..<720 {
                clock.advance(by: .seconds(5))
                if updatesGoOn { _ = try await sink.attempt(HTTPFixtures.update(user)) }
                let delivery = try HTTPFixtures.create(user)
                if await failure({ try await sink.attempt(delivery) }) is SinkError { refusals += 1 }
            }
            #expect(posts(receiver) <= 15, "\(posts(receiver)) creations were sent and lost")
            #expect(refusals == 720 - posts(receiver))
        }
    }

    @Test func aCreationThatIsAnsweredEndsTheOutageOfCreations() async throws {
        let isBack = Mutex(false)
        try await withReceiver({ request in
            request.method != "POST" || isBack.withLock { $0 } ? .respond(201) : .closeBeforeResponse
        }) { receiver, client in
            let clock = ManualClock()
            let sink = sink(try contacts(receiver), client, clock)
            for user in 0..<2 { _ = try await sink.attempt(HTTPFixtures.create(user)) }
            isBack.withLock { $0 = true }
            let delivery = try HTTPFixtures.create(2)
            #expect(await failure({ try await sink.attempt(delivery) }) is SinkError, "it waits a while")
            clock.advance(by: .seconds(2))
            for user in 3..<6 {
                #expect(try await sink.attempt(HTTPFixtures.create(user))?.outcome == .delivered)
            }
        }
    }

    /// Set back by less than the pause, it would lengthen it.
    @Test(arguments: [3_600, -1]) func aClockThatIsSetChangesNoPause(_ step: Int) async throws {
        try await withReceiver({ $0.method == "POST" ? .closeBeforeResponse : .respond(200) }) {
            receiver, client in
            let clock = ManualClock()
            let sink = sink(try contacts(receiver), client, clock)
            for user in 0..<3 {
                _ = await failure { try await sink.attempt(HTTPFixtures.create(user)) }
                clock.advance(by: .seconds(1))
            }
            clock.set(by: .seconds(step))
            let delivery = try HTTPFixtures.create(3)
            #expect(await failure({ try await sink.attempt(delivery) }) is SinkError, "it waits a second")
            clock.advance(by: .seconds(1))
            _ = try await sink.attempt(delivery)
            #expect(posts(receiver) == 4)
        }
    }

    @Test func oneUsersLostAnswerDelaysNobodyElse() async throws {
        try await withReceiver({ request in
            request.text.contains("\"00u0\"") ? .closeBeforeResponse : .respond(201)
        }) { receiver, client in
            var configuration = try contacts(receiver, lookup: true)
            configuration.on = [
                HTTPRequestCase(
                    selector: .operation(.create),
                    request: try HTTPFixtures.request(
                        "POST", receiver.url + "/contacts", body: #"{"id":"{{ $.user.id }}"}"#))
            ]
            let sink = sink(configuration, client)
            for user in 1..<6 {
                _ = try await sink.attempt(HTTPFixtures.create(0))
                #expect(try await sink.attempt(HTTPFixtures.create(user))?.outcome == .delivered)
            }
        }
    }

    /// While the creation by which the destination is judged is under way, the others wait for it.
    @Test func oneUsersLostAnswerOpensNoBreakerForTheOthers() async throws {
        try await withReceiver({ _ in .closeBeforeResponse }) { receiver, client in
            let sink = sink(try contacts(receiver), client)
            _ = try await sink.attempt(HTTPFixtures.create(1))
            sink.silence.withLock { silence in
                silence.heardAnything()
                _ = silence.begin()
            }
            #expect(try await sink.takeTurn([HTTPFixtures.create(2)]) == .itsUsers(.seconds(1)))
            #expect(try await sink.takeTurn([HTTPFixtures.update(3)]) == nil)
            // Its turn was taken at the same time as the other's.
            let receipt = try #require(try await sink.deliver([HTTPFixtures.create(2)]).first)
            #expect(receipt.outcome == .deferred(.seconds(1)))
            #expect(receipt.contact == .notAsked && !receipt.isOutcomeUnknown && posts(receiver) == 1)
        }
    }

    // MARK: - Answers that say nothing about what was done

    @Test(arguments: [500, 502, 504, 507, 520, 522, 524, 529])
    func aCreationThatMayHaveBeenMadeIsNotSentAgain(_ status: Int) async throws {
        try await withReceiver({ .respond($0.method == "POST" ? status : 200) }) { receiver, client in
            let blind = try #require(
                try await sink(contacts(receiver), client).attempt(HTTPFixtures.create(1)))
            guard case .rejected(let reason) = blind.outcome else {
                Issue.record("\(blind)")
                return
            }
            #expect(reason.contains("outcome unknown") && reason.contains("HTTP \(status)"))
            let asking = sink(try contacts(receiver, lookup: true), client)
            let receipt = try #require(try await asking.attempt(HTTPFixtures.create(2)))
            #expect(receipt.isOutcomeUnknown)
            #expect(
                try await asking.attempt(HTTPFixtures.create(2, isOutcomeUnknown: true))?.outcome
                    == .delivered)
            #expect(posts(receiver) == 2)
        }
    }

    @Test func whatIsKnownNotToHaveBeenMadeIsSentAgain() async throws {
        for status in [409, 408, 503] {
            try await withReceiver({ _ in .respond(status) }) { receiver, client in
                let (sink, delivery) = (sink(try contacts(receiver), client), try HTTPFixtures.create(1))
                var receipt: Receipt?
                let error = await failure { receipt = try await sink.attempt(delivery) }
                guard case .retry = receipt?.outcome else {
                    #expect(error is SinkError && receipt == nil)
                    return
                }
                #expect(receipt?.isOutcomeUnknown == false)
            }
        }
    }

    /// Eight that are under way when a gateway loses its backend cost eight; what comes behind costs nothing.
    @Test func gatewaysThatAnswerForADeadBackendAreAnOutage() async throws {
        try await withReceiver({ _ in .respond(502) }) { receiver, client in
            let clock = ManualClock()
            let sink = sink(try contacts(receiver), client, clock)
            for user in 0..<100 {
                let delivery = try HTTPFixtures.create(user)
                _ = await failure { try await sink.attempt(delivery) }
                clock.advance(by: .seconds(60))
            }
            #expect(posts(receiver) == 1)
        }
    }

    // MARK: - 429

    @Test func aLimitOfOneUserIsTheirs() async throws {
        try await withReceiver({ request in
            request.target.hasSuffix("00u1") ? .respond(429, headers: ["Retry-After: 60"]) : .respond(200)
        }) { receiver, client in
            let sink = sink(try contacts(receiver), client)
            for user in 2..<5 {
                let receipt = try await sink.attempt(HTTPFixtures.update(1))
                #expect(receipt?.outcome == .retry(after: .seconds(60), reason: "HTTP 429"))
                #expect(try await sink.attempt(HTTPFixtures.update(user))?.outcome == .delivered)
            }
        }
    }

    @Test func aLimitThatASecondUserMeetsIsEverybodys() async throws {
        try await withReceiver({ _ in .respond(429, headers: ["Retry-After: 9"]) }) { receiver, client in
            let sink = sink(try contacts(receiver), client)
            _ = try await sink.attempt(HTTPFixtures.update(1))
            for user in [2, 3, 2, 1] {
                let delivery = try HTTPFixtures.update(user)
                guard
                    case .unavailable(_, let pause, _) = await failure({ try await sink.attempt(delivery) })
                        as? SinkError
                else {
                    Issue.record("not unavailable")
                    return
                }
                #expect(pause == .seconds(9))
            }
        }
    }
}
