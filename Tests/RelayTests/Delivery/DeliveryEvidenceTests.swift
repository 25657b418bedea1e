import Config
@testable import Relay
import RelayTesting
import Testing

/// What the machine takes an attempt's end for: what it says of the sink, of the event and of the time.
@Suite struct DeliveryEvidenceTests {
    private let long = Duration.seconds(4_000)

    // MARK: - What the sink was not asked

    @Test func whatNeedsNoSinkDoesNotEndAnOutage() {
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1", "u2", "u3", "u4"])
        for offset in 1...4 { bench.fail(Int64(offset)) }
        bench.advance(by: long)
        bench.show(bench.withSink[0][0], .notAsked)
        #expect(bench.breaker.state == .halfOpen && bench.breaker.failures == 1)
        // The trial goes on with the next one, which the sink answers or does not.
        bench.show(bench.withSink[0][0], .notAsked, .superseded)
        #expect(bench.withSink.count == 1)
        bench.fail(bench.withSink[0][0])
        #expect(bench.breaker.failures == 2)
        bench.advance(by: long)
        bench.answer(bench.withSink[0][0])
        #expect(bench.breaker.state == .closed && bench.breaker.failures == 0)
    }

    /// Skipped events among real ones are no reason to call the real ones the problem.
    @Test func anOutageAmongSkippedEventsParksAndKillsNothing() {
        let bench = DeliveryBench(DeliveryBench.http, users: [], giveUpAfter: .seconds(60))
        bench.append((0..<400).map { "u\($0 % 190)" })
        bench.news()
        for _ in 0..<600 {
            for offset in bench.withSink.flatMap(\.self) {
                if offset.isMultiple(of: 2) { bench.show(offset, .notAsked) } else { bench.fail(offset) }
            }
            bench.advance(by: .seconds(20))
        }
        #expect(bench.parked.isEmpty && bench.deadLetters.isEmpty)
        #expect(bench.breaker.failures > 100)
    }

    @Test func aLostAnswerOpensTheBreakerAndTheEventHasItsEnd() {
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1", "u2"])
        let error = SinkError.unavailable(reason: "no answer", retryAfter: .seconds(30))
        bench.show(1, .failed(error), .rejected(reason: "outcome unknown"))
        bench.answer(2)
        bench.append(["u3"])
        bench.news()
        #expect(bench.deadLetters == [1] && bench.withSink.isEmpty && bench.breaker.reason == "no answer")
        bench.advance(by: .seconds(31))
        #expect(bench.withSink == [[3]])
    }

    /// Requests of before an outage end long after the others; only the trial shows whether that is over.
    @Test func whatHadBegunBeforeAnOutageDoesNotLengthenIt() {
        let bench = DeliveryBench(DeliveryBench.http, users: (0..<8).map { "u\($0)" })
        bench.fail(1, .unavailable(reason: "away", retryAfter: .seconds(5)))
        bench.advance(by: .seconds(6))
        #expect(bench.breaker.state == .halfOpen)
        for offset in 2...8 { bench.fail(Int64(offset)) }
        #expect(bench.breaker.failures == 1 && bench.withSink.count == 1)
        bench.fail(bench.withSink[0][0])
        #expect(bench.breaker.failures == 2)
    }

    // MARK: - Turns

    @Test func nothingGoesBeforeTheTurnThatTheSinkNames() {
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1", "u2", "u1"])
        bench.defer(1, by: .seconds(5))
        bench.answer(2)
        #expect(bench.withSink.isEmpty && bench.breaker.state == .closed && bench.wakes.count == 1)
        bench.append(["u9"])
        bench.news()
        bench.advance(by: .seconds(4))
        #expect(bench.withSink.isEmpty)
        bench.advance(by: .seconds(1))
        #expect(bench.withSink == [[1], [4]])
        bench.answerAll()
        #expect(bench.delivered == 4 && bench.cursor == 4)
    }

    @Test func whoWaitsForATurnHoldsUpNoStop() {
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1"])
        bench.defer(1, by: .seconds(3_600))
        bench.stop()
        #expect(bench.isStopped && bench.deadLetters.isEmpty)
    }

