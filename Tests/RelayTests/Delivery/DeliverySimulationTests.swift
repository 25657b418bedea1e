import Foundation
import RelayTesting
import Testing

@Suite struct DeliverySimulationTests {
    /// `OKTA_RELAY_SIMULATION_SEED=n` replays one seed, `OKTA_RELAY_SIMULATION_SEEDS=n` runs that many.
    @Test func deliveryKeepsItsPromisesUnderRandomFaults() async {
        let seeds = Soak.seeds("SIMULATION", short: 2_000, long: 20_000)
        let started = ContinuousClock.now
        for failure in await Self.failures(of: seeds).prefix(5) {
            Issue.record(
                """
                \(failure.violation); replay with: OKTA_RELAY_SIMULATION_SEED=\(failure.seed) \
                swift test --filter deliveryKeepsItsPromisesUnderRandomFaults
                """
            )
        }
        Soak.report("simulation: \(seeds.count) seeds in \(ContinuousClock.now - started)")
    }

    private struct Failure {
        let seed: UInt64
        let violation: String
    }

    /// Each core takes every so many-th seed.
    private static func failures(of seeds: Range<UInt64>) async -> [Failure] {
        let cores = UInt64(ProcessInfo.processInfo.activeProcessorCount)
        SeedsUnderWay.tellAtATrap()
        return await withTaskGroup(of: [Failure].self) { group in
            for core in 0..<cores {
                group.addTask {
                    stride(from: seeds.lowerBound + core, to: seeds.upperBound, by: Int(cores)).compactMap {
                        seed in
                        SeedsUnderWay.begin(seed, core: Int(core))
                        return DeliverySimulation(seed: seed).run().first.map {
                            Failure(seed: seed, violation: $0)
                        }
                    }
                }
            }
            return await group.reduce(into: []) { $0 += $1 }.sorted { $0.seed < $1.seed }
        }
    }
}
