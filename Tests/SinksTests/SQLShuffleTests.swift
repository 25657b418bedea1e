import Config
import Relay
import RelayTesting
import Testing

@testable import Sinks

/// Whatever the order of arrival, the batches and the repetitions: the rows are those of the plain model.
@Suite("SQL: shuffled histories")
struct SQLShuffleTests {
    struct Kind: CustomTestStringConvertible, Sendable {
        let onDelete: TableConfiguration.OnDelete
        let ofUsers: Bool
        var plan: TablePlan { SQLHistory.plan(onDelete, ofUsers: ofUsers) }
        var testDescription: String { "\(onDelete) \(ofUsers ? "users" : "memberships")" }
    }

    static let kinds = [
        Kind(onDelete: .mark, ofUsers: true), Kind(onDelete: .delete, ofUsers: true),
        Kind(onDelete: .mark, ofUsers: false), Kind(onDelete: .delete, ofUsers: false),
    ]

    /// `OKTA_RELAY_SHUFFLE_SEED=n` replays one seed, `OKTA_RELAY_SHUFFLE_SEEDS=n` runs that many.
    @Test(arguments: kinds)
    func inMemory(_ kind: Kind) throws {
        for seed in Soak.seeds("SHUFFLE", short: 25, long: 2_000) {
            try run(
                SQLHistory(kind.plan, users: 3, seed: seed), MemoryBench(kind.plan),
                "replay with: OKTA_RELAY_SHUFFLE_SEED=\(seed) swift test --filter SQLShuffleTests")
        }
    }

    @Test(arguments: kinds)
    func inSQLite(_ kind: Kind) throws {
        try run(SQLHistory(kind.plan, users: 12, seed: 1_000), SQLiteBench(kind.plan), "seed 1000")
    }

    @Test(arguments: kinds)
    func inPostgreSQL(_ kind: Kind) throws {
        try run(SQLHistory(kind.plan, users: 12, seed: 2_000), PostgresBench(kind.plan), "seed 2000")
    }

    private func run(_ history: SQLHistory, _ bench: some TableBench, _ name: Comment) throws {
        var history = history
        for batch in history.batches() {
            for outcome in try bench.deliver(batch) {
                #expect(outcome == .delivered || outcome == .superseded, name)
            }
        }
        #expect(try bench.contents() == history.expected, name)
        // All of it once more changes nothing.
        for batch in history.batches() { _ = try bench.deliver(batch) }
        #expect(try bench.contents() == history.expected, name)
    }
}