    @Test func aTurnThatAParkedDeliveryWaitsForIsNoAttempt() {
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1"])
        bench.answer(1, .retry(after: .seconds(5), reason: "busy"))
        bench.advance(by: .seconds(6))
        for _ in 0..<10 {
            bench.defer(1, by: .seconds(1))
            bench.advance(by: .seconds(1))
        }
        bench.answer(1, .retry(after: .seconds(5), reason: "busy"))
        #expect(bench.parked[1]?.failures.map(\.number) == [1, 2])
        #expect(bench.parkedReads == 1)
    }

    /// Retries that are due and find no room hide no time that is still to come.
    @Test func retriesThatAreOverdueDoNotHideTheTurn() {
        let bench = DeliveryBench(DeliveryBench.http, users: (0..<100).map { "u\($0)" })
        bench.answerAll(.retry(after: .seconds(60), reason: "busy"))
        bench.advance(by: long)
        bench.wokeUp()
        for offset in bench.withSink.flatMap(\.self) { bench.defer(offset, by: .seconds(5)) }
        #expect(bench.withSink.isEmpty && bench.wakes.last == bench.now + Duration.seconds(5).nanoseconds)
        bench.advance(by: .seconds(5))
        #expect(bench.withSink.count == 8)
    }

    @Test func whatSettlesInABacklogDoesNotHideTheTurn() {
        let bench = settlingBacklog(DeliveryPolicy())
        #expect(bench.withSink.count == 8)
        for offset in bench.withSink.flatMap(\.self) { bench.defer(offset, by: .seconds(5)) }
        #expect(bench.withSink.isEmpty && bench.wakes.last == bench.now + Duration.seconds(5).nanoseconds)
        bench.advance(by: .seconds(5))
        #expect(bench.withSink.count == 8)
    }

    @Test func whatSettlesInABacklogDoesNotHideTheRetries() {
        let bench = settlingBacklog(DeliveryPolicy(parkedMax: 4))
        bench.answerAll(.retry(after: .seconds(600), reason: "busy"))
        let due = bench.parked.values.map(\.notBefore).min()
        #expect(bench.withSink.isEmpty && due != nil && bench.wakes.last == due)
    }

    /// More than a page of users, one a second, and long ago: the last ones of the page settle until the next
    /// page is read, which the others keep it from.
    private func settlingBacklog(_ policy: DeliveryPolicy) -> DeliveryBench {
        var policy = policy
        policy.settle = SettleWindow(duration: .seconds(10), coalesces: false)
        let bench = DeliveryBench(DeliveryBench.http, users: [], policy: policy)
        let events = (0..<200).map { index -> Event in
            var sample = EventSample(type: "user.lifecycle.create", user: "u\(index)", second: 1)
            sample.receivedAt = bench.now + Duration.seconds(index).nanoseconds
            return sample.event
        }
        bench.append(events)
        bench.advance(by: long)
        bench.news()
        return bench
    }

    // MARK: - Settings

    @Test func aboveMaxParkedTheCursorHolds() {
        let policy = DeliveryPolicy(parkedMax: 20)
        let bench = DeliveryBench(DeliveryBench.http, users: [], policy: policy)
        bench.append((0..<100).map { "p\($0)" })
        bench.news()
        for _ in 0..<100 {
            guard let offset = bench.withSink.first?.first else { break }
            bench.answer(offset, .retry(after: .seconds(600), reason: "busy"))
        }
        #expect(bench.parked.count >= 20 && bench.parked.count < 28 && bench.withSink.isEmpty)
    }

    /// Where only what is parked may be tried, nothing could ever show that the sink works.
    @Test func aboveMaxParkedATrialTakesWhatIsInLine() {
        let bench = DeliveryBench(
            DeliveryBench.http, users: (0..<20).map { "u\($0)" }, policy: DeliveryPolicy(parkedMax: 8))
        for offset in 1...8 { bench.answer(Int64(offset), .retry(after: nil, reason: "busy")) }
        #expect(bench.parked.count == 8)
        // From here on those that are parked have the sink fail, and no others do.
        for _ in 0..<400 where bench.parked.values.contains(where: { $0.failures.count < 3 }) {
            while let offset = bench.withSink.first?.first {
                if offset > 8 {
                    bench.answer(offset)
                } else {
                    bench.fail(offset, .misconfigured(reason: "no"))
                }
            }
            bench.append(["n\(bench.log.count)"])
            bench.news()
            bench.advance(by: .seconds(300))
        }
        #expect(bench.parked.values.allSatisfy { $0.failures.count >= 3 })
    }

