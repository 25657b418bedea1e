import Foundation
import RelayTesting

/// The row about what an operator may have already: Fluent Bit, whose HTTP input takes any JSON.
///
/// Both deliver each event to three places: a file of their own (the relay's is SQLite's), an HTTP endpoint,
/// which gets a request an event from the relay and one a chunk from Fluent Bit, and PostgreSQL.
extension Suite {
    /// Row k.
    func fluentBitRows() throws {
        let fluentBit: FluentBit
        do {
            fluentBit = try FluentBit(log: makeFolder() + "/log")
        } catch {
            return try leaveOut("k. Fluent Bit", "\(error)")
        }
        // Row j puts other ids into the pool.
        try RequestPool.write(source.envelopes, to: pool(1))
        let cluster = rowKCluster(fluentBit)
        let places = cluster == nil ? "a file and over HTTP" : "a file, over HTTP and into PostgreSQL"
        say("  row k: \(fluentBit.version), \(fluentBit.path), into \(places)")
        var (rates, costs): ([(Double, Double)], [(Double, Double)]) = ([], [])
        var (own, checked, unchecked): ([Aftermath], [Aftermath], [Aftermath]) = ([], [], [])
        for _ in 0..<options.pairs {
            let relay = try withPlaces(cluster) { try costOfRelay($0) }
            let other = try withPlaces(cluster) { try cost(of: fluentBit, $0) }
            rates.append((relay.rate, other.rate))
            costs.append((relay.processor, other.processor))
            own.append(try withPlaces(cluster, keeping: true) { try killRelay(at: relay.rate, $0) })
            let killed = { (checksums: Bool) in
                try self.withPlaces(cluster, keeping: true) {
                    try self.kill(fluentBit, at: other.rate, checksums: checksums, $0)
                }
            }
            checked.append(try killed(true))
            unchecked.append(try killed(false))
        }
        try add(Figure("k. acknowledged, against Fluent Bit", "req/s", pairs: rates, atLeast: 1.3))
        try add(Figure("k. processor time until delivered", "us/req", pairs: costs, atMost: 1))
        for (what, count) in [("lost", \Aftermath.lost), ("come twice", \Aftermath.doubled)] {
            let runs = [own, checked, unchecked].map { $0.map { Double($0[keyPath: count]) } }
            try add(Figure("k. kill -9: \(what)", "events", most: runs[0], atMost: 0, baseline: runs[1]))
            try add(Figure("k. kill -9: \(what), Fluent Bit without checksums", "events", runs: runs[2]))
        }
    }

    /// The cluster that both deliver to; nil, with a word about it, where there is none or one of them cannot.
    private func rowKCluster(_ fluentBit: FluentBit) -> PostgresCluster? {
        guard fluentBit.hasPostgres else {
            say("  row k leaves out PostgreSQL: this fluent-bit has no output pgsql")
            return nil
        }
        switch cluster {
        case .success(let cluster): return cluster
        case .failure(let error):
            say("  row k leaves out PostgreSQL: \(error)")
            return nil
        }
    }

    // MARK: - Where both deliver to

    /// Destinations of one run, all of them new.
    private struct Places {
        /// For the files of whoever is measured.
        let folder: String
        let receiver: ReceiverProcess
        /// What the receiver was sent, where it keeps that.
        let requests: String
        let database: String?
    }

    /// - Parameter keeping: Whether the receiver writes down what it is sent, which costs it time.
    private func withPlaces<R>(
        _ cluster: PostgresCluster?, keeping: Bool = false, _ body: (Places) throws -> R
    ) throws -> R {
        let folder = try makeFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let requests = "\(folder)/requests"
        let receiver = try ReceiverProcess(keeping: keeping ? requests : nil)
        defer { receiver.stop() }
        let database = try cluster?.makeDatabase()
        let result = try body(
            Places(folder: folder, receiver: receiver, requests: requests, database: database))
        if let database {
            // Without the notice that one of them is not there.
            try PostgresClient(database).run(
                "SET client_min_messages = warning; DROP TABLE IF EXISTS t, \(FluentBitProcess.table)")
        }
        return result
    }

