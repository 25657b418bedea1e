import Foundation
import JSON
import Relay
import RelayTesting
import Testing

/// A folder with a config file in it, and what tests do to a relay that runs on it, start after start.
struct RelaySetup: Sendable {
    static let secret = "wide-open-sesame-4711"
    static let token = "operators-only-0815"

    let folder: TemporaryFolder
    let port: Int
    let adminPort: Int
    var configPath: String { folder.file("sinks.json") }

    /// - Parameters:
    ///   - server: Further members of `server`, as JSON text with a comma in front.
    ///   - sinks: The text between the braces of `sinks`; relative paths are relative to the folder.
    ///   - rules: The text between the brackets of `rules`.
    ///   - journal: The journal's file; relative to the folder.
    init(server: String = "", sinks: String, rules: String, journal: String = "journal.sqlite") throws {
        folder = try TemporaryFolder()
        port = try LoopbackPort.free()
        adminPort = try LoopbackPort.free()
        let config = """
            {
              "server": { "listen": "127.0.0.1:\(port)"\(server) },
              "admin": { "listen": "127.0.0.1:\(adminPort)", "token": "\(Self.token)" },
              "hooks": [ { "name": "okta", "path": "/okta/events", "secrets": ["\(Self.secret)"] } ],
              "journal": { "path": "\(journal)" },
              "sinks": { \(sinks) },
              "rules": [ \(rules) ]
            }
            """
        try write(config, to: "sinks.json")
    }

    /// Writes a file into the folder.
    func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: folder.file(name)))
    }

    /// Starts the relay and returns when it takes requests.
    ///
    /// - Parameters:
    ///   - openFilesMax: Descriptors that it may have.
    ///   - waitsUntilReady: False returns while it is still starting.
    func start(openFilesMax: Int? = nil, waitsUntilReady: Bool = true) async throws -> RelayProcess {
        try await RelayProcess(
            config: configPath, in: folder.path, openFilesMax: openFilesMax, waitsUntilReady: waitsUntilReady)
    }

    /// Runs a command on the config file.
    func run(_ arguments: String...) async throws -> RelayBinary.Outcome {
        try await RelayBinary.run(arguments + ["--config", configPath], in: folder.path)
    }

    /// Runs a command that must end well, and reads its JSON.
    func json(_ arguments: String...) async throws -> JSONValue {
        let outcome = try await RelayBinary.run(
            arguments + ["--json", "--config", configPath], in: folder.path)
        #expect(outcome.status == 0, "\(outcome.errors)")
        return try JSONDocument(Array(outcome.output.utf8)).root
    }

    // MARK: - Intake

    var target: HTTPTarget { HTTPTarget(host: "127.0.0.1", port: port, path: "/okta/events") }

    /// POSTs a body as Okta would.
    func post(_ body: [UInt8], secret: String = RelaySetup.secret) async throws -> Int {
        try await RawHTTPClient.send(
            "POST", "/okta/events", port: port,
            headers: [("Authorization", secret), ("Content-Type", "application/json")], body: body
        ).status
    }

    /// An envelope around elements, each JSON text.
    static func envelope(_ elements: [[UInt8]], id: String = "e2e") -> [UInt8] {
        let list = elements.map { String(decoding: $0, as: UTF8.self) }.joined(separator: ",")
        return Array(
            """
            {"eventType":"com.okta.event_hook","eventTypeVersion":"1.0","cloudEventsVersion":"0.1",
            "source":"https://org.okta.example/api/v1/eventHooks/who1","eventId":"\(id)",
            "data":{"events":[\(list)]},"eventTime":"2026-03-01T10:00:01.000Z",
            "contentType":"application/json"}
            """.utf8)
    }

    // MARK: - The operator's side

    /// Whether a relay is there and answers.
    func isHealthy() async -> Bool {
        (try? await RawHTTPClient.send("GET", "/healthz", port: adminPort).status) == 200
    }

    /// What the running relay says of itself.
    func status() async throws -> JSONValue {
        let answer = try await RawHTTPClient.send(
            "GET", "/status", port: adminPort, headers: [("Authorization", "Bearer \(Self.token)")])
        try #require(answer.status == 200, "\(answer.text)")
        return try JSONDocument(answer.body).root
    }

    /// Asks the running relay's admin side, which must say yes.
    func admin(_ method: String, _ path: String, body: String? = nil) async throws -> JSONValue {
        let answer = try await RawHTTPClient.send(
            method, path, port: adminPort, headers: [("Authorization", "Bearer \(Self.token)")],
            body: body.map { Array($0.utf8) })
        try #require((200..<300).contains(answer.status), "\(answer.text)")
        return try JSONDocument(answer.body).root
    }

    /// What the running relay's admin side says of a page, yes or no.
    func page(_ path: String, token: String = RelaySetup.token) async throws -> RawHTTPResponse {
        try await RawHTTPClient.send(
            "GET", path, port: adminPort, headers: [("Authorization", "Bearer \(token)")])
    }

    /// Waits until the relay's status is as asked for: it is asked again until then, 40 s at most.
    func wait(
        for what: String, _ condition: (JSONValue) -> Bool, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let clock = SystemClock()
        var last = ""
        for _ in 0..<1_600 {
            let status = try await status()
            if condition(status) { return }
            last = String(decoding: status.raw, as: UTF8.self)
            try await clock.sleep(for: .milliseconds(25))
        }
        Issue.record("waited in vain for \(what): \(last)", sourceLocation: sourceLocation)
    }

    /// Waits until every sink has settled everything that is routed to it.
    func waitUntilSettled(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        try await wait(for: "every sink to settle", \.isSettled, sourceLocation: sourceLocation)
    }
}

extension JSONValue {
    /// In a status: whether no sink has anything waiting or parked.
    var isSettled: Bool {
        guard let sinks = self["sinks"]?.elements else { return false }
        return sinks.allSatisfy { $0["waiting"]?.int == 0 && $0["parked"]?.int == 0 }
    }

    /// In a status: one sink.
    func sink(_ name: String) -> JSONValue? {
        self["sinks"]?.elements.first { $0["name"]?.isString(name) == true }
    }

    /// In a status: one of the counts of events.
    func events(_ name: String) -> Int? { self["events"]?[name]?.int }
}
