import Config
import JSON
@testable import Relay
import RelayTesting
import ServiceLifecycle
import Testing

/// A sink that takes batches: the next one is made ready while one is with it, once it is full.
@Suite(.timeLimit(.minutes(1))) struct DeliveryBatchTests {
    private func limits(
        events: Int, bytes: Int = 1 << 20, interval: Duration = .zero
    ) -> SinkLimits {
        SinkLimits(
            batchEventsMax: events, batchBytesMax: bytes, concurrency: 1, readiesNextBatch: true,
            batchInterval: interval, foldsUsers: true, keepsState: false)
    }

    private func users(_ range: Range<Int>) -> [String?] { range.map { "u\($0)" } }

    @Test func twoFullBatchesAreInFlightAndNoThird() {
        let bench = DeliveryBench(limits(events: 10), users: users(0..<35))
        #expect(bench.withSink == [Array(1...10), Array(11...20)])
        bench.answer(1)
        #expect(bench.withSink == [Array(11...20), Array(21...30)])
        // What is left is not full.
        bench.answer(11)
        #expect(bench.withSink == [Array(21...30)])
        bench.answer(21)
        #expect(bench.withSink == [Array(31...35)])
        bench.answerAll()
        #expect(bench.delivered == 35 && bench.cursor == 35)
    }

    @Test func whatIsNotFullGathersBehindWhatIsUnderWay() {
        let bench = DeliveryBench(limits(events: 10), users: users(0..<3))
        #expect(bench.withSink == [[1, 2, 3]])
        bench.append(users(3..<12))
        bench.news()
        #expect(bench.withSink == [[1, 2, 3]])
        // Of the users that are with the sink nothing counts.
        bench.append(users(0..<3))
        bench.news()
        #expect(bench.withSink == [[1, 2, 3]])
        bench.append(users(12..<15))
        bench.news()
        #expect(bench.withSink == [[1, 2, 3], Array(4...12) + [16]])
    }

    @Test func aBatchIsFullByItsBytesToo() {
        let size = DeliveryFixture.event(of: "u1").body.bytes.count
        let bench = DeliveryBench(limits(events: 100, bytes: 3 * size + 20), users: users(1..<8))
        #expect(bench.withSink == [[1, 2, 3], [4, 5, 6]])
        bench.answer(1)
        #expect(bench.withSink == [[4, 5, 6]])
    }

    /// Of fifty sinks each has a small share of memory.
    @Test func aSinkReadsNoMoreAheadThanItsShare() {
        let size = DeliveryFixture.event(of: "u1").footprint
        let bounds = DeliveryBounds(readAhead: ReadAheadBudget(bytes: 20 * size))
        let bench = DeliveryBench(limits(events: 10), users: users(0..<40), bounds: bounds)
        #expect(bench.readBytes == [20 * size] && bench.reads == 1)
        bench.holdsReads = true
        bench.append(users(40..<60))
        bench.news()
        #expect(bench.heldPages.isEmpty)
        bench.answerAll()
        #expect(!bench.heldPages.isEmpty)
        bench.releasePages()
        bench.answerAll()
        #expect(bench.delivered == 60)
    }

    /// A page takes about as long as some dozen deliveries.
    @Test func whileAPageIsReadThereIsEnoughToDeliver() {
        let bench = DeliveryBench(DeliveryBench.http, users: users(0..<300))
        #expect(bench.withSink.count == 8 && bench.reads == 1)
        bench.holdsReads = true
        func answerOne() { bench.answer(bench.withSink.first?.first ?? 0) }
        for _ in 0..<120 where bench.heldPages.isEmpty { answerOne() }
        #expect(bench.heldPages.count == 1)
        for _ in 0..<40 { answerOne() }
        #expect(bench.withSink.count == 8)
        bench.holdsReads = false
        bench.releasePages()
        bench.answerAll()
        #expect(bench.delivered == 300)
    }

    /// Half of it is with the sink, and the other half is made ready meanwhile.
    @Test func aShareOfLessThanTwoBatchesGoesInHalves() {
        let size = DeliveryFixture.event(of: "u10").footprint
        let bounds = DeliveryBounds(readAhead: ReadAheadBudget(bytes: 20 * size + size / 2))
        let bench = DeliveryBench(limits(events: 100), users: users(10..<55), bounds: bounds)
        #expect(bench.withSink == [Array(1...10), Array(11...20)])
        for _ in 0..<4 { bench.answerAll() }
        #expect(bench.delivered == 45)
    }

    // MARK: - Batches that keep apart

    @Test func whatComesInQuickSuccessionGoesTogether() {
        let bench = DeliveryBench(limits(events: 10, interval: .milliseconds(50)), users: users(0..<3))
        #expect(bench.withSink == [[1, 2, 3]])
        bench.answer(1)
        bench.append(users(3..<5))
        bench.news()
        #expect(bench.withSink.isEmpty)
        #expect(bench.wakes.last == bench.now + Duration.milliseconds(50).nanoseconds)
        bench.append(users(5..<6))
        bench.news()
        bench.advance(by: .milliseconds(49))
        #expect(bench.withSink.isEmpty)
        bench.advance(by: .milliseconds(1))
        #expect(bench.withSink == [[4, 5, 6]])
        // What comes after a while goes at once.
        bench.answer(4)
        bench.advance(by: .milliseconds(50))
        bench.append(users(6..<7))
        bench.news()
        #expect(bench.withSink == [[7]])
    }

    @Test func aFullBatchWaitsForNoTime() {
        let bench = DeliveryBench(limits(events: 3, interval: .seconds(60)), users: users(0..<8))
        #expect(bench.withSink == [[1, 2, 3], [4, 5, 6]])
        bench.answer(1)
        bench.answer(4)
        #expect(bench.withSink.isEmpty)
        bench.append(users(8..<9))
        bench.news()
        #expect(bench.withSink == [[7, 8, 9]])
    }

    /// Nothing can join it.
    @Test func whatFillsTheMemoryWaitsForNoTime() {
        let size = DeliveryFixture.event(of: "u1").footprint
        let bench = DeliveryBench(
            limits(events: 100, interval: .seconds(60)), users: users(0..<40),
            bounds: DeliveryBounds(readAhead: ReadAheadBudget(bytes: 10 * size)))
        for _ in 0..<10 { bench.answerAll() }
        #expect(bench.delivered >= 30)
    }

    /// Sinks are added while it catches up, so that what it has read is more than its share by now.
    @Test func whatSettlesGoesThoughTheShareOfMemoryShrinks() {
        let size = DeliveryFixture.event(of: "u1").footprint
        let budget = ReadAheadBudget(bytes: 2_000 * size)
        let policy = DeliveryPolicy(settle: SettleWindow(duration: .seconds(60), coalesces: false))
        let bench = DeliveryBench(
            limits(events: 4), users: [], policy: policy, bounds: DeliveryBounds(readAhead: budget))
        // Received over some minutes, long ago: of each minute the rest is read before it goes.
        bench.append(
            (0..<2_000).map { index in
                var sample = EventSample(type: "user.lifecycle.create", user: "u\(index)", second: 1)
                sample.receivedAt = bench.now + Duration.milliseconds(100 * index).nanoseconds
                return sample.event
            })
        bench.advance(by: .seconds(1_000))
        bench.news()
        budget.share(among: 500)
        for _ in 0..<50 {
            bench.answerAll()
            bench.advance(by: .seconds(1))
        }
        #expect(bench.delivered == 2_000)
    }

    @Test func aTrialWaitsForItsOwnTimeOnly() {
        let bench = DeliveryBench(limits(events: 10, interval: .seconds(600)), users: users(0..<3))
        bench.fail(1)
        bench.advance(by: .seconds(2))
        #expect(bench.withSink.map(\.count) == [1])
    }

    @Test(arguments: [-86_400, 86_400])
    func aClockThatIsSetMovesTheTimeOfTheNextBatch(_ seconds: Int) {
        let bench = DeliveryBench(limits(events: 10, interval: .milliseconds(50)), users: users(0..<3))
        bench.answer(1)
        bench.append(users(3..<5))
        bench.news()
        bench.setClock(by: .seconds(seconds))
        #expect(bench.withSink.isEmpty)
        bench.advance(by: .milliseconds(50))
        #expect(bench.withSink == [[4, 5]])
    }

    /// The batch began by the new time already.
    @Test func aClockThatIsSetAsABatchBeginsHoldsNoneUp() {
        let bench = DeliveryBench(limits(events: 10, interval: .milliseconds(50)), users: [])
        bench.advance(by: .seconds(86_400))
        bench.append(users(0..<3))
        bench.news()
        bench.setClock(by: .zero, tellsOf: .seconds(86_400))
        bench.answer(1)
        bench.append(users(3..<5))
        bench.news()
        #expect(bench.withSink == [[4, 5]])
    }

    // MARK: - Batches in line

    @Test func theSecondBatchDoesNotPassTheFirstThatFailed() {
        let bench = DeliveryBench(limits(events: 2), users: ["u1", "u2", "u3", "u4", "u1"])
        #expect(bench.withSink == [[1, 2], [3, 4]])
        bench.fail(1)
        bench.answer(3)
        #expect(bench.withSink.isEmpty && bench.cursor == 0 && bench.settledAbove == [3, 4])
        bench.advance(by: .seconds(60))
        #expect(bench.withSink == [[1]])
        bench.answerAll()
        #expect(bench.delivered == 5 && bench.cursor == 5)
    }

    /// The sink is called with one after the other, in their order.
    @Test func batchesThatAreReadyStandInLine() async throws {
        let sink = ScriptedSink(limits: limits(events: 2))
        let stage = try await SinkWorkerTests.Stage(sink, InMemoryJournal())
        sink.answer(.waits)
        try await stage.append("u1", "u2", "u3", "u4", "u5")
        try await stage.run {
            #expect(await sink.nextBatch().map(\.offset.rawValue) == [1, 2])
            try await waitUntil { stage.board.snapshot[sink.name]?.inFlight == 4 }
            #expect(sink.batches.count == 1)
            sink.release()
            #expect(await sink.nextBatch().map(\.offset.rawValue) == [3, 4])
            #expect(await sink.nextBatch().map(\.offset.rawValue) == [5])
        }
    }

    /// A stop, and a pause or a move of the sink: what stands in line is not written any more.
    @Test func aStopSendsAwayWhoStandsInLine() async throws {
        let sink = ScriptedSink(limits: limits(events: 2))
        let journal = InMemoryJournal()
        let stage = try await SinkWorkerTests.Stage(sink, journal)
        sink.answer(.waits)
        try await stage.append("u1", "u2", "u3", "u4", "u5")
        try await stage.run {
            _ = await sink.nextBatch()
            try await waitUntil { stage.board.snapshot[sink.name]?.inFlight == 4 }
            await stage.group.triggerGracefulShutdown()
            // The worker has asked for its deadline: the stop has come through.
            _ = await stage.clock.nextSleep()
            sink.release()
        }
        #expect(sink.batches.count == 1 && sink.hasShutDown)
        #expect(try await journal.status().sinks.first?.waiting == 3)
    }

    /// The database hangs: the one delivery after that is the trial, and not what stood in line.
    @Test func aFailureSendsAwayWhoStandsInLine() async throws {
        let sink = ScriptedSink(limits: limits(events: 2))
        let stage = try await SinkWorkerTests.Stage(sink, InMemoryJournal())
        sink.answer(.fails(.unavailable(reason: "timed out", retryAfter: .seconds(5))))
        try await stage.append("u1", "u2", "u3", "u4", "u5")
        try await stage.run {
            #expect(await sink.nextBatch().map(\.offset.rawValue) == [1, 2])
            _ = await stage.clock.nextSleep()
            stage.clock.advance(by: .seconds(6))
            #expect(await sink.nextBatch().count == 1)
            var left = 4
            while left > 0 { left -= await sink.nextBatch().count }
        }
    }

    @Test func aLineThatWasOpenedAnewLetsOnlyThoseInWhoJoinThen() async {
        var line = CallLine()
        let (first, second) = (line.join(), line.join())
        let isFirstOpen = await first.comes()
        first.ended(isFailure: true)
        line.open()
        let third = line.join()
        let isSecondOpen = await second.comes()
        second.ended(isFailure: false)
        let isThirdOpen = await third.comes()
        third.ended(isFailure: false)
        #expect(isFirstOpen && !isSecondOpen && isThirdOpen)
        let last = line.join()
        line.close()
        #expect(await !last.comes())
    }
}
