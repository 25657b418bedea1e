import Config
@testable import Relay
import RelayTesting
import Rules
import Testing

/// Whose turn it is: of users who wait while others go on, after an outage, and by a clock that was wrong.
@Suite struct DeliveryTurnTests {
    // MARK: - Users who wait alone

    @Test func aUserWhoseTurnHasNotComeHoldsUpNobodyElse() {
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1", "u2", "u1"])
        bench.defer(1, by: .seconds(5), alone: true)
        #expect(bench.wakes.last == bench.now + Duration.seconds(5).nanoseconds)
        bench.append(["u3", "u1"])
        bench.news()
        #expect(bench.withSink == [[2], [4]])
        bench.answerAll()
        bench.advance(by: .seconds(4))
        #expect(bench.withSink.isEmpty && bench.breaker.state == .closed)
        bench.advance(by: .seconds(1))
        #expect(bench.withSink == [[1]])
        bench.answer(1)
        #expect(bench.withSink == [[3]])
        bench.answerAll()
        #expect(bench.delivered == 5 && bench.cursor == 5 && bench.parked.isEmpty)
    }

    @Test func aRetryWhoseTurnHasNotComeKeepsOnlyItsUserWaiting() {
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1", "u2"])
        bench.answer(1, .retry(after: .seconds(5), reason: "busy"))
        bench.answer(2)
        bench.advance(by: .seconds(6))
        bench.defer(1, by: .seconds(10), alone: true)
        bench.append(["u1", "u3"])
        bench.news()
        bench.advance(by: .seconds(9))
        #expect(bench.withSink == [[4]])
        bench.advance(by: .seconds(1))
        #expect(bench.withSink == [[4], [1]])
        #expect(bench.attempts.last?.numbers.values.map(\.self) == [2])
        bench.answerAll()
        #expect(bench.delivered == 4 && bench.parked.isEmpty)
    }

    /// Users whose windows have closed; what is gathered while one waits for its turn goes with it.
    @Test func whatSettlesWithOneThatWaitsForItsTurnWaitsToo() {
        var policy = DeliveryPolicy()
        policy.settle = SettleWindow(duration: .seconds(2), coalesces: true)
        let bench = DeliveryBench(DeliveryBench.http, users: [], policy: policy)
        bench.append(("lifecycle.create", 1))
        bench.advance(by: .seconds(2))
        #expect(bench.withSink == [[1]])
        bench.defer(1, by: .seconds(30), alone: true)
        bench.append(("account.update_profile", 2))
        bench.advance(by: .seconds(29))
        #expect(bench.withSink.isEmpty)
        bench.advance(by: .seconds(1))
        #expect(bench.withSink == [[1, 2]])
    }

    @Test func anOutageDoesNotShortenTheWaitOfAUser() {
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1", "u2"])
        bench.defer(1, by: .seconds(3_600), alone: true)
        bench.fail(2)
        bench.advance(by: .seconds(60))
        #expect(bench.withSink == [[2]])
        bench.answer(2)
        #expect(bench.withSink.isEmpty)
        bench.advance(by: .seconds(3_540))
        #expect(bench.withSink == [[1]])
    }

    @Test func aClockThatIsSetBackLengthensNoWaitOfAUser() {
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1"])
        bench.defer(1, by: .seconds(10), alone: true)
        bench.setClock(by: .seconds(-7_200))
        bench.advance(by: .seconds(11))
        #expect(bench.withSink == [[1]])
    }

    // MARK: - What the sink defers when it has it

    @Test func whatIsDeferredAfterAllIsNoAttempt() {
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1", "u2"], giveUpAfter: .seconds(60))
        for _ in 0..<100 {
            bench.answer(1, receipts: [deferred(1)], intended: [1])
            #expect(bench.withSink == [[2]])
            bench.advance(by: .seconds(1))
        }
        #expect(bench.attempts.last?.numbers == [Offset(rawValue: 1): 1])
        #expect(bench.parked.isEmpty && bench.deadLetters.isEmpty && bench.breaker.state == .closed)
        #expect(bench.settlements.allSatisfy { $0.retries == 0 && $0.unsent == [Offset(rawValue: 1)] })
    }

    /// The sink has asked what became of it before, and it had not arrived.
    @Test func whatIsDeferredAfterAllIsNotUnknown() {
        let bench = DeliveryBench(
            DeliveryBench.http, users: ["u1"], intents: [Offset(rawValue: 1)])
        #expect(bench.attempts.last?.unknown == [Offset(rawValue: 1)])
        bench.answer(1, receipts: [deferred(1)])
        #expect(bench.settlements.last?.unsent == [Offset(rawValue: 1)])
        bench.advance(by: .seconds(1))
        #expect(bench.withSink == [[1]] && bench.attempts.last?.unknown == [])
    }

