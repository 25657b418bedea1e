import Config
import JSON
import RelayTesting
import ServiceLifecycle
import Testing

@testable import Relay

/// The operator's verbs over HTTP: who may, with which method, and with how large a body.
@Suite(.timeLimit(.minutes(1))) struct AdminOperatorTests {
    private static let auth = ("Authorization", "Bearer to-ken")

    private func run(_ body: (OperatorFixture, Int) async throws -> Void) async throws {
        let fixture = try await OperatorFixture()
        let readiness = Readiness(clock: fixture.clock)
        let admin = AdminServer(
            AdminConfiguration(listen: ListenAddress(host: "127.0.0.1", port: 0), token: Secret("to-ken")),
            sources: AdminSources(
                journal: fixture.inspection, board: SinkBoard(), sinks: { [] }, hands: fixture.hands),
            metrics: RelayMetrics(version: "1", startedAt: 0), readiness: readiness, clock: fixture.clock,
            logger: .quiet)
        let group = ServiceGroup(
            configuration: .init(services: [.init(service: admin)], logger: .quiet))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            defer { tasks.cancelAll() }
            try await body(fixture, try await admin.boundAddress.port)
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }

    @Test func nothingChangesWithoutTheToken() async throws {
        try await run { fixture, port in
            _ = try await fixture.journal.lease("crm")
            for headers in [[], [("Authorization", "Bearer other")]] as [[(String, String)]] {
                let answer = try await RawHTTPClient.send(
                    "POST", "/sinks/crm/pause", port: port, headers: headers, body: Array("{}".utf8))
                #expect(answer.status == 401)
            }
            #expect(try await fixture.sink().hold == nil)
            let answer = try await RawHTTPClient.send(
                "POST", "/sinks/crm/pause", port: port, headers: [Self.auth])
            #expect(answer.status == 200)
            #expect(try await fixture.sink().hold?.kind == .paused)
        }
    }

    @Test(arguments: [
        ("GET", "/sinks/crm/pause", "POST"), ("DELETE", "/dead-letters/redrive", "POST"),
        ("POST", "/status", "GET"), ("POST", "/sinks", "GET"), ("POST", "/history", "GET"),
        ("PUT", "/replays", "GET, POST"), ("POST", "/replays/1", "GET"), ("POST", "/healthz", "GET"),
    ])
    func aWrongMethodIsToldTheRightOnes(_ method: String, _ path: String, _ allowed: String) async throws {
        try await run { _, port in
            let answer = try await RawHTTPClient.send(method, path, port: port, headers: [Self.auth])
            #expect(answer.status == 405)
            #expect(answer["allow"] == allowed)
        }
    }

    /// `?dryRun=true` that nobody looks at would do it, and a filter would mean everything.
    @Test func aPostWithAQueryChangesNothing() async throws {
        try await run { fixture, port in
            _ = try await fixture.journal.lease("crm")
            try await fixture.append(1...3)
            try await fixture.bury()
            _ = try await fixture.ask("/sinks/crm/pause")
            for path in ["/sinks/crm/resume?dryRun=true", "/dead-letters/discard?sink=crm"] {
                let answer = try await RawHTTPClient.send("POST", path, port: port, headers: [Self.auth])
                #expect(answer.status == 400)
                let error = try JSONDocument(answer.body).root["error"]?.string
                #expect(error?.contains("in the body") == true)
            }
            #expect(try await fixture.sink().hold?.kind == .paused)
            #expect(try await fixture.letters().count == 3)
        }
    }

    @Test func aBodyIsBounded() async throws {
        try await run { fixture, port in
            let body = Array(#"{"reason":"\#(String(repeating: "x", count: 300_000))"}"#.utf8)
            let answer = try await RawHTTPClient.send(
                "POST", "/sinks/crm/pause", port: port, headers: [Self.auth], body: body)
            #expect(answer.status == 413)
            let ids = (1...1_000).map { "\(1_000_000_000_000 + $0)" }.joined(separator: ",")
            let most = try await RawHTTPClient.send(
                "POST", "/dead-letters/discard", port: port, headers: [Self.auth],
                body: Array(#"{"ids":[\#(ids)]}"#.utf8))
            #expect(most.status == 200)
        }
    }

    @Test func listsTakeTheSameFilters() async throws {
        try await run { fixture, port in
            _ = try await fixture.journal.lease("crm")
            try await fixture.append(1...3)
            try await fixture.bury()
            func get(_ path: String) async throws -> (Int, JSONValue) {
                let answer = try await RawHTTPClient.send("GET", path, port: port, headers: [Self.auth])
                return (answer.status, try JSONDocument(answer.body).root)
            }
            let (_, one) = try await get("/dead-letters?user=user-2&error=422&type=user.*")
            #expect(one["deadLetters"]?.elements.map { $0["eventId"]?.string } == ["event-2"])
            let letters = one["deadLetters"]?.elements.map { $0 } ?? []
            let attempts = letters.first?["attempts"]?.elements.map { $0 } ?? []
            #expect(attempts.map { $0["tookSeconds"]?.double } == [0.25])
            #expect(try await get("/dead-letters?ids=1,3").1["deadLetters"]?.elements.map { $0 }.count == 2)
            let (_, letter) = try await get("/dead-letters/2")
            #expect(letter["attemptCount"]?.int == 1 && letter["attemptsLeftOut"]?.int == 0)
            for (limit, isLast) in [(2, false), (3, true)] {
                let (_, page) = try await get("/dead-letters?limit=\(limit)")
                #expect(page["deadLetters"]?.elements.map { $0 }.count == limit)
                #expect(page["next"]?.isNull == isLast)
            }
            #expect(try await get("/dead-letters?usr=x").0 == 400)
            #expect(try await get("/dead-letters?error=").0 == 400)
            #expect(try await get("/dead-letters?user=user-2&user=user-3").0 == 400)
            #expect(try await get("/dead-letters?sink=nope").0 == 404)
            #expect(try await get("/dead-letters?rule=nope").0 == 404)
            #expect(try await get("/dead-letters?rule=staff&user=x").0 == 200)
            #expect(try await get("/quarantine?hook=nope").0 == 404)
            #expect(try await get("/quarantine?hook=okta").0 == 200)
            for ids in ["", "1,,2", ",", "1,"] {
                #expect(try await get("/dead-letters?ids=\(ids)").0 == 400, "\(ids)")
            }
            #expect(try await get("/quarantine?type=user.*&user=x").0 == 200)
            #expect(try await get("/detached").1["detached"]?.elements.map { $0 }.count == 0)
            #expect(try await get("/quarantine?reason=JSON&since=soon").0 == 400)
            for path in ["/status", "/sinks", "/events", "/dead-letters/2", "/quarantine/1", "/replays"] {
                #expect(try await get(path + "?sink=crm&usr=x").0 == 400, "\(path)")
            }
        }
    }
}
