/// The row that goes from the no-op server to the relay step by step: what each step costs at least.
extension Suite {
    /// Row n.
    func stageRows() throws {
        let steps: [(String, NoOpServer.Stage)] = [
            ("decodes the envelope", .decode),
            ("has a thread answer", .handOver),
            ("has it write to a file", .file),
            ("has it insert into SQLite", .sqlite),
            ("has another upsert users, too", .upsert),
            ("has another append, too", .append),
            ("has two others append, too", .appendTwice),
        ]
        var noOp: [LoadResult] = []
        var results: [String: [LoadResult]] = [:]
        for _ in 0..<options.pairs {
            noOp.append(try self.noOp())
            for (name, stage) in steps { results[name, default: []].append(try self.noOp(stage)) }
            results["relay", default: []].append(try withRelay("n") { try warmLoad($0) })
            results["relay, SQLite upsert", default: []].append(
                try withRelay("n", [Self.upsertSink]) { try warmLoad($0) })
        }
        for name in steps.map(\.0) + ["relay", "relay, SQLite upsert"] {
            let pairs = Array(zip(results[name] ?? [], noOp))
            try add(
                Figure("n. \(name)", "req/s", pairs: pairs.map { ($0.rate, $1.rate) }, atLeast: nil))
            try add(
                Figure(
                    "n. \(name): processor time", "us/req", pairs: pairs.map { ($0.processor, $1.processor) },
                    atLeast: nil))
        }
    }
}
