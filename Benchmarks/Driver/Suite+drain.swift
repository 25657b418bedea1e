import Foundation
import Relay
import RelayTesting

/// The rows about what is stored already: draining it into a sink, and starting with it.
extension Suite {
    /// Row e, and the memory of a relay with a backlog.
    func drainRows() throws {
        let events = try source.decoded(options.backlog)
        let stored = try makeFolder()
        try Backlog.write(
            events, count: options.backlog, to: "\(stored)/journal.sqlite", waitingFor: Backlog.sinks)
        let cycle = (0..<options.backlog).map { events[$0 % events.count] }
        let upserts = cycle.map { LoaderRow(upserting: $0) }
        let appends = cycle.map { LoaderRow(appending: $0) }
        var memory: [Double] = []
        for (kind, rows) in [("upsert", upserts), ("append", appends)] {
            let isUpsert = kind == "upsert"
            let columns = isUpsert ? LoaderRow.upsert : LoaderRow.append
            let settings = { (type: String) in "{\"type\": \(type), \"table\": \"t\", \"mode\": \"\(kind)\"}"
            }
            let sqlite = try pairs(
                stored, "sqlite-\(kind)", settings(#""sqlite", "path": "out.sqlite""#), &memory
            ) {
                try Loaders.sqlite(rows, columns: columns, isUpsert: isUpsert, path: "\($0)/loaded.sqlite")
            }
            add(Figure("e. drained into SQLite, \(kind)", "events/s", pairs: sqlite, atLeast: nil))
            guard case .success(let cluster) = cluster else {
                say("  PostgreSQL is not installed: its rows are left out")
                continue
            }
            var postgres: [(Double, Double)] = []
            for _ in 0..<options.pairs {
                let url = try cluster.makeDatabase()
                let baseline = try Loaders.postgres(rows, columns: columns, isUpsert: isUpsert, url: url)
                let drained = try drain(
                    stored, "pg-\(kind)", settings("\"postgresql\", \"url\": \"\(url)\""), &memory)
                postgres.append((drained, baseline))
            }
            add(Figure("e. drained into PostgreSQL, \(kind)", "events/s", pairs: postgres, atLeast: 0.5))
        }
        try httpRow(stored, cycle, &memory)
        add(Figure("f. memory, draining \(options.backlog) entries", "MB", runs: memory, atMost: 120))
    }

    static func httpSink(port: Int) -> String {
        """
        {"type": "http", "method": "POST", "url": "http://127.0.0.1:\(port)/contacts/{{ $.user.id }}",
         "allowPrivate": true, "allowHttp": true, "concurrency": 64, "limits": null,
         "body": {"email": "{{ $.user.login }}", "name": "{{ $.user.displayName }}",
         "active": "{{ $.user.active }}"}}
        """
    }

    private func httpRow(_ stored: String, _ events: [Event], _ memory: inout [Double]) throws {
        let receiver = try Child.own(["receive"])
        defer { receiver.stop() }
        guard let port = Int(receiver.line()) else { throw BenchmarkError("the receiver did not start") }
        let address = "http://127.0.0.1:\(port)/contacts/"
        let bodies = events.map { event -> (url: String, body: [UInt8]) in
            let user = event.user
            let isActive = event.meaning.isActive.map { ",\"active\":\($0)" } ?? ""
            let text =
                "{\"email\":\"\(user?.login ?? "")\",\"name\":\"\(user?.displayName ?? "")\"\(isActive)}"
            return (address + (user?.id ?? "none"), Array(text.utf8))
        }
        let settings = Self.httpSink(port: port)
        let runs = try pairs(stored, "http", settings, &memory) { _ in try Loaders.http(bodies, port: port) }
        add(Figure("e. delivered over HTTP, 64 in flight", "events/s", pairs: runs, atLeast: 0.7))
    }

    private func pairs(
        _ stored: String, _ sink: String, _ settings: String, _ memory: inout [Double],
        baseline: (_ folder: String) throws -> Double
    ) throws -> [(Double, Double)] {
        var pairs: [(Double, Double)] = []
        for _ in 0..<options.pairs {
            let folder = try makeFolder()
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let loaded = try baseline(folder)
            pairs.append((try drain(stored, sink, settings, &memory), loaded))
        }
        return pairs
    }

    /// Events a second that a relay drains from a copy of the backlog.
    private func drain(
        _ stored: String, _ sink: String, _ settings: String, _ memory: inout [Double]
    ) throws -> Double {
        let folder = try copy(of: stored)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let relay = try RelayProcess(self.relay, folder: folder, sinks: [(sink, settings)])
        defer { relay.stop() }
        let before = relay.processorSeconds
        let rate = try relay.drain()
        let cost = (relay.processorSeconds - before) * 1e6 / Double(options.backlog)
        memory.append(relay.residentMegabytes)
        if options.isVerbose { say("    \(sink) \(Int(rate))/s, \(Int(cost)) us of processor time each") }
        return rate
    }

    func copy(of stored: String) throws -> String {
        let folder = try makeFolder()
        for file in try FileManager.default.contentsOfDirectory(atPath: stored)
        where file.hasPrefix("journal.sqlite") && !file.hasSuffix("lock") {
            try FileManager.default.copyItem(atPath: "\(stored)/\(file)", toPath: "\(folder)/\(file)")
        }
        // What the copy wrote must not be flushed by somebody's first fsync.
        sync()
        return folder
    }

    /// Row f: start-up with entries against without.
    func startRows() throws {
        let stored = try makeFolder()
        let events = try source.decoded(10_000)
        try Backlog.write(events, count: options.entries, to: "\(stored)/journal.sqlite", waitingFor: [])
        var (empty, full, memory): ([Double], [Double], [Double]) = ([], [], [])
        for _ in 0..<options.pairs {
            empty.append(try withRelay { $0.startSeconds * 1_000 })
            let relay = try RelayProcess(self.relay, folder: stored, sinks: [])
            full.append(relay.startSeconds * 1_000)
            memory.append(relay.residentMegabytes)
            relay.stop()
        }
        add(Figure("f. start, empty journal", "ms", runs: empty))
        let more = zip(full, empty).map { $0 - $1 }
        add(Figure("f. start, \(options.entries) entries: more", "ms", runs: more, atMost: 500))
        add(Figure("f. memory, started with them", "MB", runs: memory, atMost: 120))
    }
}
