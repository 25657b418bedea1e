import Foundation
import Testing

@Suite struct DeliverySimulationTests {
    /// `OKTA_RELAY_SIMULATION_SEED=n` replays one seed, `OKTA_RELAY_SIMULATION_SEEDS=n` runs that many.
    @Test func deliveryKeepsItsPromisesUnderRandomFaults() {
        let environment = ProcessInfo.processInfo.environment
        if let seed = environment["OKTA_RELAY_SIMULATION_SEED"].flatMap(UInt64.init) {
            let violations = DeliverySimulation(seed: seed).run()
            #expect(violations.isEmpty, "seed \(seed): \(violations.joined(separator: "; "))")
            return
        }
        let seeds = environment["OKTA_RELAY_SIMULATION_SEEDS"].flatMap(UInt64.init) ?? 400
        var failures = 0
        for seed in 0..<seeds where failures < 5 {
            let violations = DeliverySimulation(seed: seed).run()
            guard let first = violations.first else { continue }
            failures += 1
            Issue.record(
                """
                \(first); replay with: OKTA_RELAY_SIMULATION_SEED=\(seed) \
                swift test --filter deliveryKeepsItsPromisesUnderRandomFaults
                """
            )
        }
    }
}
