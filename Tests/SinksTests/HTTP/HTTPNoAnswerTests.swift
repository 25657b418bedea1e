import Config
import Relay
import RelayTesting
import Rules
import Testing

@testable import Sinks

/// What comes back is not HTTP, or nobody is there any more to hear it.
@Suite("The HTTP sink: what is no answer")
struct HTTPNoAnswerTests {
    /// A contact is made by POST, and changed by PUT.
    private func contacts(
        _ receiver: HTTPReceiver, lookup: String? = nil
    ) throws -> HTTPSinkConfiguration {
        let url = receiver.url + "/contacts"
        return try HTTPSinkConfiguration(
            request: HTTPFixtures.request("PUT", url + "/{{ $.user.id }}", body: HTTPFixtures.contactBody),
            on: [
                HTTPRequestCase(
                    selector: .operation(.create),
                    request: HTTPFixtures.request("POST", url, body: HTTPFixtures.contactBody))
            ],
            timeout: .seconds(50), allowsPrivate: true, allowsHTTP: true,
            unknown: lookup.map { .lookUp(try HTTPFixtures.request("GET", url + $0)) } ?? .deadLetter)
    }

    private func sink(_ configuration: HTTPSinkConfiguration, _ client: CurlClient) -> HTTPSink {
        HTTPSink(name: "crm", configuration: configuration, client: client, clock: ManualClock())
    }

    /// The reason for which a delivery finds the sink unavailable; nil where it does not.
    private func outage(_ sink: HTTPSink, _ delivery: Delivery) async -> String? {
        let error = await failure { try await sink.attempt(delivery) }
        guard case .unavailable(let reason, _, _) = error as? SinkError else { return nil }
        return reason
    }

    // MARK: - Not HTTP

    /// A load balancer's own words, and a TLS alert: plain http was spoken to a TLS port.
    @Test(arguments: ["ERROR: too many connections\r\n", "\u{15}\u{3}\u{3}\u{0}\u{2}\u{2}\u{28}"])
    func aServerThatSpeaksNoHTTPIsAnOutage(_ answer: String) async throws {
        try await withReceiver({ _ in .raw(answer) }) { receiver, client in
            let blind = sink(try contacts(receiver), client)
            for user in 0..<5 {
                let reason = await outage(blind, try HTTPFixtures.update(user))
                #expect(reason?.contains("no HTTP server") == true)
            }
            let receipt = try #require(try await blind.attempt(HTTPFixtures.create(1)))
            guard case .rejected(let reason) = receipt.outcome, case .failed = receipt.contact else {
                Issue.record("\(receipt)")
                return
            }
            #expect(reason.hasPrefix("outcome unknown"))
            // No other creation is risked: the question whether anybody answers is not answered either.
            let count = receiver.requests.count
            let next = try HTTPFixtures.create(2)
            #expect(await outage(blind, next) != nil)
            #expect(receiver.requests.dropFirst(count).map(\.method) == ["GET"])
        }
    }

    @Test func aLookupThatIsNotAnsweredInHTTPIsAskedAgain() async throws {
        try await withReceiver({ _ in .raw("ERROR\n") }) { receiver, client in
            let asking = sink(try contacts(receiver, lookup: "/{{ $.user.id }}"), client)
            #expect(try await asking.attempt(HTTPFixtures.create(1))?.isOutcomeUnknown == true)
            let delivery = try HTTPFixtures.create(1, isOutcomeUnknown: true)
            guard case .unavailable = await failure({ try await asking.deliver([delivery]) }) as? SinkError
            else {
                Issue.record("not unavailable")
                return
            }
        }
    }

    @Test func aLookupThatCannotBeWrittenSaysThatTheOutcomeIsUnknown() async throws {
        try await withReceiver { receiver, client in
            let asking = sink(try contacts(receiver, lookup: "/{{ $.user.nothing }}"), client)
            let receipt = try await asking.deliver([HTTPFixtures.create(1, isOutcomeUnknown: true)]).first
            guard case .rejected(let reason)? = receipt?.outcome else {
                Issue.record("\(String(describing: receipt))")
                return
            }
            #expect(reason.hasPrefix("outcome unknown: lookup.url"))
        }
    }

    /// A head that is none: one user's matter until a second user gets it.
    @Test func anAnswerThatBreaksTheProtocolIsNotOneFailureForEach() async throws {
        try await withReceiver({ _ in .raw("HTTP/1.1 200 OK\r\nnonsense\r\n\r\n") }) { receiver, client in
            let sink = sink(try contacts(receiver), client)
            for _ in 0..<2 {
                guard case .retry? = try await sink.attempt(HTTPFixtures.update(1))?.outcome else {
                    Issue.record("one user's matter so far")
                    return
                }
            }
            for user in 2..<5 {
                let delivery = try HTTPFixtures.update(user)
                #expect(await outage(sink, delivery) != nil)
            }
        }
    }

    // MARK: - Stopped in flight

    @Test(arguments: [false, true])
    func aCreationThatIsStoppedInFlightMayHaveBeenMade(_ closes: Bool) async throws {
        try await withReceiver({ _ in .silence }) { receiver, client in
            for (index, lookup) in [nil, "/{{ $.user.id }}"].enumerated() where !closes || index == 0 {
                let (sink, delivery) = (
                    sink(try contacts(receiver, lookup: lookup), client), try HTTPFixtures.create(1)
                )
                // Awaited below.
                let task = Task { try await sink.deliver([delivery]).first }
                await receiver.waitForRequests(index + 1)
                if closes { await client.shutdown() } else { task.cancel() }
                let receipt = try #require(try await task.value)
                #expect(receipt.contact == .notAsked, "it says nothing of the destination")
                switch receipt.outcome {
                case .rejected(let reason): #expect(lookup == nil && reason.hasPrefix("outcome unknown"))
                case .retry: #expect(lookup != nil && receipt.isOutcomeUnknown)
                default: Issue.record("\(receipt)")
                }
            }
        }
    }

    @Test func whatIsStoppedBeforeItIsSentIsNotUnknown() async throws {
        try await withReceiver { receiver, client in
            await client.shutdown()
            let (sink, delivery) = (sink(try contacts(receiver), client), try HTTPFixtures.create(1))
            #expect(await outage(sink, delivery) != nil)
            #expect(receiver.requests.isEmpty)
        }
    }
}
