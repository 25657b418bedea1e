import Foundation
import RelayTesting

/// The rows that take a relay as it is used: several kinds of sinks at once, and a journal that is old.
extension Suite {
    /// Row i: the rate at which SQLite, PostgreSQL and HTTP, all at once, keep up.
    func sustainedRow() throws {
        guard case .success(let cluster) = cluster else {
            return say("  PostgreSQL is not installed: row i is left out")
        }
        let rates = try (0..<options.pairs).map { _ in try sustainedRate(cluster.makeDatabase()) }
        add(Figure("i. into SQLite, PostgreSQL and HTTP, lag flat", "events/s", runs: rates, atLeast: 6_000))
    }

    /// The highest of the rates tried, each a quarter above the last, at which nothing piles up.
    private func sustainedRate(_ database: String) throws -> Double {
        let receiver = try Child.own(["receive"])
        defer { receiver.stop() }
        guard let port = Int(receiver.line()) else { throw BenchmarkError("the receiver did not start") }
        let sinks = [
            Self.upsertSink,
            ("pg", "{\"type\": \"postgresql\", \"url\": \"\(database)\", \"table\": \"users\"}"),
            ("crm", Self.httpSink(port: port)),
        ]
        var (sustained, rate) = (0.0, 1_000.0)
        while try keepsUp(sinks, rate: rate) {
            sustained = rate
            rate *= 1.25
        }
        return sustained
    }

    /// Whether no more waits at the end of a run than half-way, but for what a moment's delay explains.
    private func keepsUp(_ sinks: [(name: String, settings: String)], rate: Double) throws -> Bool {
        try withRelay(sinks) { relay in
            var half = 0
            let result = try load(relay.port, rate: rate) { half = relay.deliveries().waiting }
            let end = relay.deliveries().waiting
            if options.isVerbose { say("    at \(Int(rate))/s: \(half), then \(end) waiting") }
            // What could not be sent in time counts as well: the load falls behind its own schedule.
            let isSent = result.rate > 0.95 * rate
            return isSent && Double(end - half) < 0.1 * rate * options.seconds
        }
    }

    /// Row j: what an acknowledgement costs in a journal of many entries, against one of few.
    func oldJournalRow() throws {
        func stored(_ count: Int) throws -> String {
            let folder = try makeFolder()
            try Backlog.write(source.stored(count), to: "\(folder)/journal.sqlite", waitingFor: [])
            return folder
        }
        let old = try stored(options.oldEntries)
        let pairs = try (0..<options.pairs).map { run in
            // The journal knows the events of the runs before.
            try RequestPool.write(source.envelopes(round: 1_000_000 + run), to: pool(1))
            let young = try stored(10_000)
            defer { try? FileManager.default.removeItem(atPath: young) }
            return (try cost(of: old), try cost(of: young))
        }
        add(Figure("j. processor time, \(options.oldEntries) entries", "us/req", pairs: pairs, atMost: 1.2))
    }

    /// Microseconds of processor time an acknowledgement.
    private func cost(of folder: String) throws -> Double {
        let relay = try RelayProcess(self.relay, folder: folder, sinks: [])
        defer { relay.stop() }
        let before = relay.processorSeconds
        let result = try load(relay.port)
        return (relay.processorSeconds - before) * 1e6 / Double(result.requests)
    }
}
