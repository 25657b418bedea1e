import Config
import JSON
import Relay
import RelayTesting
import Rules
import ServiceLifecycle
import Testing

@Suite(.timeLimit(.minutes(1))) struct AdminServerTests {
    private static let auth = ("Authorization", "Bearer to-ken")

    /// A sink whose rows are its only side that the admin listener looks at.
    private struct Shelf: RowBrowsing {
        let name: String
        let limits = SinkLimits(batchEventsMax: 1, concurrency: 1, foldsUsers: false, keepsState: false)

        func prepare() async throws(SinkError) {}
        func deliver(_ batch: [Delivery]) async throws(SinkError) -> [Receipt] { [] }
        func probe() async throws(SinkError) {}
        func shutdown() async {}
        func rows(after: String?, limit: Int) async throws(SinkError) -> RowPage {
            if after == "broken" { throw .unavailable(reason: "gone") }
            return RowPage(rows: Array(#"[{"after":"\#(after ?? "")","limit":\#(limit)}]"#.utf8), next: "k 2")
        }
    }

    private struct Fixture {
        let port: Int
        let journal: InMemoryJournal
        let board: SinkBoard
        let readiness: Readiness

        func get(_ path: String) async throws -> (status: Int, json: JSONValue) {
            let answer = try await RawHTTPClient.send(
                "GET", path, port: port, headers: [AdminServerTests.auth])
            return (answer.status, try JSONDocument(answer.body).root)
        }
    }

    private func run(_ body: (Fixture) async throws -> Void) async throws {
        let clock = ManualClock()
        let journal = InMemoryJournal(clock: clock)
        let board = SinkBoard()
        let readiness = Readiness(clock: clock)
        let admin = AdminServer(
            AdminConfiguration(listen: ListenAddress(host: "127.0.0.1", port: 0), token: Secret("to-ken")),
            sources: AdminSources(journal: journal, board: board, sinks: { [Shelf(name: "my users")] }),
            metrics: RelayMetrics(version: "1", startedAt: 0), readiness: readiness, clock: clock,
            logger: .quiet)
        let group = ServiceGroup(configuration: .init(services: [.init(service: admin)], logger: .quiet))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            defer { tasks.cancelAll() }
            try await body(
                Fixture(
                    port: try await admin.boundAddress.port, journal: journal, board: board,
                    readiness: readiness))
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }

    /// Two events, the first of them dead at `users`, and one quarantined input that is not UTF-8.
    private func fill(_ journal: InMemoryJournal) async throws {
        let lease = try await journal.lease("users")
        let events = try ["1", "2"].map { id in
            try Event(body: JSONDocument(Sample.event(id)), hook: "main", org: "o", receivedAt: 5)
        }
        let route = Route(choices: [Route.Choice(sink: "users", rule: "all")])
        _ = try await journal.append(
            Submission(
                events: events.map { Submission.RoutedEvent(event: $0, route: route) },
                quarantined: [
                    QuarantinedInput(hook: "main", reason: "not JSON", bytes: [0xFF, 0], receivedAt: 6)
                ]))
        let failure = FailedAttempt(number: 1, at: 7, reason: "no user")
        try await journal.settle(
            Settlement(
                sink: "users", epoch: lease.epoch, cursor: Offset(rawValue: 1),
                deadLetters: [
                    DeadLetter(offset: Offset(rawValue: 1), subject: nil, failures: [failure])
                ]))
    }

    @Test func onlyHealthNeedsNoToken() async throws {
        try await run { admin in
            #expect(try await RawHTTPClient.send("GET", "/healthz", port: admin.port).status == 200)
            #expect(try await RawHTTPClient.send("GET", "/readyz", port: admin.port).status == 503)
            admin.readiness.started()
            #expect(try await RawHTTPClient.send("GET", "/readyz", port: admin.port).status == 200)
            admin.readiness.stopping()
            #expect(try await RawHTTPClient.send("GET", "/readyz", port: admin.port).status == 503)
            for path in ["/status", "/metrics", "/sinks", "/events", "/dead-letters", "/nothing"] {
                for header in ["", "Bearer", "Bearer ", "Bearer to-keN", "Basic to-ken", "to-ken"] {
                    let answer = try await RawHTTPClient.send(
                        "GET", path, port: admin.port, headers: [("Authorization", header)])
                    #expect(answer.status == 401)
                    #expect(answer["www-authenticate"]?.hasPrefix("Bearer") == true)
                }
            }
            let post = try await RawHTTPClient.send(
                "POST", "/status", port: admin.port, headers: [Self.auth], body: [1])
            #expect(post.status == 405 && post["allow"] == "GET")
        }
    }

    @Test func thePageHoldsNoDataAndRunsOnlyItsOwnScript() async throws {
        try await run { admin in
            let page = try await RawHTTPClient.send("GET", "/", port: admin.port)
            #expect(page.status == 200 && page["content-type"] == "text/html; charset=utf-8")
            let policy = try #require(page["content-security-policy"])
            #expect(policy.contains("default-src 'none'") && policy.contains("script-src 'sha256-"))
            #expect(!policy.contains("unsafe"))
            #expect(!page.text.contains("innerHTML") && !page.text.contains("http"))
        }
    }

    @Test func showsStatusAndMetrics() async throws {
        try await run { admin in
            try await fill(admin.journal)
            admin.board.update("users", LiveSinkState(state: .open, reason: "refused", since: 0, inFlight: 2))
            let (status, json) = try await admin.get("/status")
            #expect(status == 200 && json["ready"]?.bool == false)
            #expect(json["events"]?["accepted"]?.int == 2 && json["events"]?["quarantined"]?.int == 1)
            let sink = try #require(json["sinks"]?.elements.first { _ in true })
            #expect(sink["name"]?.string == "users" && sink["state"]?.string == "open")
            #expect(sink["waiting"]?.int == 1 && sink["dead"]?.int == 1 && sink["inFlight"]?.int == 2)
            let metrics = try await RawHTTPClient.send(
                "GET", "/metrics", port: admin.port, headers: [Self.auth])
            #expect(metrics["content-type"]?.hasPrefix("text/plain; version=0.0.4") == true)
            #expect(metrics.text.contains(#"okta_relay_sink_waiting_entries{sink="users"} 1"#))
        }
    }

    @Test func listsAndShowsRecords() async throws {
        try await run { admin in
            try await fill(admin.journal)
            let events = try await admin.get("/events?limit=1").json
            #expect(events["events"]?.elements.map { $0["eventId"]?.string } == ["2"])
            #expect(events["next"]?.int == 2)
            let older = try await admin.get("/events?limit=1&before=2").json
            #expect(older["events"]?.elements.map { $0["eventId"]?.string } == ["1"])
            let shown = try await admin.get("/events/2").json
            #expect(
                shown["event"]?["uuid"]?.string == "2"
                    && older["events"]?.elements.first { _ in true }?["event"] == nil)
            for (query, ids) in [
                ("unrouted=true", []), ("event=1", ["1"]), ("type=user.*", ["2", "1"]), ("type=app.*", []),
                ("hook=main", ["2", "1"]), ("until=1970-01-01T00:00:00Z", []),
            ] {
                let found = try await admin.get("/events?\(query)").json["events"]
                #expect(found?.elements.map { $0["eventId"]?.string } == ids, "\(query)")
            }
            let letters = try await admin.get("/dead-letters?sink=users").json
            #expect(letters["deadLetters"]?.elements.map { $0["reason"]?.string } == ["no user"])
            #expect(letters["next"]?.isNull == true)
            let none = try await admin.get("/dead-letters?sink=other").json
            #expect(none["deadLetters"]?.elements.map { $0["id"]?.int } == [])
            let letter = try await admin.get("/dead-letters/1").json
            #expect(letter["event"]?["uuid"]?.string == "1")
            let input = try await admin.get("/quarantine/1").json
            #expect(input["base64"]?.string == "/wA=" && input["reason"]?.string == "not JSON")
            #expect(try await admin.get("/quarantine").json["quarantine"]?.elements.map { _ in 1 } == [1])
            for path in ["/events/9", "/dead-letters/9", "/dead-letters/x", "/quarantine/9", "/nothing"] {
                let (status, json) = try await admin.get(path)
                #expect(status == 404 && json["error"]?.string != nil)
            }
            for path in ["/events?limit=0", "/events?limit=1001", "/events?before=x"] {
                #expect(try await admin.get(path).status == 400)
            }
        }
    }

    @Test func browsesRows() async throws {
        try await run { admin in
            let page = try await admin.get("/sinks/my%20users/rows?after=a%26b&limit=7").json
            let row = try #require(page["rows"]?.elements.first { _ in true })
            #expect(row["after"]?.string == "a&b" && row["limit"]?.int == 7)
            #expect(page["next"]?.string == "k 2")
            let (status, json) = try await admin.get("/sinks/nobody/rows")
            #expect(status == 404 && json["error"]?.string?.contains("my users") == true)
            #expect(try await admin.get("/sinks/my%20users/rows?after=broken").status == 502)
        }
    }

    @Test func saysWhenTheJournalIsClosed() async throws {
        try await run { admin in
            await admin.journal.close()
            let (status, json) = try await admin.get("/events")
            #expect(status == 503 && json["error"]?.string?.contains("closed") == true)
        }
    }

    @Test func readinessComesBackByItself() {
        let clock = ManualClock()
        let readiness = Readiness(clock: clock)
        readiness.started()
        readiness.failedToCommit("disk full")
        #expect(readiness.state == .notReady(reason: "the journal could not commit: disk full"))
        clock.advance(by: Readiness.failureHold)
        #expect(readiness.state == .ready)
    }
}
