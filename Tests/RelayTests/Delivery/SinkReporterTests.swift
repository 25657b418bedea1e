import Config
import Logging
@testable import Relay
import Testing

/// What the log says of a sink that comes and goes.
@Suite struct SinkReporterTests {
    private static let minute: Int64 = 60_000_000_000

    /// A breaker whose sink is away, then for `probes` probes, one a minute, and back in the end.
    private func lines(probes: Int, _ error: SinkError) -> [String] {
        let log = CapturedLog()
        var reporter = SinkReporter(
            sink: "crm", metrics: RelayMetrics(version: "1", startedAt: 0), board: SinkBoard(),
            logger: Logger(label: "test") { _ in log })
        var breaker = CircuitBreaker()
        var now = Self.minute
        func show() { reporter.isAt(breaker, inFlight: 0, now: now) }
        _ = breaker.takePreparation()
        breaker.prepared()
        show()
        for _ in 0..<probes {
            breaker.failed(error, at: now) { _, _ in .seconds(60) }
            show()
            now += Self.minute
            breaker.timePassed(to: now)
            show()
            _ = breaker.takePreparation()
            breaker.prepared()
            show()
        }
        breaker.succeeded()
        show()
        return log.lines
    }

    @Test func anOutageIsLoggedWhenItBeginsOnceAnHourAndWhenItEnds() {
        let lines = lines(probes: 180, .unavailable(reason: "refused"))
        #expect(lines.filter { $0.hasPrefix("warning sink is unavailable") }.count == 3)
        #expect(lines.last?.hasPrefix("info sink is available") == true && lines.count == 4)
    }

    @Test func aWrongPasswordIsLoggedAsRarely() {
        let lines = lines(probes: 59, .misconfigured(reason: "wrong password"))
        #expect(lines.count == 2 && lines[0].hasPrefix("error sink cannot work"))
    }

    @Test func aSinkThatAnotherRelayTookIsNotCalledUnavailable() {
        let board = SinkBoard()
        let reporter = SinkReporter(
            sink: "crm", metrics: RelayMetrics(version: "1", startedAt: 0), board: board,
            logger: Logger(label: "test") { _ in CapturedLog() })
        reporter.isShutOut(.fenced, now: 7)
        #expect(board.snapshot["crm"]?.state == .ended)
        #expect(board.snapshot["crm"]?.reason?.contains("another relay") == true)
    }
}
