import Relay
import RelayTesting
import Testing

/// The tests' own tools: they wait as long as they should, and no longer.
@Suite(.timeLimit(.minutes(1))) struct PatienceTests {
    @Test func aSenderThatIsRefusedForAWhileGoesOnOverItsConnection() async throws {
        let receiver = try HTTPReceiver { .respond($0.number <= 6 ? 503 : 200) }
        defer { receiver.stop() }
        let sender = PatientSender(
            .init(users: 5, events: 20, batchMax: 4, seed: 1, start: 1_772_000_000_000_000_000))
        await sender.send(
            to: HTTPTarget(host: "127.0.0.1", port: receiver.port, path: "/okta/events"), connections: 2)
        #expect(sender.isDone)
        #expect(sender.answers[503] == 6 && receiver.connections <= 2)
    }

    @Test func aTestThatIsCancelledWaitsForNoLogAndNoEnd() async throws {
        let setup = try RelaySetup(
            sinks: Destinations.sqlite, rules: Destinations.rule(to: "users", "audit"))
        let relay = try await setup.start()
        // Awaited below.
        let waiting = Task { await relay.waitForLog("what it never says") }
        waiting.cancel()
        await waiting.value
        #expect(relay.exitStatus == nil)
        #expect(await relay.stop() == 0, "\(relay.log)")
    }

    @Test func whoSeesThatARelayHasEndedFindsItsLastWords() async throws {
        let setup = try RelaySetup(sinks: Destinations.sqlite, rules: "nonsense")
        do {
            _ = try await setup.start()
            Issue.record("it started")
        } catch let error as RelayProcessError {
            #expect(error.description.contains("sinks.json"), "\(error)")
        }
    }
}