    @Test func whatComesBeforeAParkedOneIsParkedWhateverTheRoom() {
        let bench = DeliveryBench(
            DeliveryBench.sql, users: ["u1", "u1"], policy: DeliveryPolicy(parkedMax: 1))
        let retry = Receipt(offset: Offset(rawValue: 2), .retry(after: nil, reason: "busy"))
        bench.answer(1, receipts: [deferred(1), retry])
        #expect(bench.parked.keys.sorted() == [1, 2])
        bench.advance(by: .seconds(60))
        #expect(bench.withSink == [[1]])
        bench.answer(1)
        #expect(bench.withSink == [[2]])
    }

    /// The answer was for all of them, wherever they wait.
    @Test func aRetryOfMergedEventsLeavesNoneOfThemUnknown() {
        var policy = DeliveryPolicy()
        policy.settle = SettleWindow(duration: .seconds(2), coalesces: true)
        let bench = DeliveryBench(DeliveryBench.http, users: [], policy: policy)
        bench.append(("lifecycle.create", 1), ("account.update_profile", 2))
        bench.advance(by: .seconds(2))
        for _ in 0..<3 {
            #expect(bench.withSink == [[1, 2]])
            let retry = Receipt(offset: Offset(rawValue: 2), .retry(after: nil, reason: "busy"))
            bench.answer(1, receipts: [retry], intended: [1, 2])
            #expect(bench.settlements.last?.endedIntents.map(\.rawValue).sorted() == [1, 2])
            bench.advance(by: .seconds(10))
        }
    }

    private func deferred(_ offset: Int64) -> Receipt {
        Receipt(offset: Offset(rawValue: offset), .deferred(.seconds(1)), contact: .notAsked)
    }

    // MARK: - The trial after an outage

    @Test(arguments: [false, true])
    func theTrialIsNotTheRetryThatMayHaveEndedInTheOutage(readsLate: Bool) {
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1", "u2"])
        bench.answer(2)
        let error = SinkError.unavailable(reason: "no answer")
        bench.show(1, .failed(error), .retry(after: nil, reason: "no answer"))
        bench.append(["u3"])
        bench.news()
        bench.holdsReads = readsLate
        bench.advance(by: .seconds(4_000))
        if readsLate {
            #expect(bench.parkedReads == 1 && bench.withSink.isEmpty)
            bench.releasePages()
        }
        #expect(bench.withSink == [[3]])
        bench.answer(3)
        #expect(bench.withSink == [[1]])
    }

    // MARK: - A clock that was ahead

    private let day = Duration.seconds(86_400).nanoseconds

    @Test func aClockThatWasAheadBlocksNobodyAfterANewLease() {
        let start: Int64 = 1_767_225_600_000_000_000
        let failure = FailedAttempt(number: 1, at: start + day, reason: "busy")
        let parked = ParkedDelivery(
            offset: Offset(rawValue: 1), subject: DeliveryFixture.event(of: "u1").subject,
            failures: [failure], notBefore: start + day, giveUpAt: start + 4 * day)
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1", "u1"], parked: [parked])
        #expect(bench.now == start && bench.withSink.isEmpty)
        bench.advance(by: RetrySchedule.retryAfterMax)
        #expect(bench.withSink == [[1]])
        bench.answer(1, .retry(after: nil, reason: "busy"))
        // That it may be tried for longer loses nothing.
        #expect(bench.giveUpTime(1) == start + 4 * day)
    }

    /// The relay began before the clock was right: a machine that knows no time until it has asked for it.
    @Test func aClockThatIsBehindAtALeaseGivesNothingUpSooner() {
        let now = 1_767_225_600_000_000_000 + 10 * day
        let failure = FailedAttempt(number: 1, at: now, reason: "busy")
        let parked = ParkedDelivery(
            offset: Offset(rawValue: 1), subject: DeliveryFixture.event(of: "u1").subject,
            failures: [failure], notBefore: now, giveUpAt: now + 3 * day)
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1"], parked: [parked])
        bench.setClock(by: .seconds(10 * 86_400))
        bench.advance(by: RetrySchedule.retryAfterMax)
        #expect(bench.withSink == [[1]])
        bench.answer(1, .retry(after: nil, reason: "busy"))
        #expect(bench.deadLetters.isEmpty && bench.giveUpTime(1) == now + 3 * day)
    }

    @Test func aClockThatGoesForwardAndBackGivesNothingUpSooner() {
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1"])
        let start = bench.now
        bench.answer(1, .retry(after: .seconds(5), reason: "busy"))
        bench.setClock(by: .seconds(2 * 86_400))
        bench.setClock(by: .seconds(-2 * 86_400))
        bench.advance(by: .seconds(6))
        bench.answer(1, .retry(after: .seconds(5), reason: "busy"))
        #expect(bench.parked[1]?.failures.count == 2 && bench.giveUpTime(1) == start + 3 * day)
    }

