import Config
import Testing

@testable import Relay

/// When a sink that is away is tried again.
@Suite struct CircuitBreakerTests {
    private static let second = Int64(1_000_000_000)

    /// How long the breaker stays open after each of that many failures in a row, in nanoseconds.
    private func waits(_ count: Int, _ error: SinkError) -> [Int64] {
        var random = SeededGenerator(seed: 5)
        let schedule = RetrySchedule(RetryConfiguration())
        var breaker = CircuitBreaker()
        var now: Int64 = 0
        return (0..<count).compactMap { _ in
            _ = breaker.takePreparation()
            breaker.failed(error, at: now) { failures, retryAfter in
                schedule.delay(afterFailures: failures, retryAfter: retryAfter, using: &random)
            }
            guard case .open(let until, _) = breaker.state else { return nil }
            defer {
                now = until
                breaker.timePassed(to: now)
            }
            return until - now
        }
    }

    @Test func afterAnOutageOfHoursTheSinkIsBackWithinSeconds() {
        let waits = waits(2_000, .unavailable(reason: "away"))
        #expect(waits.count == 2_000)
        #expect(waits.reduce(0, +) > 3_600 * Self.second)
        #expect((waits.max() ?? .max) <= 16 * Self.second)
        // It still backs off: the first probes come sooner than the later ones do on average.
        #expect(waits[0] <= Self.second)
        #expect(waits.reduce(0, +) / Int64(waits.count) > 4 * Self.second)
    }

    @Test func aDestinationThatAsksForMoreTimeGetsIt() {
        let waits = waits(10, .unavailable(reason: "busy", retryAfter: .seconds(90)))
        #expect(waits.allSatisfy { $0 == 90 * Self.second })
    }

    /// Its place was moved, say, and another worker goes on.
    @Test func aSinkThatIsAwayStaysOnTrialForTheNextWorker() {
        var breaker = CircuitBreaker()
        for _ in 0..<3 {
            _ = breaker.takePreparation()
            breaker.failed(.unavailable(reason: "away"), at: 5) { _, _ in .zero }
            breaker.timePassed(to: 5)
        }
        var next = CircuitBreaker(after: breaker)
        let isAsked = next.takePreparation()
        next.prepared()
        #expect(isAsked && next.state == .halfOpen && next.failures == 3 && next.reason == "away")
        #expect(next.openSince == 5)
        next.succeeded()
        var last = CircuitBreaker(after: next)
        _ = last.takePreparation()
        last.prepared()
        #expect(last.state == .closed && last.reason == nil)
    }

    @Test func whoeverResumesASinkHasItBeginAnew() {
        var breaker = CircuitBreaker()
        _ = breaker.takePreparation()
        breaker.failed(.unavailable(reason: "away"), at: 5) { _, _ in .zero }
        let hold = SinkHold(kind: .paused, reason: "maintenance", since: 6)
        let paused = CircuitBreaker(hold: hold, after: breaker)
        #expect(paused.state == .held(hold) && paused.reason == "maintenance" && paused.openSince == nil)
        var resumed = CircuitBreaker(after: paused)
        _ = resumed.takePreparation()
        resumed.prepared()
        #expect(resumed.state == .closed && resumed.reason == nil)
    }
}
