import Foundation
import JSON
import Relay
import RelayTesting
import Testing

/// Four sinks that are ill in four ways, and a fifth that must not notice.
///
/// The fifth is measured alone and beside the four in turns, in one run of one relay: for the turns in which
/// it is alone, the others are paused. So whatever else the machine does meets both.
@Suite(.timeLimit(.minutes(5))) struct IsolationTests {
    private static let legs = Soak.isOn ? 9 : 5
    /// Events of one leg.
    private static let sample = Soak.isOn ? 120 : 40
    private static let ill = ["refused", "silent", "busy", "choosy"]
    /// When requests came to the fifth sink, by event.
    private let arrivals = AsyncStream<(event: String, at: ContinuousClock.Instant)>.makeStream()

    private static func event(of request: HTTPReceiver.Request) -> String? {
        try? JSONDocument(request.body).root["id"]?.string
    }

    @Test func theFifthIsAsQuickAsAlone() async throws {
        let silent = try HTTPReceiver { _ in .silence }
        let busy = try HTTPReceiver { _ in .respond(429, headers: ["Retry-After: 1"]) }
        let choosy = try HTTPReceiver { request in
            Self.event(of: request)?.hasSuffix("0") == true ? .respond(400) : .respond(200)
        }
        let well = try HTTPReceiver { [arrivals = arrivals.continuation] request in
            let now = ContinuousClock.now
            if let event = Self.event(of: request) { arrivals.yield((event: event, at: now)) }
            return .respond(200)
        }
        defer { for receiver in [silent, busy, choosy, well] { receiver.stop() } }
        let nobody = "http://127.0.0.1:\(try LoopbackPort.free())"
        let setup = try setup([nobody, silent.url, busy.url, choosy.url], fifth: well.url)
        let relay = try await setup.start()
        var alone: [[Duration]] = []
        var beside: [[Duration]] = []
        for leg in 0..<Self.legs {
            try await tellTheIll("pause", setup)
            // The first request of all opens connections and fills caches.
            if leg == 0 { _ = try await latencies(of: "user.lifecycle.create", "first", 10, setup) }
            alone.append(try await latencies(of: "user.lifecycle.create", "\(leg)", Self.sample, setup))
            try await tellTheIll("resume", setup)
            try await makeIll(leg, setup)
            beside.append(try await latencies(of: "user.lifecycle.activate", "\(leg)", Self.sample, setup))
        }
        let (before, after) = (Latencies(alone), Latencies(beside))
        Soak.report("isolation: fifth sink alone \(before), beside four that are ill \(after)")
        #expect(after.isAsGood(as: before), "alone \(before), beside the four \(after)")
        try await eachHasWhatIsItsOwn(setup)
        #expect(well.requests.count == 10 + 2 * Self.legs * Self.sample)
        #expect(await relay.stop() == 0)
    }

    /// A delay of the fifth by any of the others must not pass for noise.
    @Test(arguments: [1, 5, 20, 50, 200])
    func fiftyMillisecondsMoreWouldBeSeen(_ milliseconds: Int) {
        let alone = [[Duration.milliseconds(milliseconds), .milliseconds(2 * milliseconds)]]
        let delayed = alone.map { $0.map { $0 + .milliseconds(50) } }
        #expect(Latencies(alone).isAsGood(as: Latencies(alone)))
        #expect(!Latencies(delayed).isAsGood(as: Latencies(alone)))
    }

    /// Whoever shares a thread with the silent one waits for it once, and is quick before and after that.
    @Test func oneEventOfALegThatWaitsWouldBeSeen() {
        let alone = Array(repeating: Array(repeating: Duration.milliseconds(5), count: 40), count: 5)
        let stalled = alone.map { [.seconds(1)] + $0.dropFirst() }
        #expect(!Latencies(stalled).isAsGood(as: Latencies(alone)))
        // The machine's own hiccup spoils one leg.
        #expect(Latencies([stalled[0]] + alone.dropFirst()).isAsGood(as: Latencies(alone)))
    }

    // MARK: - The relay

    private func setup(_ urls: [String], fifth: String) throws -> RelaySetup {
        // Who never answers is with the relay most of the time, and a pause has not to wait long for that.
        let sinks = zip(Self.ill, urls).map { name, url in
            Destinations.messages(url, name: name, more: name == "silent" ? #""timeout": "1s","# : "")
        }
        let names = Self.ill.map { "\"\($0)\"" }.joined(separator: ", ")
        return try RelaySetup(
            sinks: (sinks + [Destinations.messages(fifth, name: "fifth")]).joined(separator: ","),
            rules: """
                { "name": "alone", "events": ["user.lifecycle.create"], "sinks": ["fifth"] },
                { "name": "ill", "events": ["user.lifecycle.suspend"], "sinks": [\(names)] },
                { "name": "all", "events": ["user.lifecycle.activate"], "sinks": [\(names), "fifth"] }
                """)
    }

    private func tellTheIll(_ verb: String, _ setup: RelaySetup) async throws {
        for sink in Self.ill { _ = try await setup.admin("POST", "/sinks/\(sink)/\(verb)", body: "{}") }
    }

    /// Gives the four something that they cannot deliver, and waits until three of them have failed on it, or
    /// are about to; the fourth fails on events, and not as a whole.
    private func makeIll(_ leg: Int, _ setup: RelaySetup) async throws {
        let events = (1...3).map { number in
            LogEventFixture(
                uuid: "ill-\(leg)-\(number)", type: "user.lifecycle.suspend", userID: "00u-ill-\(number)"
            ).json
        }
        #expect(try await setup.post(RelaySetup.envelope(events)) == 200)
        try await setup.wait(for: "three sinks to be ill") { status in
            Self.ill.prefix(3).allSatisfy { name in
                let sink = status.sink(name)
                let isDown = ["open", "halfOpen"].contains { sink?["state"]?.isString($0) == true }
                return isDown || (name == "silent" && (sink?["inFlight"]?.int ?? 0) > 0)
            }
        }
    }

    /// All of the fifth's is there while the others have theirs before them, each in its own state.
    private func eachHasWhatIsItsOwn(_ setup: RelaySetup) async throws {
        let sent = Self.legs * (Self.sample + 3)
        let rejected = Self.legs * Self.sample / 10
        try await setup.wait(for: "the choosy and the fifth to be done") { status in
            ["choosy", "fifth"].allSatisfy {
                status.sink($0)?["waiting"]?.int == 0 && status.sink($0)?["parked"]?.int == 0
            }
        }
        let status = try await setup.status()
        for name in Self.ill.prefix(3) {
            #expect(status.sink(name)?["delivered"]?.int == 0, "\(name)")
            #expect(status.sink(name)?["dead"]?.int == 0, "\(name)")
            #expect(status.sink(name)?["waiting"]?.int == sent, "\(name)")
        }
        #expect(status.sink("choosy")?["dead"]?.int == rejected)
        #expect(status.sink("choosy")?["delivered"]?.int == sent - rejected)
        #expect(status.sink("fifth")?["dead"]?.int == 0)
    }

    // MARK: - Measuring

    /// From the request's first byte to the fifth sink's, one event after another.
    private func latencies(
        of type: String, _ leg: String, _ count: Int, _ setup: RelaySetup
    ) async throws -> [Duration] {
        var latencies: [Duration] = []
        for number in 0..<count {
            let event = LogEventFixture(
                uuid: "\(type)-\(leg)-\(number)", type: type, userID: "00u-\(leg)-\(number)")
            let started = ContinuousClock.now
            #expect(try await setup.post(RelaySetup.envelope([event.json])) == 200)
            latencies.append(try await arrival(of: event.uuid) - started)
        }
        return latencies
    }

    private func arrival(of event: String) async throws -> ContinuousClock.Instant {
        for await arrival in arrivals.stream where arrival.event == event { return arrival.at }
        throw CancellationError()
    }

    /// What is typical of several legs: of each one's median, its tail and its slowest event, the median.
    ///
    /// So a moment in which the machine was busy with something else spoils a leg, and not the result.
    private struct Latencies: CustomStringConvertible {
        let median: Duration
        /// So many percent of a leg were at least as quick, which leaves out its two slowest.
        private static let tailPercent = Soak.isOn ? 99 : 95
        let tail: Duration
        let slowest: Duration

        init(_ legs: [[Duration]]) {
            func typical(_ percent: Int) -> Duration {
                Self.quantile(50, of: legs.map { Self.quantile(percent, of: $0) })
            }
            (median, tail, slowest) = (typical(50), typical(Self.tailPercent), typical(100))
        }

        private static func quantile(_ percent: Int, of latencies: [Duration]) -> Duration {
            latencies.sorted()[(latencies.count - 1) * percent / 100]
        }

        /// Whether all that lies between the two is what five sinks cost a machine that had one to serve.
        ///
        /// An event's way is a commit and two requests. Beside other sinks it may have to wait for one commit
        /// of theirs, and for a core, so it may take twice as long; 5 ms more are no more than that core.
        /// Where it takes long alone already, 50 ms more must be too much all the same. Who waited for one of
        /// the four would wait for a timeout or a `Retry-After`, a second both. That may meet one event of a
        /// leg and no other, so in most legs the slowest of all must be far below it, unless the machine
        /// itself stalls for that long.
        func isAsGood(as alone: Latencies) -> Bool {
            let medianMax = alone.median + min(max(alone.median, .milliseconds(5)), .milliseconds(40))
            return median <= medianMax && tail <= alone.tail * 3 + .milliseconds(50)
                && slowest < max(alone.slowest * 2, .milliseconds(500))
        }

        var description: String { "p50 \(median), p\(Self.tailPercent) \(tail), slowest \(slowest)" }
    }
}
