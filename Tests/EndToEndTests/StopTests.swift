import Foundation
import Relay
import RelayTesting
import Testing

/// A stop that was asked for: what is in flight is finished, and nothing comes twice.
@Suite(.timeLimit(.minutes(2))) struct StopTests {
    @Test func aGracefulStopEndsInTimeAndTheNextStartGoesOn() async throws {
        let oracle = try DeliveryOracle()
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
        #expect(sender.acknowledged.isSubset(of: try oracle.journaled()))

        let second = try await setup.start()
        await sender.send(to: setup.target)
        #expect(sender.isDone)
        try await setup.waitUntilSettled()
        oracle.expectCounts(try await setup.status(), of: sender)
        #expect(await second.stop() == 0)
        try oracle.expectEverything(of: sender)
        // What was in flight had been finished, so nothing came twice.
        #expect(try oracle.messages.count == sender.events.count)
    }
}
