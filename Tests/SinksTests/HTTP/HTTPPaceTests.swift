import Config
import Relay
import RelayTesting
import Synchronization
import Testing

@testable import Sinks

/// The limit that the server tells of in its headers.
@Suite("The HTTP sink: the server's own rate limit")
struct HTTPPaceTests {
    private static let names = HTTPRateHeaders(remaining: "X-RateLimit-Remaining", reset: "X-RateLimit-Reset")
    /// 2026-01-01T00:00:00Z.
    private static let start: Int64 = 1_767_225_600_000_000_000
    private static let second: Int64 = 1_000_000_000

    private func report(_ remaining: String, _ reset: String) -> HTTPRateReport? {
        let response = CurlResponse(
            status: 200, headers: [("x-ratelimit-remaining", remaining), ("X-RATELIMIT-RESET", reset)],
            body: [], isBodyComplete: true, isCutOff: false)
        return HTTPRateReport(response, Self.names, at: Self.start)
    }

    // MARK: - Reading

    @Test(arguments: [
        ("30", 30), ("0.5", 0.5), ("0", 0), ("1767225660", 60), ("1767225660000", 60),
        ("1767225600250", 0.25),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60), ("Thursday, 01-Jan-26 00:01:00 GMT", 60),
    ])
    func aResetIsReadInEveryForm(_ text: String, _ seconds: Double) throws {
        let wait = try #require(report("5", text)?.untilReset)
        #expect(abs(wait.nanoseconds - Int64(seconds * 1e9)) < 1_000_000)
    }

    @Test(arguments: ["", "soon", "-3", "nan", "inf", "1e300", "99999999999"])
    func whatIsNoTimeIsNone(_ text: String) { #expect(report("0", text)?.untilReset == nil) }

    @Test func aNumberThatCannotBeReadIsNoReport() {
        for text in ["", "many", "nan", "inf"] { #expect(report(text, "30") == nil) }
        #expect(report("-4", "30")?.remaining == 0 && report("7.9", "30")?.remaining == 7)
        #expect(report("1e300", "30")?.remaining == 1_000_000_000)
    }

    // MARK: - Keeping to it

    @Test func nothingIsSentBetweenTheLastRequestAndTheReset() throws {
        var pace = HTTPPace(nil)
        pace.heard(try #require(report("1", "30")), at: Self.start)
        #expect(pace.take(at: Self.start) == nil, "one is left")
        pace.heard(try #require(report("0", "30")), at: Self.start)
        let waits = [0, 29, 30].map { pace.take(at: Self.start + Int64($0) * Self.second) }
        #expect(waits == [.seconds(30), .seconds(1), nil])
    }

    @Test func whatIsInFlightMayTakeTheRest() throws {
        var pace = HTTPPace(nil)
        for _ in 0..<3 { pace.sent() }
        pace.heard(try #require(report("4", "30")), at: Self.start)
        #expect(pace.pause(at: Self.start) == nil)
        pace.heard(try #require(report("3", "30")), at: Self.start)
        #expect(pace.pause(at: Self.start) == .seconds(30))
        for _ in 0..<3 { pace.ended() }
        // An answer that was late tells of what was.
        pace.heard(try #require(report("9", "30")), at: Self.start)
        #expect(pace.pause(at: Self.start) == .seconds(30))
    }

    @Test func noPauseIsLongerThanAnHour() throws {
        var pace = HTTPPace(nil)
        pace.heard(try #require(report("0", "90000")), at: Self.start)
        #expect(pace.pause(at: Self.start) == .seconds(3_600))
    }

    // MARK: - The sink

    private func sink(
        _ receiver: HTTPReceiver, _ client: CurlClient, _ clock: ManualClock, rate: RateLimit? = nil
    ) throws -> HTTPSink {
        var configuration = try HTTPFixtures.contacts(receiver.url)
        configuration.rateHeaders = Self.names
        configuration.rate = rate
        return HTTPSink(name: "crm", configuration: configuration, client: client, clock: clock)
    }

    private func headers(_ remaining: Int, _ reset: String) -> [String] {
        ["X-RateLimit-Remaining: \(remaining)", "X-RateLimit-Reset: \(reset)"]
    }

    @Test func theSinkWaitsForTheReset() async throws {
        let left = Mutex(2)
        try await withReceiver({ _ in
            let remaining = left.withLock { left in
                left -= 1
                return left
            }
            return .respond(200, headers: headers(remaining, "1767225620"))
        }) { receiver, client in
            let clock = ManualClock()
            let sink = try sink(receiver, client, clock)
            _ = try await sink.attempt(HTTPFixtures.update(1))
            #expect(try await sink.takeTurn([HTTPFixtures.update(2)]) == nil)
            _ = try await sink.attempt(HTTPFixtures.update(2))
            #expect(try await sink.takeTurn([HTTPFixtures.update(3)]) == .everybody(.seconds(20)))
            // What makes no request needs no turn.
            let group = HTTPFixtures.delivery(try HTTPFixtures.event("group.lifecycle.create", user: nil))
            #expect(try await sink.takeTurn([group]) == nil)
            clock.advance(by: .seconds(20))
            #expect(try await sink.attempt(HTTPFixtures.update(3))?.outcome == .delivered)
            #expect(receiver.requests.count == 3)
        }
    }

    /// What a clock that is set says of a reset counts when it is heard, and not again.
    @Test(arguments: ["20", "1767225620", "Thu, 01 Jan 2026 00:00:20 GMT"])
    func aClockThatIsSetMovesNoReset(_ reset: String) async throws {
        try await withReceiver({ _ in .respond(200, headers: headers(0, reset)) }) { receiver, client in
            let clock = ManualClock()
            let sink = try sink(receiver, client, clock)
            _ = try await sink.attempt(HTTPFixtures.update(1))
            for step in [7_200, -7_230] {
                clock.set(by: .seconds(step))
                #expect(try await sink.takeTurn([HTTPFixtures.update(2)]) == .everybody(.seconds(20)))
            }
        }
    }

    @Test(arguments: [7_200, -7_200]) func aClockThatIsSetChangesNoRate(_ seconds: Int) async throws {
        try await withReceiver { receiver, client in
            let clock = ManualClock()
            let rate = RateLimit(count: 2, period: .seconds(30))
            let sink = try sink(receiver, client, clock, rate: rate)
            _ = try await sink.attempt(HTTPFixtures.update(1))
            clock.advance(by: .seconds(10))
            _ = try await sink.attempt(HTTPFixtures.update(2))
            clock.set(by: .seconds(seconds))
            #expect(try await sink.takeTurn([HTTPFixtures.update(3)]) == .everybody(.seconds(20)))
            clock.advance(by: .seconds(20))
            #expect(try await sink.attempt(HTTPFixtures.update(3))?.outcome == .delivered)
        }
    }

    @Test func aLongPauseIsAnOutageThatSaysWhy() async throws {
        try await withReceiver({ _ in .respond(200, headers: headers(0, "86400")) }) { receiver, client in
            let sink = try sink(receiver, client, ManualClock())
            _ = try await sink.attempt(HTTPFixtures.update(1))
            let next = try HTTPFixtures.update(2)
            guard
                case .unavailable(let reason, let pause, _) = await failure({
                    try await sink.takeTurn([next])
                })
                    as? SinkError
            else {
                Issue.record("not unavailable")
                return
            }
            #expect(reason.contains("rate limit") && pause == .seconds(3_600))
        }
    }

    /// Intercom and HubSpot don't promise a `Retry-After`.
    @Test func withoutRetryAfterTheResetSaysHowLong() async throws {
        try await withReceiver({ _ in .respond(429, headers: headers(0, "12")) }) { receiver, client in
            let sink = try sink(receiver, client, ManualClock())
            let receipt = try await sink.deliver([HTTPFixtures.update()]).first
            #expect(receipt?.outcome == .retry(after: .seconds(12), reason: "HTTP 429"))
        }
    }

    @Test func theOwnRateHoldsBesideIt() async throws {
        try await withReceiver({ _ in .respond(200, headers: headers(50, "5")) }) { receiver, client in
            let rate = RateLimit(count: 1, period: .seconds(30))
            let sink = try sink(receiver, client, ManualClock(), rate: rate)
            _ = try await sink.attempt(HTTPFixtures.update(1))
            #expect(try await sink.takeTurn([HTTPFixtures.update(2)]) == .everybody(.seconds(30)))
        }
    }
}
