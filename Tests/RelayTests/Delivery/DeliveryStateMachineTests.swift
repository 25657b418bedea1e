import Config
@testable import Relay
import Rules
import Testing

/// The rules of delivery, one fact at a time.
@Suite struct DeliveryStateMachineTests {
    // MARK: - Order

    @Test func oneUsersEventsGoOneAfterAnother() {
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1", "u1", "u1"])
        #expect(bench.withSink == [[1]])
        bench.answer(1)
        #expect(bench.withSink == [[2]])
        bench.answerAll()
        #expect(bench.cursor == 3 && bench.delivered == 3)
    }

    /// Or a crash would have the one before come again behind it.
    @Test func aUsersNextEventWaitsUntilTheOneBeforeIsRecorded() {
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1", "u1", "u2"])
        bench.holdsSettles = true
        bench.answer(1)
        #expect(bench.withSink == [[3]])
        bench.releaseSettles()
        #expect(bench.withSink == [[3], [2]])
    }

    @Test func aFoldingSinkNeedNotWaitForThat() {
        let bench = DeliveryBench(DeliveryBench.sql, users: ["u1"])
        bench.holdsSettles = true
        bench.answer(1)
        bench.append(["u1"])
        bench.news()
        #expect(bench.withSink == [[2]])
    }

    @Test func differentUsersGoAtTheSameTime() {
        let bench = DeliveryBench(DeliveryBench.http, users: (0..<20).map { "u\($0)" })
        #expect(bench.withSink == (1...8).map { [$0] })
        bench.answer(3)
        #expect(bench.withSink.last == [9])
    }

    @Test func eventsWithoutAUserWaitForNobody() {
        let bench = DeliveryBench(DeliveryBench.http, users: [nil, nil, nil])
        #expect(bench.withSink == [[1], [2], [3]])
    }

    @Test func aUsersBurstDoesNotHoldUpTheOthers() {
        let burst = [String?](repeating: "u1", count: 300)
        let bench = DeliveryBench(DeliveryBench.http, users: burst + ["u2"])
        #expect(bench.withSink.contains([301]))
    }

    @Test func aFoldingSinkGetsAUsersEventsInOneBatch() {
        let bench = DeliveryBench(DeliveryBench.sql, users: ["u1", "u2", "u1"])
        #expect(bench.withSink == [[1, 2, 3]])
    }

    @Test func otherUsersPassAParkedOne() {
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1", "u2", "u1", "u3"])
        bench.answer(1, .retry(after: .seconds(5), reason: "busy"))
        bench.answerAll()
        #expect(bench.cursor == 4 && bench.delivered == 2)
        #expect(bench.parked.keys.sorted() == [1, 3])
        bench.advance(by: .seconds(6))
        #expect(bench.withSink == [[1]])
        bench.answer(1)
        #expect(bench.withSink == [[3]])
        bench.answer(3)
        #expect(bench.parked.isEmpty && bench.delivered == 4)
    }

    @Test func whatComesLaterWaitsBehindAParkedOne() {
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1"])
        bench.answer(1, .retry(after: .seconds(5), reason: "busy"))
        bench.append(["u1", "u2"])
        bench.news()
        #expect(bench.withSink == [[3]])
        #expect(bench.parked.keys.sorted() == [1, 2])
    }

    /// A batch of three fails twice, so that all of them are suspects and the newer event of u1 is not.
    @Test func aSuspectIsNotPassedByALaterEventOfItsUser() {
        let bench = DeliveryBench(DeliveryBench.sql, users: ["u9", "u1", "u1"])
        bench.fail(1)
        bench.advance(by: .seconds(4_000))
        #expect(bench.withSink == [[1]])
        bench.answer(1)
        bench.fail(2)
        bench.append(["u2", "u1"])
        bench.news()
        bench.advance(by: .seconds(4_000))
        // The trial takes the gentlest first event of a user: never offset 5, which waits for 2 and 3.
        #expect(bench.withSink == [[4]])
        bench.answer(4)
        #expect(bench.withSink == [[2]])
    }

    // MARK: - A sink that is held

    @Test func aHeldSinkIsNotEvenPrepared() {
        let hold = SinkHold(kind: .paused, reason: "maintenance", since: 1)
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1", "u2"], hold: hold)
        bench.news()
        bench.advance(by: .seconds(86_400))
        #expect(bench.preparations == 0 && bench.withSink.isEmpty && bench.reads == 0)
        #expect(bench.breaker.state == .held(hold) && bench.breaker.reason == "maintenance")
        bench.stop()
        #expect(bench.isStopped && bench.settlements.isEmpty)
    }

    // MARK: - A sink that is down

    @Test func anUnavailableSinkHoldsItsCursor() {
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1", "u2", "u3"])
        for offset in 1...3 { bench.fail(Int64(offset)) }
        #expect(bench.withSink.isEmpty && bench.cursor == 0 && bench.settledAbove.isEmpty)
        bench.advance(by: .seconds(4_000))
        #expect(bench.withSink == [[1]])
        bench.answer(1)
        #expect(bench.breaker.state == .closed)
        bench.answerAll()
        #expect(bench.cursor == 3 && bench.delivered == 3 && bench.parked.isEmpty)
    }

