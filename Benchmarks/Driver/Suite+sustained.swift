import Foundation
import RelayTesting

/// The rows that take a relay as it is used: several kinds of sinks at once, and a journal that is old.
extension Suite {
    /// Row i: the rate at which SQLite, PostgreSQL and HTTP, all at once, keep up.
    func sustainedRow() throws {
        let cluster: PostgresCluster
        switch self.cluster {
        case .success(let started): cluster = started
        case .failure(let error): return try leaveOut("i. three sinks at once", "\(error)")
        }
        let rates = try (0..<options.pairs).map { _ in try sustainedRate(cluster) }
        try add(
            Figure("i. into SQLite, PostgreSQL and HTTP, lag flat", "events/s", runs: rates, atLeast: 6_000))
    }

    /// The highest of the rates tried, each a tenth above the last and one of them 6,000, at which nothing
    /// piles up; one that fails is tried once more.
    private func sustainedRate(_ cluster: PostgresCluster) throws -> Double {
        let seconds = max(8, options.seconds)
        var sustained = 0.0
        for step in (-11)... {
            let rate = (6_000 * pow(1.1, Double(step))).rounded()
            guard rate * seconds <= Double(source.envelopes.count) else {
                say("  row i tries no more than \(Int(sustained))/s: raise --envelopes")
                break
            }
            let keepsUp = { try self.keepsUp(cluster, rate: rate, seconds: seconds) }
            guard try keepsUp() || keepsUp() else { break }
            sustained = rate
        }
        return sustained
    }

    /// Whether what waits for a sink does not grow over the second half of a run, all of it in new databases.
    ///
    /// Growth is the slope of a line through what waited at many instants. A fiftieth of what came in is
    /// allowed, and half a batch, because what is in flight differs from look to look; and no more may wait
    /// at the end than comes in a second.
    private func keepsUp(_ cluster: PostgresCluster, rate: Double, seconds: Double) throws -> Bool {
        let receiver = try ReceiverProcess()
        defer { receiver.stop() }
        let url = try cluster.makeDatabase()
        let sinks = [
            Self.upsertSink,
            ("pg", "{\"type\": \"postgresql\", \"url\": \"\(url)\", \"table\": \"users\"}"),
            ("crm", Self.httpSink(port: receiver.port)),
        ]
        return try withRelay("i", sinks) { relay in
            var looks: [(time: Double, status: RelayStatus)] = []
            let result = try load(relay, rate: rate, seconds: seconds) {
                let start = monotonic()
                usleep(UInt32(seconds * 500_000))
                while case let time = Double(monotonic() - start) / 1e9, time < seconds {
                    looks.append((time, try relay.status()))
                    usleep(250_000)
                }
            }
            guard let first = looks.first?.status, let last = looks.last?.status else { return false }
            let growth = last.waiting.indices.map { sink in
                Self.growth(looks.map { ($0.time, Double($0.status.waiting[sink])) })
            }
            let cameIn = Double(last.accepted - first.accepted)
            if options.isVerbose {
                let more = growth.map { Int($0) }
                say("    at \(Int(rate))/s: \(Int(cameIn)) in, \(more) more wait, in the end \(last.waiting)")
            }
            // What could not be sent in time counts as well: the load falls behind its own schedule.
            return result.unsent == 0 && result.rate > 0.95 * rate
                && growth.allSatisfy { $0 <= 0.02 * cameIn + 500 }
                && last.waiting.allSatisfy { Double($0) <= rate }
        }
    }

    /// By how much a line through the points rises between the first and the last, by least squares.
    private static func growth(_ points: [(x: Double, y: Double)]) -> Double {
        let count = Double(points.count)
        let x = points.reduce(0) { $0 + $1.x } / count
        let y = points.reduce(0) { $0 + $1.y } / count
        let spread = points.reduce(0) { $0 + ($1.x - x) * ($1.x - x) }
        guard spread > 0, let first = points.first, let last = points.last else { return 0 }
        return points.reduce(0) { $0 + ($1.x - x) * ($1.y - y) } / spread * (last.x - first.x)
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
            let cost = { folder in try self.withRelay("j", in: folder) { try self.load($0).processor } }
            return (try cost(old), try cost(young))
        }
        try add(
            Figure("j. processor time, \(options.oldEntries) entries", "us/req", pairs: pairs, atMost: 1.2))
    }
}
