import Foundation
import Relay
import RelayTesting

/// The rows about what is stored already: draining it into a sink, and starting with it.
extension Suite {
    /// Row e, and the memory of a relay with a backlog.
    func drainRows() throws {
        let stored = try makeFolder()
        try Backlog.write(
            source.stored(options.backlog), to: "\(stored)/journal.sqlite",
            waitingFor: ["sqlite-upsert", "sqlite-append", "pg-upsert", "pg-append", "http"])
        for mode in ["upsert", "append"] {
            let table = LoaderTable(mode, source.stored(options.backlog))
            if options.drains(into: "sqlite") { try sqliteRow(stored, table) }
            if options.drains(into: "postgresql") { try postgresRow(stored, "pg-\(mode)", table) }
        }
        if options.drains(into: "http") { try httpRow(stored) }
        guard options.drains(into: "users") else { return }
        let big = try makeFolder()
        let events = source.stored(options.backlog, about: options.users)
        try Backlog.write(events, to: "\(big)/journal.sqlite", waitingFor: ["pg-big"])
        try postgresRow(big, "pg-big", LoaderTable("upsert", events), users: options.users)
    }

    private func sqliteRow(_ stored: String, _ table: LoaderTable) throws {
        let settings = Self.tableSink(#""sqlite", "path": "out.sqlite""#, table.mode)
        let create = try RelayProcess.tableSQL(relay, folder: makeFolder(), settings: settings)
        let pairs = try (0..<options.pairs).map { _ in
            let folder = try makeFolder()
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let loaded = try Loaders.sqlite(table, create: create, path: "\(folder)/loaded.sqlite")
            let drained = try drain(stored, "sqlite-\(table.mode)", settings) { folder, _ in
                try table.check(Loaders.sqliteCount("\(folder)/out.sqlite"))
            }
            return (drained, loaded)
        }
        try add(Figure("e. drained into SQLite, \(table.mode)", "events/s", pairs: pairs, atLeast: nil))
    }

    /// - Parameter users: Those that the table holds already; the events are about some of them.
    private func postgresRow(
        _ stored: String, _ sink: String, _ table: LoaderTable, users: Int = 0
    ) throws {
        let place = users > 0 ? ", \(users) users there" : ""
        let row = "e. drained into PostgreSQL, \(table.mode)\(place)"
        let cluster: PostgresCluster
        switch self.cluster {
        case .success(let started): cluster = started
        case .failure(let error): return try leaveOut(row, "\(error)")
        }
        let settings = { (url: String) in Self.tableSink("\"postgresql\", \"url\": \"\(url)\"", table.mode) }
        let create = try RelayProcess.tableSQL(
            relay, folder: makeFolder(), settings: settings("postgresql://localhost/any"))
        /// Measures with a table of its own, and nothing of it left for the server to write.
        func withTable(_ measure: (_ url: String, PostgresClient) throws -> Double) throws -> Double {
            let url = try cluster.makeDatabase()
            let client = try PostgresClient(url)
            try client.run(create)
            if users > 0 { try client.prefill(users: users) }
            try client.run("CHECKPOINT")
            let rate = try measure(url, client)
            try client.run("DROP TABLE t")
            if table.isUpsert { try client.run("DROP TABLE t_relay") }
            return rate
        }
        let pairs = try (0..<options.pairs).map { _ in
            let loaded = try withTable { url, _ in try Loaders.postgres(table, url: url) }
            let drained = try withTable { url, client in
                try drain(stored, sink, settings(url)) { _, _ in
                    try table.check(client.count("t"), before: users)
                    // A state that the sink did not find it would have written beside the one that is there.
                    guard try users == 0 || client.count("t_relay") == users else {
                        throw BenchmarkError("the sink did not take the table's users for its own")
                    }
                }
            }
            return (drained, loaded)
        }
        try add(Figure(row, "events/s", pairs: pairs, atLeast: 0.5))
    }

    static func tableSink(_ type: String, _ mode: String) -> String {
        "{\"type\": \(type), \"table\": \"t\", \"mode\": \"\(mode)\", \"limits\": null}"
    }

    static func httpSink(port: Int) -> String {
        """
        {"type": "http", "method": "POST", "url": "http://127.0.0.1:\(port)/contacts/{{ $.user.id }}",
         "allowPrivate": true, "allowHttp": true, "concurrency": 64, "limits": null, "body": {"email": "{{ $.user.login }}",
         "name": "{{ $.user.displayName }}", "active": "{{ $.user.active }}"}}
        """
    }

    private func httpRow(_ stored: String) throws {
        let receiver = try ReceiverProcess()
        defer { receiver.stop() }
        let address = "http://127.0.0.1:\(receiver.port)/contacts/"
        let bodies = source.stored(options.backlog).map { event -> (url: String, body: [UInt8]) in
            let user = event.user
            let isActive = event.meaning.isActive.map { ",\"active\":\($0)" } ?? ""
            let text =
                "{\"email\":\"\(user?.login ?? "")\",\"name\":\"\(user?.displayName ?? "")\"\(isActive)}"
            return (address + (user?.id ?? "none"), Array(text.utf8))
        }
        let settings = Self.httpSink(port: receiver.port)
        let pairs = try (0..<options.pairs).map { _ in
            let loaded = try Loaders.http(bodies)
            let before = try receiver.requests()
            let drained = try drain(stored, "http", settings) { _, delivered in
                let requests = try receiver.requests() - before
                guard requests >= delivered else {
                    throw BenchmarkError("\(delivered) were delivered, and \(requests) requests came")
                }
            }
            return (drained, loaded)
        }
        try add(Figure("e. delivered over HTTP, 64 in flight", "events/s", pairs: pairs, atLeast: 0.7))
    }

    /// Events a second that a relay drains from a copy of the backlog.
    ///
    /// - Parameter check: Looks at the destination; it gets the relay's folder and the deliveries it reports.
    private func drain(
        _ stored: String, _ sink: String, _ settings: String,
        check: (_ folder: String, _ delivered: Int) throws -> Void
    ) throws -> Double {
        let folder = try copy(of: stored)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        return try withRelay("e", [(sink, settings)], in: folder) { relay in
            let before = relay.processorSeconds
            let (rate, delivered) = try relay.drain(options.backlog)
            let cost = (relay.processorSeconds - before) * 1e6 / Double(options.backlog)
            if options.isVerbose { say("    \(sink) \(Int(rate))/s, \(Int(cost)) us of processor time each") }
            try check(folder, delivered)
            return rate
        }
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
}
