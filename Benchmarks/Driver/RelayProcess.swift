import Foundation
import JSON

/// A relay under measurement: the release binary with a config and a folder of its own.
final class RelayProcess {
    let port: Int
    private let adminPort: Int
    private let sinks: [String]
    private let child: Child
    /// Seconds from its start until it was ready.
    let startSeconds: Double
    private static let token = "benchmark-admin-token"

    /// Starts it.
    ///
    /// - Parameters:
    ///   - folder: Its journal is `journal.sqlite` there, and may be there already.
    ///   - sinks: Members of the config's `sinks`; every rule names all of them.
    ///   - waits: Whether to return only when it is ready.
    init(
        _ binary: String, folder: String, sinks: [(name: String, settings: String)], waits: Bool = true
    ) throws {
        self.sinks = sinks.map(\.name)
        port = try Sockets.freePort()
        adminPort = try Sockets.freePort()
        let path = try Self.writeConfig(in: folder, port: port, adminPort: adminPort, sinks)
        let start = monotonic()
        child = try Child(
            binary, ["serve", "--config", path, "--log-level", "warning"], log: "\(folder)/log")
        while waits, Sockets.get(port: adminPort, path: "/readyz", token: "")?.status != 200 {
            guard child.isRunning, monotonic() - start < 60_000_000_000 else {
                let log = (try? String(contentsOfFile: "\(folder)/log", encoding: .utf8)) ?? ""
                throw BenchmarkError("the relay did not start: \(log.suffix(2_000))")
            }
            usleep(1_000)
        }
        startSeconds = Double(monotonic() - start) / 1e9
    }

    private static func writeConfig(
        in folder: String, port: Int, adminPort: Int, _ sinks: [(name: String, settings: String)]
    ) throws -> String {
        let members = sinks.map { "\"\($0.name)\": \($0.settings)" }.joined(separator: ",")
        let names = sinks.map { "\"\($0.name)\"" }.joined(separator: ",")
        let rules = sinks.isEmpty ? "" : "{\"name\": \"all\", \"events\": [\"*\"], \"sinks\": [\(names)]}"
        let config = """
            {"server": {"listen": "127.0.0.1:\(port)"},
             "admin": {"listen": "127.0.0.1:\(adminPort)", "token": "\(token)"},
             "hooks": [{"name": "okta", "path": "\(RequestPool.path)", "secrets": ["\(RequestPool.secret)"]}],
             "journal": {"path": "journal.sqlite", "maxSize": "\(Backlog.sizeMax >> 30)GiB"},
             "sinks": {\(members)}, "rules": [\(rules)]}
            """
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let path = "\(folder)/sinks.json"
        try config.write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    /// The SQL by which a sink of these settings makes its table.
    static func tableSQL(_ binary: String, folder: String, settings: String) throws -> String {
        let path = try writeConfig(in: folder, port: 1, adminPort: 2, [("table", settings)])
        let relay = try Child(binary, ["schema", "--sql", "table", "--config", path], log: "\(folder)/log")
        let sql = String(decoding: relay.result(), as: UTF8.self)
        guard relay.succeeded else { throw BenchmarkError("the relay does not say how it makes a table") }
        return sql
    }

    var residentMegabytes: Double { child.residentMegabytes }
    var peakMegabytes: Double { child.peakMegabytes }
    var processorSeconds: Double { child.processorSeconds }

    /// What the relay says of itself, all of it without an error.
    func status() throws -> RelayStatus {
        guard let answer = Sockets.get(port: adminPort, path: "/status", token: Self.token),
            let root = try? JSONDocument(answer.body).root,
            let status = RelayStatus(root, of: sinks)
        else { throw BenchmarkError("the relay does not answer /status") }
        guard status.refused == 0, status.dead == 0 else {
            throw BenchmarkError(
                "\(status.refused) events came twice or were quarantined, \(status.dead) deliveries are dead")
        }
        if let held = status.held { throw BenchmarkError("a sink is held: \(held)") }
        return status
    }

    /// Stops deliveries to every sink.
    func pauseAll() throws {
        for sink in sinks {
            let answer = Sockets.request(
                "POST", port: adminPort, path: "/sinks/\(sink)/pause", token: Self.token)
            guard answer?.status == 200 else { throw BenchmarkError("\(sink) could not be paused") }
        }
    }

    /// Waits until nothing waits, and sees to it that so many deliveries are settled.
    ///
    /// - Returns: Settled deliveries a second since the relay was ready, and how many reached their place.
    func drain(_ count: Int, within seconds: Double = 900) throws -> (rate: Double, delivered: Int) {
        let start = monotonic()
        let before = try status().settled
        while case let elapsed = Double(monotonic() - start) / 1e9, elapsed < seconds {
            let now = try status()
            let drained = Double(now.settled - before)
            if now.waiting.allSatisfy({ $0 == 0 }) {
                guard now.settled == count, now.delivered > 0 else {
                    throw BenchmarkError("of \(count) deliveries \(now.settled) are settled")
                }
                return (drained / elapsed, now.delivered)
            }
            // A look costs the relay milliseconds, so there are few before the end comes near.
            let left = drained > 0 ? Double(now.waiting.reduce(0, +)) * elapsed / drained : 0.1
            usleep(UInt32(min(0.5, max(0.01, left / 2)) * 1e6))
        }
        throw BenchmarkError("a sink did not drain in \(Int(seconds)) s")
    }

    /// Ends it; `isGraceful` lets it close its journal.
    func stop(isGraceful: Bool = false) { child.stop(isGraceful: isGraceful) }
}

/// What `/status` says, over the sinks of a relay's config: a journal made for several rows has more.
struct RelayStatus {
    let accepted: Int
    /// Events that were quarantined, or had been accepted before.
    let refused: Int
    /// Deliveries that wait, by sink in the config's order.
    let waiting: [Int]
    /// Deliveries that are over, those that came to their destination, and those that never will.
    let settled: Int
    let delivered: Int
    let dead: Int
    /// Why a sink is held, unless it is paused.
    let held: String?

    init?(_ root: JSONValue, of names: [String]) {
        guard let events = root["events"], let accepted = events["accepted"]?.int,
            let known = root["sinks"]?.elements
        else { return nil }
        let sinks = known.filter { names.contains($0["name"]?.string ?? "") }
        func sum(_ members: String...) -> Int {
            members.reduce(0) { sum, name in sinks.reduce(sum) { $0 + ($1[name]?.int ?? 0) } }
        }
        self.accepted = accepted
        refused = (events["quarantined"]?.int ?? 0) + (events["duplicates"]?.int ?? 0)
        waiting = names.map { name in
            sinks.first { $0["name"]?.string == name }?["waiting"]?.int ?? 0
        }
        settled = sum("delivered", "superseded", "skipped", "dead")
        delivered = sum("delivered")
        dead = sum("dead")
        held = sinks.lazy.compactMap { $0["hold"] }
            .first { $0.kind == .object && $0["kind"]?.string != "paused" }
            .map { String(decoding: $0.raw, as: UTF8.self) }
    }
}