    /// The relay began with a clock that knew no date, and the network has set it.
    @Test func aClockThatIsSetForwardGivesNothingUpSooner() {
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1", "u2"])
        let start = bench.now
        bench.answer(1, .retry(after: .seconds(30), reason: "busy"))
        bench.defer(2, by: .seconds(20), alone: true)
        bench.setClock(by: .seconds(30 * 86_400))
        // Also a relay that ends now knows when to give it up.
        #expect(bench.giveUpTime(1) == start + 33 * day && bench.withSink.isEmpty)
        bench.advance(by: .seconds(20))
        #expect(bench.withSink == [[2]])
        bench.advance(by: .seconds(10))
        bench.answer(1, .retry(after: .seconds(30), reason: "busy"))
        #expect(bench.deadLetters.isEmpty && bench.giveUpTime(1) == start + 33 * day)
    }

    @Test func aClockThatIsSetForwardIsNoOutage() {
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1", "u2"])
        let start = bench.now
        bench.answer(1, .retry(after: .seconds(5), reason: "busy"))
        bench.fail(2, .unavailable(reason: "away", retryAfter: .seconds(60)))
        bench.setClock(by: .seconds(30 * 86_400))
        bench.advance(by: .seconds(59))
        #expect(bench.withSink.isEmpty)
        bench.stop()
        #expect(bench.giveUpTime(1) == start + 33 * day + Duration.seconds(59).nanoseconds)
    }

    /// The journal adds all of that time when a person resumes it.
    @Test func aClockThatIsSetWhileASinkIsHeldChangesNoRetry() {
        let failure = FailedAttempt(number: 1, at: 1, reason: "busy")
        let parked = ParkedDelivery(
            offset: Offset(rawValue: 1), subject: nil, failures: [failure], notBefore: 2, giveUpAt: 3)
        let hold = SinkHold(kind: .paused, reason: "maintenance", since: 1)
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1"], hold: hold, parked: [parked])
        bench.setClock(by: .seconds(86_400))
        #expect(bench.settlements.isEmpty)
    }

    @Test func whatWasCountedIsKeptWhereTheClockIsBehindAtALease() {
        let policy = DeliveryPolicy(limits: [.update: RateLimit(count: 1, period: .seconds(3_600))])
        let counted = 1_767_225_600_000_000_000 + 10 * day
        let bench = DeliveryBench(
            DeliveryBench.http, users: [], policy: policy, limitCounts: "0;update:\(counted)=1")
        bench.setClock(by: .seconds(10 * 86_400))
        bench.advance(by: .seconds(60))
        bench.append(["u1"])
        bench.news()
        #expect(bench.withSink.isEmpty)
        guard case .held = bench.breaker.state else {
            Issue.record("\(bench.breaker.state)")
            return
        }
    }

    /// As time services do it: too little for anything else to care.
    @Test func aClockThatIsSetBackByLessThanASecondForgetsNoCounts() {
        let policy = DeliveryPolicy(limits: [.update: RateLimit(count: 1, period: .seconds(60))])
        let bench = DeliveryBench(DeliveryBench.http, users: [], policy: policy)
        bench.advance(by: .seconds(600))
        bench.append(["u1"])
        bench.news()
        bench.answer(1, .delivered)
        bench.advance(by: .milliseconds(-500))
        bench.append(["u2"])
        bench.news()
        #expect(bench.withSink.isEmpty)
    }

    @Test func whoeverNeverGivesUpMaySaySo() throws {
        let bench = DeliveryBench(
            DeliveryBench.http, users: ["u1"], giveUpAfter: .seconds(Int64(999_999_999) * 86_400))
        bench.answer(1, .retry(after: nil, reason: "busy"))
        bench.advance(by: .seconds(86_400))
        let giveUpAt = try #require(bench.giveUpTime(1))
        #expect(bench.withSink == [[1]] && giveUpAt > bench.now + 10_000 * day)
    }

    @Test func whatAClockThatWasAheadHasCountedIsOfNow() {
        let policy = DeliveryPolicy(limits: [.update: RateLimit(count: 1, period: .seconds(60))])
        let ahead = 1_767_225_600_000_000_000 + day
        let bench = DeliveryBench(
            DeliveryBench.http, users: [], policy: policy, limitCounts: "0;update:\(ahead)=1")
        bench.advance(by: .seconds(120))
        bench.append(["u1"])
        bench.news()
        #expect(bench.withSink == [[1]])
    }
}