    private func sinks(_ places: Places) -> [(name: String, settings: String)] {
        let http = """
            {"type": "http", "method": "POST", "url": "http://127.0.0.1:\(places.receiver.port)/events",
             "allowPrivate": true, "allowHttp": true, "concurrency": 64, "limits": null,
             "body": "{{ $.event }}"}
            """
        let file = Self.tableSink(#""sqlite", "path": "out.sqlite""#, "append")
        let database = places.database.map { Self.tableSink("\"postgresql\", \"url\": \"\($0)\"", "append") }
        return [("file", file), ("http", http)] + (database.map { [("pg", $0)] } ?? [])
    }

    // MARK: - Rate and processor time

    private func costOfRelay(_ places: Places) throws -> (rate: Double, processor: Double) {
        let sinks = sinks(places)
        return try withRelay("k", sinks) { relay in
            try cost(of: relay) { requests in _ = try relay.drain(requests * sinks.count) }
        }
    }

    private func cost(of fluentBit: FluentBit, _ places: Places) throws -> (rate: Double, processor: Double) {
        let server = try start(fluentBit, checksums: true, places)
        defer { server.stop() }
        try server.waitUntilOpen()
        return try cost(of: server) { requests in
            guard server.waitUntilDelivered() else {
                throw BenchmarkError("fluent-bit did not deliver what it had stored")
            }
            let lines = try Deliveries(lines: server.output).total
            if lines != requests {
                say("    fluent-bit acknowledged \(requests) requests, and has written \(lines) lines")
            }
        }
    }

    /// The rate under load, and the processor time of a request with all that follows from it: whoever puts
    /// deliveries off until the load is over is not the cheaper for it.
    ///
    /// - Parameter finish: Waits until so many requests are delivered.
    private func cost(
        of server: some LoadedServer, finish: (Int) throws -> Void
    ) throws -> (rate: Double, processor: Double) {
        let before = server.processorSeconds
        let (warmUp, result) = try loadTwice(server)
        let requests = warmUp.requests + result.requests
        try finish(requests)
        let processor = (server.processorSeconds - before) * 1e6 / Double(requests)
        if options.isVerbose { say("    \(formatted(processor)) us of processor time each, delivered") }
        return (result.rate, processor)
    }

    private func start(
        _ fluentBit: FluentBit, checksums: Bool, _ places: Places
    ) throws -> FluentBitProcess {
        try FluentBitProcess(
            fluentBit, folder: places.folder, receiver: places.receiver.port, database: places.database,
            checksums: checksums)
    }

    // MARK: - kill -9

    private func killRelay(at rate: Double, _ places: Places) throws -> Aftermath {
        let sinks = sinks(places)
        let relay = try RelayProcess(self.relay, folder: places.folder, sinks: sinks)
        defer { relay.stop() }
        let acknowledged = try loadUntilKilled(relay.port, at: rate, in: places.folder) { relay.stop() }
        let next = try RelayProcess(self.relay, folder: places.folder, sinks: sinks)
        defer { next.stop() }
        _ = try next.drain(next.status().accepted * sinks.count)
        let ids = "SELECT event_id FROM t"
        let file = try Loaders.sqliteTexts("\(places.folder)/out.sqlite", ids)
        return try aftermath("relay", acknowledged, ("SQLite", Deliveries(ids: file)), ids, places)
    }

    private func kill(
        _ fluentBit: FluentBit, at rate: Double, checksums: Bool, _ places: Places
    ) throws -> Aftermath {
        let server = try start(fluentBit, checksums: checksums, places)
        defer { server.stop() }
        try server.waitUntilOpen()
        let acknowledged = try loadUntilKilled(server.port, at: rate, in: places.folder) { server.stop() }
        let next = try start(fluentBit, checksums: checksums, places)
        defer { next.stop() }
        // It may not come up again, or keep chunks that it cannot read: then those are lost.
        let name = "Fluent Bit \(checksums ? "with" : "without") checksums"
        if !next.waitUntilDelivered() {
            say("    \(name) keeps chunks that it does not deliver, or has ended")
        }
        let file = try Deliveries(lines: next.output)
        return try aftermath(name, acknowledged, ("file", file), FluentBitProcess.idsSQL, places)
    }

    /// - Parameter sql: Selects the events' ids in PostgreSQL.
    private func aftermath(
        _ name: String, _ acknowledged: [String], _ file: (String, Deliveries), _ sql: String,
        _ places: Places
    ) throws -> Aftermath {
        var destinations = [file, ("HTTP", try Deliveries(requests: places.requests))]
        if let database = places.database {
            destinations.append(("PostgreSQL", Deliveries(ids: try PostgresClient(database).texts(sql))))
        }
        let result = Aftermath(acknowledged: acknowledged, destinations)
        say("    kill -9, \(name): \(result.details)")
        return result
    }

    /// Drives a server that is killed in the middle of it.
    ///
    /// - Parameter rate: What it took before: the pool has to last until the kill.
    /// - Returns: The ids of the events that were acknowledged.
    private func loadUntilKilled(
        _ port: Int, at rate: Double, in folder: String, kill: () -> Void
    ) throws -> [String] {
        let list = "\(folder)/acknowledged"
        let child = try Child.own([
            "load", "--port", "\(port)", "--pool", pool(1), "--seconds", "\(2 * options.seconds)",
            "--acknowledged", list,
        ])
        defer { child.stop() }
        usleep(UInt32(min(options.seconds, Double(options.envelopes) / 2 / rate) * 1e6))
        kill()
        let result = try JSONDecoder().decode(LoadResult.self, from: child.result())
        guard result.requests > 0 else {
            throw BenchmarkError("nothing was acknowledged before the kill: raise --seconds")
        }
        if result.failures == 0 { say("    the load was over when the kill came: raise --envelopes") }
        let ids = source.ids
        return try String(contentsOfFile: list, encoding: .utf8).split(separator: "\n").compactMap { line in
            Int(line).map { ids[$0] }
        }
    }
}
