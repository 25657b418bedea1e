import Foundation
import JSON
import RelayTesting
import Synchronization
import Testing

/// The real `serve`, in a process and a folder of its own, for as long as a test's body takes.
///
/// One test uses it, from one task at a time.
final class ReloadFixture {
    let folder: TemporaryFolder
    private let process = Process()
    private var lines: AsyncStream<String>.Iterator
    /// All that the process has logged, as far as it was read.
    private(set) var log: [String] = []
    private(set) var intakePort = 0
    private(set) var adminPort = 0
    private var adminToken = "admin-token-1"

    /// The parts of a config that the tests vary.
    struct Parts {
        var server = #"{ "listen": "127.0.0.1:0" }"#
        var sinks: [(name: String, table: String)] = [("first", "one")]
        /// Event types, and the sinks that they go to.
        var rules: [(events: String, sinks: [String])] = [("*", ["first"])]
    }

    static func run(_ parts: Parts = Parts(), _ body: (ReloadFixture) async throws -> Void) async throws {
        let fixture = try ReloadFixture()
        defer { fixture.kill() }
        try fixture.write(secret: "hook-secret-1")
        try fixture.write(adminToken: "admin-token-1")
        try fixture.write(parts)
        try fixture.process.run()
        try await fixture.findPorts()
        try await body(fixture)
        try await fixture.stop()
    }

    private init() throws {
        folder = try TemporaryFolder()
        let binary = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
            .deletingLastPathComponent().appending(path: "okta-relay")
        process.executableURL = binary
        process.arguments = ["serve", "--config", folder.file("sinks.json")]
        let pipe = Pipe()
        process.standardError = pipe
        process.standardOutput = FileHandle.nullDevice
        lines = Self.lines(of: pipe.fileHandleForReading).makeAsyncIterator()
    }

