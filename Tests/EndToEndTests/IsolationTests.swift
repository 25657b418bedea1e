import Foundation
import JSON
import Relay
import RelayTesting
import Synchronization
import Testing

/// Four sinks that are ill in four ways, and a fifth that must not notice.
@Suite(.timeLimit(.minutes(2))) struct IsolationTests {
    private static let sample = Soak.isOn ? 1_000 : 80
    /// When a request came to the fifth sink, by event.
    private let arrivals = Arrivals()

    private final class Arrivals: Sendable {
        private let times = Mutex<[String: ContinuousClock.Instant]>([:])

        func note(_ request: HTTPReceiver.Request) {
            guard let event = IsolationTests.event(of: request) else { return }
            times.withLock { $0[event] = $0[event] ?? .now }
        }

        func time(of event: String) -> ContinuousClock.Instant? { times.withLock { $0[event] } }
    }

    private static func event(of request: HTTPReceiver.Request) -> String? {
        try? JSONDocument(request.body).root["id"]?.string
    }

    @Test func theFifthIsAsQuickAsAlone() async throws {
        let silent = try HTTPReceiver { _ in .silence }
        let busy = try HTTPReceiver { _ in .respond(429, headers: ["Retry-After: 1"]) }
        let choosy = try HTTPReceiver { request in
            Self.event(of: request)?.hasSuffix("0") == true ? .respond(400) : .respond(200)
        }
        let well = try HTTPReceiver { [arrivals] request in
            arrivals.note(request)
            return .respond(200)
        }
        defer { for receiver in [silent, busy, choosy, well] { receiver.stop() } }
        let nobody = "http://127.0.0.1:\(try LoopbackPort.free())"
        let ill = [("refused", nobody), ("silent", silent.url), ("busy", busy.url), ("choosy", choosy.url)]
        let setup = try RelaySetup(
            sinks: (ill + [("fifth", well.url)]).map { Destinations.messages($0.1, name: $0.0) }
                .joined(separator: ","),
            rules: """
                { "name": "alone", "events": ["user.lifecycle.create"], "sinks": ["fifth"] },
                { "name": "all", "events": ["user.lifecycle.activate"],
                  "sinks": ["refused", "silent", "busy", "choosy", "fifth"] }
                """)
        let relay = try await setup.start()
        let alone = try await latencies(of: "user.lifecycle.create", setup)
        let among = try await latencies(of: "user.lifecycle.activate", setup)
        Soak.report("isolation: fifth sink alone \(alone), beside four that are ill \(among)")
        // Waiting for one of the others would take seconds; all else is the noise of a busy machine.
        #expect(among.median < alone.median * 3 + .milliseconds(50), "\(alone), then \(among)")
        #expect(among.last < alone.last * 3 + .milliseconds(250), "\(alone), then \(among)")

        // All of the fifth's is there while the others have theirs before them, each in its own state.
        let status = try await setup.status()
        for (name, _) in ill.prefix(3) {
            #expect(status.sink(name)?["delivered"]?.int == 0, "\(name)")
            #expect(status.sink(name)?["dead"]?.int == 0, "\(name)")
            #expect(status.sink(name)?["waiting"]?.int == Self.sample, "\(name)")
        }
        try await setup.wait(for: "the choosy one to be done") {
            $0.sink("choosy")?["waiting"]?.int == 0 && $0.sink("choosy")?["parked"]?.int == 0
        }
        let choosyAfter = try await setup.status().sink("choosy")
        #expect(choosyAfter?["dead"]?.int == Self.sample / 10)
        #expect(choosyAfter?["delivered"]?.int == Self.sample - Self.sample / 10)
        #expect(well.requests.count == 2 * Self.sample)
        #expect(await relay.stop() == 0)
    }

    /// From the request's first byte to the fifth sink's, one event after another.
    private func latencies(of type: String, _ setup: RelaySetup) async throws -> Latencies {
        var latencies: [Duration] = []
        for number in 0..<Self.sample {
            let event = LogEventFixture(uuid: "\(type)-\(number)", type: type, userID: "00u\(number)")
            let started = ContinuousClock.now
            #expect(try await setup.post(RelaySetup.envelope([event.json])) == 200)
            latencies.append(try await arrival(of: event.uuid) - started)
        }
        return Latencies(latencies)
    }

    private func arrival(of event: String) async throws -> ContinuousClock.Instant {
        while true {
            if let time = arrivals.time(of: event) { return time }
            try await SystemClock().sleep(for: .milliseconds(1))
        }
    }

    private struct Latencies: CustomStringConvertible {
        let median: Duration
        let last: Duration

        init(_ all: [Duration]) {
            let sorted = all.sorted()
            median = sorted[sorted.count / 2]
            last = sorted[sorted.count * 99 / 100]
        }

        var description: String { "p50 \(median), p99 \(last)" }
    }
}
