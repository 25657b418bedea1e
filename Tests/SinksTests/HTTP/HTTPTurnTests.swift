import Config
import Relay
import RelayTesting
import Rules
import Synchronization
import Testing

@testable import Sinks

/// The sink and the engine together: who waits while one user's creation shows whether any is answered.
@Suite("The HTTP sink: whose turn it is", .timeLimit(.minutes(1)))
struct HTTPTurnTests {
    private func configuration(_ receiver: HTTPReceiver) throws -> HTTPSinkConfiguration {
        let one = receiver.url + "/contacts/{{ $.user.id }}"
        return try HTTPSinkConfiguration(
            request: HTTPFixtures.request("PUT", one),
            on: [
                HTTPRequestCase(
                    selector: .operation(.create),
                    request: HTTPFixtures.request("POST", receiver.url + "/contacts"))
            ],
            timeout: .seconds(50), allowsPrivate: true, allowsHTTP: true)
    }

    private func submission(_ type: String, _ users: some Sequence<Int>) -> Submission {
        let route = Route(choices: [Route.Choice(sink: "crm", rule: "staff")])
        return Submission(
            events: users.map { user in
                let event = EventSample(type: type, user: "00u\(user)", second: 0).event
                return Submission.RoutedEvent(event: event, route: route)
            })
    }

    /// The first creation may have been made, and the next one takes its time to be answered.
    @Test func aCreationThatWaitsForAnotherHoldsUpNobodysUpdate() async throws {
        try await withReceiver({ request in
            guard request.method == "POST" else { return .respond(200) }
            return request.number == 1 ? .respond(500) : .hold(201)
        }) { receiver, client in
            let (clock, journal) = (ManualClock(), InMemoryJournal())
            let sink = HTTPSink(
                name: "crm", configuration: try configuration(receiver), client: client, clock: clock)
            let worker = SinkWorker(
                sink: sink, journal: journal, lease: try await journal.lease("crm"), policy: DeliveryPolicy(),
                clock: clock, metrics: RelayMetrics(version: "1", startedAt: 0), board: SinkBoard(),
                stopTimeout: .seconds(10), logger: .quiet)
            func permitBecomes(_ isMeant: (HTTPSilence.Permit) -> Bool) async throws {
                try await waitUntil { isMeant(sink.silence.withLock { $0.permit(at: clock.uptime) }) }
            }
            async let end = worker.serve()
            _ = try await journal.append(submission("user.lifecycle.create", 0..<1))
            try await permitBecomes { $0 == .question }
            _ = try await journal.append(submission("user.lifecycle.create", 1..<2))
            // A question, and the creation on trial.
            await receiver.waitForRequests(3)
            _ = try await journal.append(submission("user.lifecycle.create", 2..<3))
            _ = try await journal.append(submission("user.account.update_profile", 10..<50))
            await receiver.waitForRequests(43)
            #expect(receiver.requests.suffix(40).map(\.method) == Array(repeating: "PUT", count: 40))
            try await clock.nextSleep(of: .seconds(1))
            receiver.release()
            try await permitBecomes { $0 == .granted }
            clock.advance(by: .seconds(1))
            await receiver.waitForRequests(44)
            #expect(receiver.requests.last?.method == "POST")
            worker.stop()
            #expect(await end == .stopped)
        }
    }
}