    /// The sink is away again and again, and what it takes in between it refuses for now.
    @Test func trialsAreNotParkedWithoutEnd() {
        let bench = DeliveryBench(
            DeliveryBench.http, users: (0..<8).map { "u\($0)" }, policy: DeliveryPolicy(parkedMax: 8))
        for _ in 0..<300 {
            while let offset = bench.withSink.first?.first {
                if bench.parked[offset] == nil {
                    bench.answer(offset, .retry(after: nil, reason: "busy"))
                } else {
                    bench.fail(offset)
                }
            }
            bench.append(["n\(bench.log.count)"])
            bench.news()
            bench.advance(by: .seconds(300))
        }
        #expect(bench.parked.count > 8 && bench.parked.count <= 8 + 64)
    }

    // MARK: - Events that are the problem

    /// Its user gets events all the time, and they are merged into one that is always new.
    @Test func whatIsMergedWithANewerOneEachTimeIsTheProblemAllTheSame() {
        let policy = DeliveryPolicy(settle: SettleWindow(duration: .seconds(1), coalesces: true))
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1", "u2"], policy: policy)
        func isOfProblem(_ offset: Int64) -> Bool {
            bench.log[Int(offset) - 1].event.user?.id == "u1"
        }
        var rounds = 0
        while bench.parked.isEmpty, rounds < 40 {
            rounds += 1
            while let offset = bench.withSink.first?.first {
                if isOfProblem(offset) { bench.fail(offset) } else { bench.answer(offset) }
            }
            bench.append(["u1", "u\(10 + rounds)"])
            bench.news()
            bench.advance(by: long)
        }
        #expect(rounds < 40 && bench.parked.keys.allSatisfy(isOfProblem))
    }

    /// An event that the sink fails on alone waits for as long as the sink asks.
    @Test func whatIsParkedAsTheProblemObeysRetryAfter() throws {
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1", "u2", "u3", "u4"])
        for round in 0..<40 where bench.parked[1] == nil {
            while let offset = bench.withSink.first?.first {
                let busy = SinkError.unavailable(reason: "busy", retryAfter: .seconds(600))
                if offset == 1 { bench.fail(1, busy) } else { bench.answer(offset) }
            }
            bench.append(["u\(10 + round)"])
            bench.news()
            bench.advance(by: long)
        }
        let failed = try #require(bench.parked[1]?.failures.last)
        let notBefore = try #require(bench.parked[1]?.notBefore)
        #expect(notBefore - failed.at >= Duration.seconds(600).nanoseconds)
    }

    /// Nothing was sent, so nothing is held against it; and others may show that the sink is back.
    @Test func whatIsRefusedItsTurnIsNotTheProblem() {
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1", "u2", "u3", "u4"])
        for round in 0..<40 {
            while let offset = bench.withSink.first?.first {
                if offset == 1 { bench.fail(1, isSent: false) } else { bench.answer(offset) }
            }
            bench.append(["u\(10 + round)"])
            bench.news()
            bench.advance(by: long)
        }
        #expect(bench.parked.isEmpty && bench.deadLetters.isEmpty && bench.delivered >= 40)
    }

    /// Ten thousand of them would have intake wait each time that a sink comes or goes.
    @Test func anOutageWritesNoParkedRowAnew() throws {
        let parked = (1...600).map { number in
            ParkedDelivery(
                offset: Offset(rawValue: number), subject: nil,
                failures: [FailedAttempt(number: 1, at: 0, reason: "busy")],
                notBefore: .max / 2, giveUpAt: .max / 4)
        }
        let bench = DeliveryBench(DeliveryBench.http, users: [], parked: parked)
        bench.append((0..<601).map { "p\($0)" })
        bench.news()
        bench.answerAll()
        for (number, duration) in [(1, 10), (2, 4_000), (3, 10)] as [(Int, Int64)] {
            bench.append(["n\(number)"])
            bench.news()
            let offset = try #require(bench.withSink.last?.last)
            bench.fail(offset, .unavailable(reason: "busy", retryAfter: .seconds(duration)))
            bench.advance(by: .seconds(duration))
            bench.answerAll()
            #expect(bench.breaker.state == .closed)
        }
        #expect(bench.settlements.allSatisfy { $0.parked.isEmpty })
        // Each was told of when it began, and when it was over.
        let told = bench.settlements.map { $0.awaySince != nil }
        #expect(zip(told, told.dropFirst()).count { $0 != $1 } == 6 && told.last == false)
        let counted = bench.settlements.reduce(0) { $0 + $1.stoodStill }
        #expect(counted == Duration.seconds(4_020).nanoseconds)
    }

