import RelayTesting
import Testing

@Suite struct DeliverySimulationTests {
    /// `OKTA_RELAY_SIMULATION_SEED=n` replays one seed, `OKTA_RELAY_SIMULATION_SEEDS=n` runs that many.
    @Test func deliveryKeepsItsPromisesUnderRandomFaults() {
        let seeds = Soak.seeds("SIMULATION", short: 500, long: 50_000)
        let started = ContinuousClock.now
        var failures = 0
        for seed in seeds where failures < 5 {
            guard let first = DeliverySimulation(seed: seed).run().first else { continue }
            failures += 1
            Issue.record(
                """
                \(first); replay with: OKTA_RELAY_SIMULATION_SEED=\(seed) \
                swift test --filter deliveryKeepsItsPromisesUnderRandomFaults
                """
            )
        }
        Soak.report("simulation: \(seeds.count) seeds in \(ContinuousClock.now - started)")
    }
}
