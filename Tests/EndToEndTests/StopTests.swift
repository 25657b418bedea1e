import Foundation
import Relay
import RelayTesting
import Testing

/// A stop that was asked for: what is in flight is finished, and nothing comes twice.
@Suite(.timeLimit(.minutes(2))) struct StopTests {
    @Test func aGracefulStopEndsInTimeAndTheNextStartGoesOn() async throws {
        let oracle = try await DeliveryOracle()
        defer { oracle.receiver.stop() }
        let setup = oracle.setup
        let sender = PatientSender(
            .init(
                users: 40, events: 800, batchMax: 4, duplicates: 0.1, seed: 7,
                start: 1_772_000_000_000_000_000))
        let first = try await setup.start()
        let underLoad = sender.milestone(300)
        async let traffic: Void = sender.send(to: setup.target)
        for await _ in underLoad {}
        let started = ContinuousClock.now
        #expect(await first.stop() == 0, "\(first.log)")
        #expect(ContinuousClock.now - started < .seconds(15))
        await traffic
        let journaled = try await oracle.journaled()
        #expect(sender.acknowledged.isSubset(of: journaled))

        let second = try await setup.start()
        await sender.send(to: setup.target)
        #expect(sender.isDone)
        try await setup.waitUntilSettled()
        try oracle.expectCounts(try await setup.status(), of: sender)
        #expect(await second.stop() == 0)
        try await oracle.expectEverything(of: sender)
        // What was in flight had been finished, so nothing came twice.
        let feed = try MixedRoutes.events(of: sender, for: "feed")
        #expect(try oracle.messages.count == feed.count)
    }

    @Test func aStopDuringRequestsWaitsForTheirAnswers() async throws {
        let receiver = try HTTPReceiver { _ in .hold(200) }
        defer { receiver.stop() }
        let setup = try RelaySetup(
            sinks: Destinations.messages(receiver.url), rules: Destinations.rule(to: "feed"))
        let first = try await setup.start()
        let events = (0..<12).map { LogEventFixture(uuid: "event-\($0)", userID: "00u\($0)").json }
        #expect(try await setup.post(RelaySetup.envelope(events)) == 200)
        await receiver.waitForRequests(2)
        first.signal(SIGTERM)
        // Once the intake refuses, the stop is under way.
        try await waitUntil(every: .milliseconds(5)) {
            (try? await setup.post(RelaySetup.envelope(events))) == nil
        }
        #expect(first.exitStatus == nil)
        receiver.release()
        #expect(await first.stop() == 0, "\(first.log)")
        let second = try await setup.start()
        try await setup.waitUntilSettled()
        #expect(await second.stop() == 0)
        let keys = receiver.requests.compactMap { $0.header("idempotency-key") }
        #expect(keys.count == events.count && Set(keys).count == events.count)
    }
}
