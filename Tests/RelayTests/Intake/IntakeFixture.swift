import Config
import Foundation
import JSON
import Logging
import Relay
import RelayTesting
import Rules
import ServiceLifecycle
import Synchronization

/// A running intake over a journal in memory, for as long as a test's body takes.
struct IntakeFixture {
    static let secret = "s3cret^%*&!"
    static let auth = ("authorization", secret)

    let port: Int
    let journal: InMemoryJournal
    let metrics: RelayMetrics
    let readiness: Readiness
    let live: LiveIntake
    let server: ServerConfiguration
    /// Stops the intake gracefully.
    let stop: @Sendable () async -> Void

    static func hooks() -> [HookConfiguration] {
        [
            HookConfiguration(
                name: "main", path: "/okta", secrets: [Secret(secret), Secret("the-next-one")]),
            HookConfiguration(
                name: "narrow", path: "/narrow", header: "X-Hook-Key", secrets: [Secret("narrow-secret")],
                events: [EventTypePattern("user.lifecycle.*")], org: "main", verification: .open),
        ]
    }

    static func run(
        clock: any RelayClock = SystemClock(),
        log: CapturedLog = CapturedLog(),
        configure: (inout ServerConfiguration) -> Void = { _ in },
        _ body: (IntakeFixture) async throws -> Void
    ) async throws {
        var server = ServerConfiguration(
            listen: ListenAddress(host: "127.0.0.1", port: 0), bodyBytesMax: 4 * 1024 * 1024)
        configure(&server)
        let journal = InMemoryJournal(clock: clock)
        let metrics = RelayMetrics(
            version: "test", hooks: hooks().map(\.name), startedAt: 1_767_225_600_000_000_000)
        let readiness = Readiness(clock: clock)
        let live = LiveIntake(IntakeSettings(server: server, hooks: hooks(), rules: RuleTable([])))
        let logger = Logger(label: "test") { _ in log }
        let intake = IntakeServer(
            server: server, live: live, journal: journal, clock: clock,
            metrics: metrics, readiness: readiness, logger: logger)
        let group = ServiceGroup(configuration: .init(services: [.init(service: intake)], logger: logger))
        let settings = server
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            let fixture = IntakeFixture(
                port: try await intake.boundAddress.port, journal: journal, metrics: metrics,
                readiness: readiness, live: live, server: settings,
                stop: { await group.triggerGracefulShutdown() })
            do {
                try await body(fixture)
            } catch {
                journal.releaseAppends()
                tasks.cancelAll()
                throw error
            }
            journal.releaseAppends()
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }

    /// Swaps in settings with these hooks and rules.
    func swap(hooks: [HookConfiguration] = hooks(), rules: RuleTable) {
        live.swap(IntakeSettings(server: server, hooks: hooks, rules: rules))
    }

    /// Sends an authenticated delivery to the main hook.
    func deliver(_ body: [UInt8]) async throws -> RawHTTPResponse {
        try await RawHTTPClient.send("POST", "/okta", port: port, headers: [Self.auth], body: body)
    }

    /// The value of one sample line, as `/metrics` shows it.
    func metric(_ line: String) -> String? {
        metrics.render(status: nil, isReady: true, now: 0).split(separator: "\n")
            .first { $0.hasPrefix(line + " ") }.map { String($0.dropFirst(line.count + 1)) }
    }
}

/// Keeps every line in memory.
final class CapturedLog: LogHandler {
    private let state = Mutex<[String]>([])

    var lines: [String] { state.withLock { $0 } }
    var metadata: Logger.Metadata {
        get { [:] }
        set {}
    }
    var logLevel: Logger.Level {
        get { .trace }
        set {}
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }

    func log(event: LogEvent) {
        let text = "\(event.level) \(event.message) \(event.metadata ?? [:])"
        state.withLock { $0.append(text) }
    }
}

/// Envelopes as Okta's hooks send them, made up for these tests.
enum Sample {
    static func event(
        _ id: String, type: String = "user.lifecycle.create",
        published: String = "2026-01-01T10:00:00.123456789Z"
    ) -> String {
        """
        {"uuid":"\(id)","eventType":"\(type)","published":"\(published)","outcome":{"result":"SUCCESS"},
        "target":[{"type":"User","id":"00u\(id)","alternateId":"ann@example.com","displayName":"Ann"}]}
        """
    }

    static func envelope(_ elements: [String]) -> [UInt8] {
        Array(
            """
            {"eventType":"com.okta.event_hook","eventTypeVersion":"1.0","cloudEventsVersion":"0.1",
            "source":"https://example.okta.com/api/v1/eventHooks/who1","eventId":"5ec1",
            "data":{"events":[\(elements.joined(separator: ","))]},
            "eventTime":"2026-01-01T10:00:01Z","contentType":"application/json"}
            """.utf8)
    }
}