    /// The trial that was under way at the stop shows that the sink is back.
    @Test func anOutageThatEndsBehindAStopIsRecorded() throws {
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1", "u2", "u3"], giveUpAfter: .seconds(100))
        bench.answer(1, .retry(after: .seconds(50), reason: "busy"))
        let before = try #require(bench.giveUpTime(1))
        bench.fail(2, .unavailable(reason: "away", retryAfter: .seconds(5)))
        bench.answer(3)
        bench.advance(by: .seconds(5))
        #expect(bench.withSink == [[2]])
        bench.stop()
        bench.advance(by: .seconds(30))
        bench.answer(2)
        let after = try #require(bench.giveUpTime(1))
        #expect(bench.isStopped && after - before == Duration.seconds(35).nanoseconds)
    }

    /// But not one that says that nothing was done: of the attempts before nobody knows that, and they count.
    @Test(arguments: [(503, 503), (429, nil)] as [(Int, Int?)])
    func aPoisonousEventKeepsTheStatusesOfItsAttempts(_ status: Int, _ kept: Int?) {
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1", "u2", "u3", "u4"])
        for round in 0..<40 where bench.parked[1] == nil {
            while let offset = bench.withSink.first?.first {
                let busy = SinkError.unavailable(reason: "busy", status: status)
                if offset == 1 { bench.fail(1, busy) } else { bench.answer(offset) }
            }
            bench.append(["u\(10 + round)"])
            bench.news()
            bench.advance(by: long)
        }
        #expect(bench.parked[1]?.failures.map(\.status) == [kept])
    }

    /// Its trial comes after an outage, which does not count towards giving up.
    @Test func aSuspectThatEndsAnOutageIsNotChargedForIt() throws {
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1", "u2", "u3"], giveUpAfter: .seconds(100))
        for round in 0..<40 where bench.parked[1] == nil {
            while let offset = bench.withSink.first?.first {
                if offset == 1 { bench.fail(1) } else { bench.answer(offset) }
            }
            bench.append(["u\(10 + round)"])
            bench.news()
            bench.advance(by: .seconds(20))
        }
        try #require(bench.parked[1] != nil)
        bench.append(["u90"])
        bench.news()
        bench.advance(by: .seconds(2))
        let others = bench.withSink.filter { $0 != [1] }.compactMap(\.first)
        try #require(!others.isEmpty)
        // The sink goes away for nine minutes; what had begun before still ends well.
        bench.fail(1, .unavailable(reason: "away", retryAfter: .seconds(540)))
        for other in others { bench.answer(other) }
        bench.advance(by: .seconds(541))
        try #require(bench.withSink == [[1]])
        bench.fail(1)
        #expect(bench.deadLetters.isEmpty && bench.parked[1] != nil)
    }

    /// While the journal cannot commit, what may be repeated after a crash stays bounded.
    @Test(arguments: [DeliveryBench.http, DeliveryBench.sql])
    func nothingBeginsWhileTooMuchIsNotRecorded(_ limits: SinkLimits) {
        let bench = DeliveryBench(limits, users: (0..<12_000).map { "u\($0 % 6_000)" })
        bench.holdsSettles = true
        bench.answerAll()
        let made = bench.answered
        #expect(made >= 4_096 && made < 4_096 + limits.batchEventsMax * limits.concurrency)
        while bench.delivered < 12_000 {
            let before = bench.delivered
            bench.releaseSettles()
            bench.answerAll()
            guard bench.delivered > before else { break }
        }
        #expect(bench.delivered == 12_000 && bench.cursor == 12_000)
    }
}