    /// Read on Foundation's own thread, so that waiting for a line blocks nobody.
    private static func lines(of file: FileHandle) -> AsyncStream<String> {
        let (stream, continuation) = AsyncStream.makeStream(of: String.self)
        let rest = Mutex<[UInt8]>([])
        file.readabilityHandler = { file in
            let bytes = [UInt8](file.availableData)
            if bytes.isEmpty {
                file.readabilityHandler = nil
                return continuation.finish()
            }
            rest.withLock { rest in
                rest += bytes
                while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                    continuation.yield(String(decoding: rest[..<end], as: UTF8.self))
                    rest.removeSubrange(...end)
                }
            }
        }
        return stream
    }

    private func findPorts() async throws {
        var ports: [Int] = []
        while ports.count < 2 {
            let line = try await logged("listening")
            let digits = try #require(line.firstMatch(of: #/127\.0\.0\.1:(\d+)/#)?.output.1)
            ports.append(try #require(Int(digits)))
        }
        // Only the admin side has this page.
        let isAdmin = try await RawHTTPClient.send("GET", "/healthz", port: ports[0]).status == 200
        (adminPort, intakePort) = isAdmin ? (ports[0], ports[1]) : (ports[1], ports[0])
    }

    // MARK: - Files

    func write(_ parts: Parts) throws {
        var writer = JSONWriter()
        writer.object { root in
            root.member("server", raw: Array(parts.server.utf8))
            root.name("admin")
            root.object {
                $0.member("listen", "127.0.0.1:0")
                $0.member("token", "${file:admin.token}")
            }
            root.member(
                "hooks",
                raw: Array(#"[{"name":"okta","path":"/okta","secrets":["${file:hook.secret}"]}]"#.utf8))
            root.member("journal", raw: Array(#"{"path":"journal.sqlite"}"#.utf8))
            root.name("sinks")
            root.object { sinks in
                for (name, table) in parts.sinks {
                    let sink = #"{"type":"sqlite","path":"out.sqlite","mode":"append","table":"\#(table)"}"#
                    sinks.member(name, raw: Array(sink.utf8))
                }
            }
            root.name("rules")
            root.array { rules in
                for (index, rule) in parts.rules.enumerated() {
                    rules.object {
                        $0.member("name", "rule \(index)")
                        $0.member("events", raw: Array("[\"\(rule.events)\"]".utf8))
                        $0.member(
                            "sinks",
                            raw: Array("[\(rule.sinks.map { "\"\($0)\"" }.joined(separator: ","))]".utf8))
                    }
                }
            }
        }
        try write(config: String(decoding: writer.bytes, as: UTF8.self))
    }

    func write(config: String) throws { try write(config, to: "sinks.json") }

    func write(secret: String) throws { try write(secret + "\n", to: "hook.secret") }

    func write(adminToken: String) throws { try write(adminToken + "\n", to: "admin.token") }

    private func write(_ text: String, to name: String) throws {
        try text.write(toFile: folder.file(name), atomically: true, encoding: .utf8)
    }

    // MARK: - The process

    /// Waits for the next line of the log that holds the text.
    @discardableResult
    func logged(_ text: String) async throws -> String {
        while let line = await lines.next() {
            log.append(line)
            if line.contains(text) { return line }
        }
        throw ProcessEnded(log: log)
    }

    struct ProcessEnded: Error {
        let log: [String]
    }

    func hangUp() { Foundation.kill(process.processIdentifier, SIGHUP) }

    /// Sends SIGHUP, and waits until the config is taken over.
    func reload() async throws {
        hangUp()
        try await logged("the config file was taken over")
    }

    /// Stops it as systemd does, and expects that it goes in peace.
    private func stop() async throws {
        Foundation.kill(process.processIdentifier, SIGTERM)
        while let line = await lines.next() { log.append(line) }
        process.waitUntilExit()
        #expect(process.terminationStatus == 0 && process.terminationReason == .exit, "\(log)")
    }

    private func kill() {
        if process.isRunning { Foundation.kill(process.processIdentifier, SIGKILL) }
    }

    // MARK: - Requests

    /// Sends one event as Okta does; the status of the answer.
    static func post(
        _ id: String, type: String = "user.lifecycle.create", secret: String = "hook-secret-1", port: Int
    ) async throws -> Int {
        let event = LogEventFixture(uuid: id, type: type, userID: "00u\(id.utf8.count)").json
        let body = Array(#"{"data":{"events":["#.utf8) + event + Array("]}}".utf8)
        return try await RawHTTPClient.send(
            "POST", "/okta", port: port, headers: [("authorization", secret)], body: body
        ).status
    }

    func admin(_ path: String, token: String = "admin-token-1") async throws -> (status: Int, json: JSONValue)
    {
        let answer = try await RawHTTPClient.send(
            "GET", path, port: adminPort, headers: [("authorization", "Bearer \(token)")])
        return (answer.status, try JSONDocument(answer.body).root)
    }

    /// Waits until nothing waits for any sink.
    func drained() async throws {
        // Each turn is a request, answered from the journal; the test's time limit bounds them.
        while true {
            let sinks = try await admin("/status").json["sinks"]
            let waiting = sinks?.elements.map { ($0["waiting"]?.int ?? 1) + ($0["parked"]?.int ?? 0) } ?? [1]
            if waiting.allSatisfy({ $0 == 0 }) { return }
            try Task.checkCancellation()
        }
    }

    /// The events that rules sent to a sink.
    func routed(to sink: String) async throws -> Set<String> {
        let (status, page) = try await admin("/events?limit=1000")
        try #require(status == 200 && page["next"]?.isNull == true)
        let events = page["events"]?.elements.filter { event in
            event["route"]?.elements.contains { $0["sink"]?.string == sink } == true
        }
        return Set((events ?? []).compactMap { $0["eventId"]?.string })
    }

    /// The events in a sink's table.
    func events(at sink: String) async throws -> [String] {
        let (status, page) = try await admin("/sinks/\(sink)/rows?limit=1000")
        try #require(status == 200 && page["next"]?.isNull == true)
        return page["rows"]?.elements.compactMap { $0["event_id"]?.string } ?? []
    }
}
