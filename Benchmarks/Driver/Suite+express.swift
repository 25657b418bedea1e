import Foundation

/// The row about what a user would write instead: Express with sqlite3, from Debian's node-express and
/// node-sqlite3, or from wherever NODE_PATH says.
extension Suite {
    /// Row h.
    func expressRows() throws {
        let script = FileManager.default.currentDirectoryPath + "/Benchmarks/Baselines/express.js"
        guard try hasExpress() else {
            return try leaveOut("h. against Express", "node with express and sqlite3 is not installed")
        }
        for (order, goal) in [("after", 8.0), ("before", 10.0)] {
            var relay: [(Double, Double)] = []
            var plain: [(Double, Double)] = []
            for _ in 0..<options.pairs {
                let express = try express(script, order)
                relay.append((try withRelay("h") { try warmLoad($0).rate }, express))
                plain.append((try noOp(.sqlite).rate, express))
            }
            let row = "h. against Express that stores \(order) it answers"
            try add(Figure(row, "req/s", pairs: relay, atLeast: goal))
            try add(Figure("\(row): row n's plain store", "req/s", pairs: plain, atLeast: nil))
        }
    }

    private func hasExpress() throws -> Bool {
        let log = try makeFolder() + "/log"
        let node = try Child(
            "/usr/bin/env", ["node", "-e", "require('express'); require('sqlite3')"], log: log)
        _ = node.result()
        return node.succeeded
    }

    private func express(_ script: String, _ order: String) throws -> Double {
        let folder = try makeFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let port = try Sockets.freePort()
        let server = try Child(
            "/usr/bin/env",
            [
                "HOOK_SECRET=\(RequestPool.secret)", "node", script, "\(port)", "\(folder)/events.sqlite",
                order,
            ],
            log: "\(folder)/log")
        defer { server.stop() }
        try Sockets.waitUntilOpen(port: port)
        return try warmLoad(BaselineServer(port: port, child: server)).rate
    }
}
