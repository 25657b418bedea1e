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
        let members = sinks.map { "\"\($0.name)\": \($0.settings)" }.joined(separator: ",")
        let names = sinks.map { "\"\($0.name)\"" }.joined(separator: ",")
        let rules = sinks.isEmpty ? "" : "{\"name\": \"all\", \"events\": [\"*\"], \"sinks\": [\(names)]}"
        let config = """
            {"server": {"listen": "127.0.0.1:\(port)"},
             "admin": {"listen": "127.0.0.1:\(adminPort)", "token": "\(Self.token)"},
             "hooks": [{"name": "okta", "path": "\(RequestPool.path)", "secrets": ["\(RequestPool.secret)"]}],
             "journal": {"path": "journal.sqlite", "maxSize": "\(Backlog.sizeMax >> 30)GiB"},
             "sinks": {\(members)}, "rules": [\(rules)]}
            """
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let path = "\(folder)/sinks.json"
        try config.write(toFile: path, atomically: true, encoding: .utf8)
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

    var residentMegabytes: Double { child.residentMegabytes }
    var peakMegabytes: Double { child.peakMegabytes }
    var processorSeconds: Double { child.processorSeconds }

    /// Deliveries that are settled and that still wait, over the sinks of its config: a journal made for
    /// several rows has more.
    func deliveries() -> (settled: Int, waiting: Int) { Self.deliveries(status()) }

    private static func deliveries(_ known: [JSONValue]?) -> (settled: Int, waiting: Int) {
        guard let known else { return (0, .max) }
        var (settled, waiting) = (0, 0)
        for sink in known {
            for name in ["delivered", "superseded", "skipped", "dead"] {
                settled += sink[name]?.int ?? 0
            }
            waiting += sink["waiting"]?.int ?? 0
        }
        return (settled, waiting)
    }

    /// What the relay says of the sinks of its config; nil where it does not answer.
    private func status() -> [JSONValue]? {
        guard let answer = Sockets.get(port: adminPort, path: "/status", token: Self.token),
            let known = try? JSONDocument(answer.body).root["sinks"]
        else { return nil }
        return known.elements.filter { sinks.contains($0["name"]?.string ?? "") }
    }

    /// Stops deliveries to every sink.
    func pauseAll() throws {
        for sink in sinks {
            let answer = Sockets.request(
                "POST", port: adminPort, path: "/sinks/\(sink)/pause", token: Self.token)
            guard answer?.status == 200 else { throw BenchmarkError("\(sink) could not be paused") }
        }
    }

    /// Waits until nothing waits; answers settled deliveries a second since the relay was ready.
    func drain(within seconds: Double = 900) throws -> Double {
        let start = monotonic()
        let before = deliveries().settled
        while case let elapsed = Double(monotonic() - start) / 1e9, elapsed < seconds {
            let known = status()
            let now = Self.deliveries(known)
            let drained = Double(now.settled - before)
            if now.waiting == 0 { return drained / elapsed }
            if let held = known?.first(where: { $0["hold"]?.kind == .object }) {
                throw BenchmarkError(
                    "\(held["name"]?.string ?? "a sink") is held: \(held["hold"]?.raw ?? [])")
            }
            // A look costs the relay milliseconds, so there are few before the end comes near.
            let left = drained > 0 ? Double(now.waiting) * elapsed / drained : 0.1
            usleep(UInt32(min(0.5, max(0.01, left / 2)) * 1e6))
        }
        throw BenchmarkError("a sink did not drain in \(Int(seconds)) s")
    }

    func stop() { child.stop() }
}
