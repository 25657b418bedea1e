import Foundation
import JSON
import Relay

/// The rows about taking events in.
extension Suite {
    static let upsertSink = (
        name: "users", settings: #"{"type": "sqlite", "path": "users.sqlite", "table": "users"}"#
    )

    /// Rows a and b.
    func intakeRows() throws {
        var plain: [(Double, Double)] = []
        var processor: [(Double, Double)] = []
        var stored: [(Double, Double)] = []
        var storedProcessor: [(Double, Double)] = []
        var lags: [Double] = []
        for _ in 0..<options.pairs {
            let noOp = try noOp()
            if options.has("a") {
                let result = try withRelay("a") { try warmLoad($0) }
                plain.append((result.rate, noOp.rate))
                processor.append((result.processor, noOp.processor))
            }
            if options.has("b") {
                let result = try withRelay("b", [Self.upsertSink]) { try warmLoad($0) }
                stored.append((result.rate, noOp.rate))
                storedProcessor.append((result.processor, noOp.processor))
                lags.append(Double(result.waiting) / result.rate)
            }
        }
        if !plain.isEmpty {
            try add(Figure("a. acknowledged, no sink", "req/s", pairs: plain, atLeast: 0.65))
            try add(Figure("a. processor time", "us/req", pairs: processor, atLeast: nil))
        }
        if !stored.isEmpty {
            try add(Figure("b. acknowledged, SQLite upsert", "req/s", pairs: stored, atLeast: 0.5))
            try add(Figure("b. processor time", "us/req", pairs: storedProcessor, atLeast: nil))
            try add(Figure("b. what waits at the end, as seconds of load", "s", most: lags, atMost: 1))
        }
    }

    /// Row c: half the rates of rows a and b.
    func latencyRows() throws {
        for (row, name, sinks) in [("a", "", []), ("b", ", SQLite upsert", [Self.upsertSink])] {
            let full = try median(of: "\(row). ") ?? withRelay(row, sinks) { try warmLoad($0).rate }
            try latencyRows(at: full / 2, sinks, name)
        }
    }

    private func latencyRows(
        at rate: Double, _ sinks: [(name: String, settings: String)], _ name: String
    ) throws {
        let results = try (0..<options.pairs).map { _ in
            try withRelay("c", sinks) { try load($0, rate: rate) }
        }
        guard results.allSatisfy({ $0.unsent == 0 }) else {
            throw BenchmarkError("requests that were due in row c could not be sent")
        }
        let at = "at \(Int(rate))/s\(name)"
        try add(Figure("c. latency p50 \(at)", "ms", runs: results.map(\.p50)))
        try add(Figure("c. latency p99 \(at)", "ms", runs: results.map(\.p99), atMost: 25))
        try add(Figure("c. latency max \(at)", "ms", most: results.map(\.max), atMost: 1_000))
    }

    /// Row d: fifty events an envelope against one plain writer of the same bytes.
    func batchRow() throws {
        let rows = source.stored(40_000).map { event -> [[CChar]?] in
            [Array(String(decoding: event.body.bytes, as: UTF8.self).utf8CString)]
        }
        let pairs = try (0..<options.pairs).map { _ in
            let folder = try makeFolder()
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let writer = try Loaders.sqlite(
                rows, create: "CREATE TABLE bodies (id INTEGER PRIMARY KEY, body BLOB)",
                insert: "INSERT INTO bodies (body) VALUES (?)", path: "\(folder)/bodies.sqlite")
            return (try withRelay("d") { try load($0, envelope: 50).rate * 50 }, writer)
        }
        try add(Figure("d. acknowledged, 50 an envelope", "events/s", pairs: pairs, atLeast: 0.6))
    }

    /// Row g: what a further matching sink costs whoever waits for an acknowledgement.
    ///
    /// Once while all of them deliver, and so compete for the processors, and once with all of them paused,
    /// which leaves what they cost the intake path itself.
    func fanOutRows() throws {
        for isPaused in [false, true] {
            let counts = [1, 2, 10, 50]
            var rates: [Int: [Double]] = [:]
            for _ in 0..<options.pairs {
                for count in counts {
                    rates[count, default: []].append(try fanOutRate(count, isPaused: isPaused))
                }
            }
            let one = rates[1] ?? []
            let state = isPaused ? ", paused" : ""
            try add(Figure("g. acknowledged, 1 append sink\(state)", "req/s", runs: one))
            for (count, goal) in [(2, 0.95), (10, nil), (50, 0.6)] as [(Int, Double?)] {
                let pairs = Array(zip(rates[count] ?? [], one))
                try add(
                    Figure(
                        "g. acknowledged, \(count) append sinks\(state)", "req/s", pairs: pairs, atLeast: goal
                    ))
            }
        }
    }

    private func fanOutRate(_ count: Int, isPaused: Bool) throws -> Double {
        let sinks = (0..<count).map { number in
            (
                name: "s\(number)",
                settings:
                    "{\"type\": \"sqlite\", \"path\": \"out.sqlite\", \"table\": \"t\(number)\", "
                    + "\"mode\": \"append\"}"
            )
        }
        return try withRelay("g", sinks) { relay in
            if isPaused { try relay.pauseAll() }
            return try warmLoad(relay).rate
        }
    }
}