    @Test func attemptsThatFailTogetherCountOnce() {
        let bench = DeliveryBench(DeliveryBench.http, users: (0..<8).map { "u\($0)" })
        for offset in 1...8 { bench.fail(Int64(offset)) }
        #expect(bench.breaker.failures == 1)
    }

    @Test func aPageThatWasUnderWayWhenTheSinkFailedLosesNothing() {
        let bench = DeliveryBench(DeliveryBench.sql, users: (0..<50).map { "u\($0)" })
        bench.holdsReads = true
        bench.append((50..<100).map { "u\($0)" })
        bench.news()
        #expect(bench.heldPages.count == 1)
        bench.fail(1)
        bench.releasePages()
        bench.advance(by: .seconds(4_000))
        bench.answerAll()
        #expect(bench.delivered == 100 && bench.cursor == 100)
    }

    @Test func newsDuringAReadIsNotForgotten() {
        let bench = DeliveryBench(DeliveryBench.sql, users: [])
        bench.holdsReads = true
        bench.append(["u1"])
        bench.news()
        bench.append(["u2"])
        bench.news()
        bench.releasePages()
        bench.answerAll()
        #expect(bench.delivered == 2)
    }

    @Test func aWakeThatComesEarlyIsAskedForAgain() {
        let bench = DeliveryBench(DeliveryBench.sql, users: ["u1"])
        bench.fail(1, .unavailable(reason: "refused", retryAfter: .seconds(10)))
        #expect(bench.wakes.count == 1)
        // The machine's clocks drift: the sleep is over, and by the wall clock it is not yet time.
        bench.advance(by: .seconds(9))
        bench.wokeUp()
        #expect(bench.wakes.count == 2)
    }

    @Test func aClockThatIsSetBackDelaysNothing() {
        let bench = DeliveryBench(DeliveryBench.sql, users: ["u1"])
        bench.fail(1, .unavailable(reason: "refused", retryAfter: .seconds(10)))
        bench.setClock(by: .seconds(-7_200))
        bench.advance(by: .seconds(11))
        #expect(bench.withSink == [[1]])
    }

    @Test func aSinkThatForgetsADeliveryOfABatchIsUnavailable() {
        let bench = DeliveryBench(DeliveryBench.sql, users: ["u1", "u2"])
        bench.answer(1, receipts: [Receipt(offset: Offset(rawValue: 1), .delivered)])
        #expect(bench.breaker.reason?.contains("did not account") == true)
        #expect(bench.cursor == 0 && bench.settledAbove.isEmpty)
    }

    // MARK: - Events that are the problem

    @Test func aRejectedEventIsDeadLetteredAndOthersPass() {
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1", "u1", "u2"])
        bench.answer(1, .rejected(reason: "HTTP 400"))
        bench.answerAll()
        #expect(bench.deadLetters == [1])
        #expect(bench.cursor == 3 && bench.delivered == 2)
    }

    @Test func anEventThatBreaksTheSinkAloneIsParked() {
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1", "u2", "u3", "u4"])
        for round in 0..<40 where bench.parked[1] == nil {
            while let offset = bench.withSink.first?.first {
                if offset == 1 { bench.fail(1) } else { bench.answer(offset) }
            }
            bench.append(["u\(10 + round)"])
            bench.news()
            bench.advance(by: .seconds(4_000))
        }
        #expect(bench.parked[1]?.failures.last?.reason.contains("this event alone") == true)
        #expect(bench.cursor > 4)
    }

    @Test func aRetryIsGivenUpAfterItsTime() {
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1"], giveUpAfter: .seconds(60))
        for _ in 0..<200 where bench.deadLetters.isEmpty {
            bench.answer(1, .retry(after: nil, reason: "busy"))
            bench.advance(by: .seconds(7))
        }
        #expect(bench.deadLetters == [1] && bench.parked.isEmpty)
        // Each is logged once, the last one too.
        let logged = bench.settlements.flatMap(\.attempts).map(\.attempt)
        #expect(logged == bench.settlements.flatMap(\.deadLetters).first?.failures)
    }

    @Test func theRetryClockStandsStillWhileTheBreakerIsOpen() throws {
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1", "u2"], giveUpAfter: .seconds(60))
        bench.answer(1, .retry(after: .seconds(1), reason: "busy"))
        let before = try #require(bench.giveUpTime(1))
        bench.fail(2)
        bench.advance(by: .seconds(86_400))
        bench.answer(bench.withSink[0][0], .retry(after: .seconds(1), reason: "busy"))
        let after = try #require(bench.giveUpTime(1))
        #expect(after - before >= Duration.seconds(86_400).nanoseconds)
        #expect(bench.deadLetters.isEmpty)
    }

