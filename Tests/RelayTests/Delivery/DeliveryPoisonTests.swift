@testable import Relay
import Testing

/// Events on which a sink fails as a whole, and events that only seem to be such.
@Suite struct DeliveryPoisonTests {
    /// A sink that is set up wrongly, or flaps, may take what needs less: that speaks for no event after
    /// another.
    @Test(
        arguments: [.misconfigured(reason: "no right"), .unavailable(reason: "the disk is full")]
            as [SinkError])
    func severalEventsThatFailAloneInARowMeanTheSink(_ error: SinkError) {
        let bench = DeliveryBench(DeliveryBench.sql, users: ["u1", "u2", "u3", "u4"])
        bench.fail(1, error)
        bench.advance(by: .seconds(61))
        bench.answer(1)
        bench.fail(2, error)
        bench.advance(by: .seconds(61))
        for offset: Int64 in [2, 3] {
            #expect(bench.withSink == [[offset]])
            bench.fail(offset, error)
        }
        #expect(bench.parked.keys.sorted() == [2, 3] && bench.withSink.isEmpty)
        bench.advance(by: .seconds(61))
        #expect(bench.withSink == [[4]])
    }

    /// A creation that gets no answer opens the breaker, and may be the reason itself.
    ///
    /// A gateway that gives up on this contact alone, say.
    @Test func aCreationThatIsLostOverAndOverIsItsOwnMatter() {
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1"])
        let error = SinkError.unavailable(reason: "HTTP 504")
        for attempt in 1...6 {
            #expect(bench.withSink == [[1]])
            bench.show(1, .failed(error), .retry(after: nil, reason: "HTTP 504"))
            #expect((bench.breaker.state == .closed) == (attempt > 2), "\(attempt)")
            // Another one is answered, and its own time comes.
            bench.append(["u\(attempt + 1)"])
            bench.news()
            while let next = bench.withSink.first(where: { $0 != [1] })?.first { bench.answer(next) }
            for _ in 0..<20 where bench.withSink.isEmpty {
                bench.advance(by: .seconds(400))
                while let next = bench.withSink.first(where: { $0 != [1] })?.first { bench.answer(next) }
            }
            #expect(bench.breaker.state == .closed)
        }
        #expect(bench.parked[1]?.failures.count == 6)
    }
}