    @Test func attemptsOnRecordAreBounded() {
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1"])
        for _ in 0..<120 {
            bench.answer(1, .retry(after: nil, reason: "busy"))
            bench.advance(by: .seconds(300))
        }
        let failures = bench.parked[1]?.failures ?? []
        #expect(failures.count <= 50 && failures.first?.number == 1)
        #expect(failures.last?.number == 120)
        #expect(failures.count == FailedAttempt.firstKept + FailedAttempt.newestKept)
        // All of them are logged, and the last of those that it kept is the last of these.
        let logged = bench.settlements.flatMap(\.attempts)
        #expect(logged.map(\.attempt.number) == Array(1...120))
        #expect(logged.allSatisfy { $0.offset == Offset(rawValue: 1) })
        #expect(logged.last?.attempt == failures.last)
        bench.answer(1, .rejected(reason: "HTTP 400"))
        #expect(bench.settlements.last?.attempts.map(\.attempt.number) == [121])
        #expect(bench.deadLetters.count == 1)
    }

    @Test func aRemovalThatDiesIsTold() {
        let bench = DeliveryBench(DeliveryBench.http, users: [])
        bench.append(("account.update_profile", 1), ("lifecycle.delete.initiated", 2))
        for offset in 1...2 { bench.answer(Int64(offset), .rejected(reason: "HTTP 422")) }
        let removals = bench.settlements.flatMap(\.deadLetters).map(\.removal)
        #expect(removals.map { $0?.operation } == [nil, .delete])
        #expect(removals[1]?.subject == Subject(org: "acme", userID: "u"))
    }

    /// Also of an event that removes nobody.
    @Test func whatIsNotDeliveredLeavesItsReason() {
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1", "u2"])
        bench.answer(1, .skipped("not in its department"))
        bench.answer(2, .superseded)
        let receipts = bench.settlements.flatMap(\.receipts)
        #expect(receipts.map(\.detail) == ["not in its department", "a newer event was there"])
        #expect(
            receipts.map(\.outcome) == [.skipped, .superseded] && receipts.allSatisfy { $0.removal == nil })
        #expect(receipts.map(\.eventID) == bench.log.map(\.event.id))
    }

    @Test func anAttemptKeepsTheStatusThatTheDestinationGave() {
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1"])
        func receipt(_ outcome: Receipt.Outcome, _ status: Int?) -> [Receipt] {
            [Receipt(offset: Offset(rawValue: 1), outcome, status: status)]
        }
        bench.answer(1, receipts: receipt(.retry(after: nil, reason: "HTTP 500"), 500))
        bench.advance(by: .seconds(300))
        bench.answer(1, receipts: receipt(.retry(after: nil, reason: "no answer"), nil))
        bench.advance(by: .seconds(300))
        bench.answer(1, receipts: receipt(.rejected(reason: "HTTP 422"), 422))
        let letters = bench.settlements.flatMap(\.deadLetters)
        #expect(letters.map { $0.failures.map(\.status) } == [[500, nil, 422]])
    }

    @Test func aboveParkedMaxTheCursorHolds() {
        let bench = DeliveryBench(DeliveryBench.http, users: [])
        bench.append((0..<10_100).map { "p\($0)" })
        bench.news()
        for _ in 0..<10_100 {
            guard let offset = bench.withSink.first?.first else { break }
            bench.answer(offset, .retry(after: .seconds(600), reason: "busy"))
        }
        #expect(bench.parked.count >= 10_000 && bench.parked.count < 10_008)
        #expect(bench.cursor < 10_008)
        #expect(bench.withSink.isEmpty)
    }

    @Test func whatWaitedForRoomIsNotParkedBehindNothing() {
        let bench = DeliveryBench(
            DeliveryBench.http, users: ["u1", "u1"], policy: DeliveryPolicy(parkedMax: 1))
        bench.answer(1, .retry(after: .seconds(5), reason: "busy"))
        #expect(bench.parked.keys.sorted() == [1])
        bench.advance(by: .seconds(6))
        bench.holdsSettles = true
        bench.answer(1)
        bench.releaseSettles()
        #expect(bench.parked.isEmpty && bench.withSink == [[2]])
    }

    // MARK: - The end

    @Test func aStopWaitsForWhatIsInFlight() {
        let bench = DeliveryBench(DeliveryBench.http, users: (0..<20).map { "u\($0)" })
        bench.holdsSettles = true
        bench.stop()
        #expect(!bench.isStopped)
        bench.answerAll()
        #expect(bench.withSink.isEmpty && !bench.isStopped)
        while !bench.heldSettles.isEmpty {
            bench.releaseSettles()
        }
        #expect(bench.isStopped && bench.cursor == 8 && bench.delivered == 8)
    }

    @Test func settlesGatherWhileOneIsUnderWay() {
        let bench = DeliveryBench(DeliveryBench.http, users: (0..<8).map { "u\($0)" })
        bench.holdsSettles = true
        bench.answerAll()
        bench.releaseSettles()
        #expect(bench.settlements.map { $0.outcomes[.delivered] } == [1, 7])
    }
}
