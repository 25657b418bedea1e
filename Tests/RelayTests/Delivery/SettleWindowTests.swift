import Config
@testable import Relay
import RelayTesting
import Rules
import Testing

/// The settle window, limits and unknown outcomes, as the machine carries them out.
@Suite struct SettleWindowTests {
    private func settling(_ seconds: Int, coalesces: Bool = false) -> DeliveryPolicy {
        DeliveryPolicy(settle: SettleWindow(duration: .seconds(seconds), coalesces: coalesces))
    }

    @Test func aUsersEventsGoInTheOrderInWhichTheyHappened() {
        let bench = DeliveryBench(DeliveryBench.http, users: [], policy: settling(2))
        bench.append(("lifecycle.activate", 3), ("lifecycle.create", 1))
        bench.advance(by: .seconds(1))
        bench.append(("account.update_profile", 2))
        #expect(bench.withSink.isEmpty)
        bench.advance(by: .milliseconds(1_001))
        #expect(bench.withSink == [[2]])
        bench.answer(2)
        #expect(bench.withSink == [[3]])
        bench.answer(3)
        #expect(bench.withSink == [[1]])
        bench.answer(1)
        #expect(bench.cursor == 3 && bench.delivered == 3)
    }

    @Test func theWindowIsAskedForInTime() {
        let bench = DeliveryBench(DeliveryBench.http, users: [], policy: settling(2))
        bench.append(("lifecycle.create", 1))
        #expect(bench.wakes.last == bench.now + 2_000_000_000)
    }

    @Test func anOldBacklogDoesNotWait() {
        let bench = DeliveryBench(DeliveryBench.http, users: [], policy: settling(2))
        bench.advance(by: .seconds(3_600))
        bench.append(
            ["a", "b"].map { EventSample(type: "user.lifecycle.create", user: $0, second: 1).event })
        bench.news()
        #expect(bench.withSink == [[1], [2]])
    }

    /// A page of a backlog may end in the midst of what a user did in a second.
    @Test func whatTheEndOfAPageCutsGoesTogetherAllTheSame() {
        let bench = DeliveryBench(DeliveryBench.http, users: [], policy: settling(2, coalesces: true))
        func event(_ user: String, _ type: String, _ second: Int64) -> Event {
            var sample = EventSample(type: "user.\(type)", user: user, second: second)
            sample.id += "/\(user)/\(second)"
            sample.receivedAt = bench.now
            return sample.event
        }
        // A page has 128 entries.
        bench.append((1...127).map { event("u\($0)", "lifecycle.create", 1) })
        bench.append([event("u", "lifecycle.create", 1), event("u", "lifecycle.activate", 2)])
        bench.advance(by: .seconds(3_600))
        bench.append([event("v", "lifecycle.create", 1)])
        bench.news()
        for _ in 0..<200 {
            guard let offset = bench.withSink.first(where: { !$0.contains(128) })?.first else { break }
            bench.answer(offset)
        }
        #expect(bench.withSink == [[128, 129]])
    }

    /// More than the window holds in two seconds: it goes nevertheless.
    @Test func aFloodThatFillsTheWindowGoes() {
        let bench = DeliveryBench(DeliveryBench.http, users: [], policy: settling(2))
        bench.append(
            (0..<6_000).map { EventSample(type: "user.lifecycle.create", user: "u\($0)", second: 1).event })
        bench.advance(by: .seconds(3_600))
        bench.news()
        bench.answerAll()
        #expect(bench.delivered == 6_000)
    }

    @Test func whatArrivesDuringADeliveryHasAWindowOfItsOwn() {
        let bench = DeliveryBench(DeliveryBench.http, users: [], policy: settling(2))
        bench.append(("lifecycle.create", 1))
        bench.advance(by: .seconds(2))
        #expect(bench.withSink == [[1]])
        bench.advance(by: .seconds(1))
        bench.append(("lifecycle.activate", 9), ("account.update_profile", 5))
        bench.answer(1)
        #expect(bench.withSink.isEmpty)
        bench.advance(by: .seconds(2))
        #expect(bench.withSink == [[3]])
    }

    @Test func onlyTheResultIsDeliveredAndTheOthersAreSuperseded() {
        let bench = DeliveryBench(DeliveryBench.http, users: [], policy: settling(2, coalesces: true))
        bench.append(("lifecycle.activate", 3), ("lifecycle.create", 1), ("account.update_profile", 2))
        bench.advance(by: .seconds(2))
        #expect(bench.attempts.map(\.deliveries) == [[Offset(rawValue: 1)]])
        #expect(bench.attempts.first?.merged.values.first?.map(\.rawValue) == [2, 3])
        bench.answer(1)
        #expect(bench.cursor == 3)
        #expect(bench.settlements.last?.outcomes == [.delivered: 1, .superseded: 2])
    }

    @Test func aRetryFormsTheGroupAgainWithWhatCameMeanwhile() {
        let bench = DeliveryBench(DeliveryBench.http, users: [], policy: settling(2, coalesces: true))
        bench.append(("lifecycle.create", 1), ("account.update_profile", 2))
        bench.advance(by: .seconds(2))
        bench.answer(2, .retry(after: .seconds(30), reason: "busy"))
        #expect(bench.withSink.isEmpty && bench.parked.keys.sorted() == [1, 2] && bench.cursor == 2)
        bench.append(("lifecycle.activate", 3))
        bench.advance(by: .seconds(29))
        #expect(bench.withSink.isEmpty)
        bench.advance(by: .seconds(2))
        #expect(bench.withSink == [[1, 2, 3]])
        #expect(bench.attempts.first?.numbers == [Offset(rawValue: 3): 2])
        bench.answer(3)
        #expect(bench.parked.isEmpty && bench.delivered == 1)
        #expect(bench.settlements.reduce(0) { $0 + ($1.outcomes[.superseded] ?? 0) } == 2)
    }

    @Test func whatIsRefusedIsRefusedWithAllThatIsInIt() {
        let bench = DeliveryBench(DeliveryBench.http, users: [], policy: settling(2, coalesces: true))
        bench.append(("lifecycle.create", 1), ("account.update_profile", 2))
        bench.advance(by: .seconds(2))
        bench.answer(2, .rejected(reason: "HTTP 422"))
        #expect(bench.deadLetters == [1, 2] && bench.cursor == 2)
    }

    @Test func aSinkThatWasDownGathersAnew() {
        let bench = DeliveryBench(DeliveryBench.http, users: [], policy: settling(2, coalesces: true))
        bench.append(("lifecycle.create", 1), ("account.update_profile", 2))
        bench.advance(by: .seconds(2))
        bench.fail(1)
        bench.append(("lifecycle.activate", 3))
        bench.advance(by: .seconds(4_000))
        #expect(bench.withSink == [[1, 2, 3]])
        bench.answerAll()
        #expect(bench.cursor == 3 && bench.delivered == 1)
    }

    @Test func aFoldingSinkWaitsTooAndGetsAllOfIt() {
        let bench = DeliveryBench(DeliveryBench.sql, users: [], policy: settling(2))
        bench.append(("lifecycle.activate", 3), ("lifecycle.create", 1))
        #expect(bench.withSink.isEmpty)
        bench.advance(by: .seconds(2))
        #expect(bench.withSink == [[1, 2]])
    }

    // MARK: - Limits

    private func limited(_ count: Int) -> DeliveryPolicy {
        DeliveryPolicy(limits: [.update: RateLimit(count: count, period: .seconds(3_600))])
    }

    @Test func whatWouldExceedTheLimitsHoldsTheSink() {
        let users = (0..<20).map { "u\($0)" }
        let bench = DeliveryBench(DeliveryBench.http, users: users, policy: limited(10))
        #expect(bench.withSink.count == 8)
        bench.answerAll()
        #expect(bench.delivered == 10 && bench.withSink.isEmpty && bench.cursor == 10)
        let hold = bench.settlements.compactMap(\.hold)
        #expect(hold.map(\.kind) == [.tripped] && hold[0].reason.contains("10 of operation update"))
        #expect(bench.breaker.state == .held(hold[0]))
        bench.advance(by: .seconds(86_400))
        bench.news()
        #expect(bench.withSink.isEmpty && bench.preparations == 1)
        bench.stop()
        #expect(bench.isStopped)
    }

    @Test func aBatchIsCutWhereTheLimitIs() {
        let users = (0..<20).map { "u\($0)" }
        let bench = DeliveryBench(DeliveryBench.sql, users: users, policy: limited(10))
        #expect(bench.withSink.map(\.count) == [10])
        bench.answer(1)
        #expect(bench.delivered == 10 && bench.withSink.isEmpty && bench.settlements.last?.hold != nil)
    }

    @Test func whatFailedDoesNotCount() {
        let users = (0..<12).map { "u\($0)" }
        let bench = DeliveryBench(DeliveryBench.http, users: users, policy: limited(10))
        bench.answer(1, .superseded)
        bench.answer(2, .rejected(reason: "HTTP 400"))
        bench.answerAll()
        #expect(bench.delivered == 10 && bench.cursor == 12 && bench.breaker.state == .closed)
    }

    // MARK: - Unknown outcomes

    @Test func whatWasAboutToBeSentComesBackAsUnknownUntilItIsKnown() {
        let bench = DeliveryBench(
            DeliveryBench.http, users: ["u1", "u2"], intents: [Offset(rawValue: 1)])
        #expect(bench.attempts.map { $0.unknown.map(\.rawValue) } == [[1], []])
        bench.answer(
            1,
            receipts: [
                Receipt(
                    offset: Offset(rawValue: 1), .retry(after: .seconds(9), reason: "no answer"),
                    isOutcomeUnknown: true)
            ])
        #expect(bench.settlements.last?.unknown == [Offset(rawValue: 1)])
        bench.advance(by: .seconds(10))
        #expect(bench.attempts.last?.unknown == [Offset(rawValue: 1)])
        bench.answer(1, .retry(after: .seconds(9), reason: "not there, and busy"))
        #expect(bench.settlements.last?.unknown == [])
        bench.advance(by: .seconds(10))
        #expect(bench.attempts.last?.unknown == [])
    }

    @Test func whatIsKnownNotToBeSentLosesItsIntentBeforeItIsTriedAgain() {
        let bench = DeliveryBench(DeliveryBench.http, users: ["u1"])
        bench.holdsSettles = true
        bench.fail(1, intended: [1])
        bench.advance(by: .seconds(4_000))
        #expect(bench.withSink.isEmpty && bench.heldSettles.map(\.unsent) == [[Offset(rawValue: 1)]])
        bench.releaseSettles()
        #expect(bench.withSink == [[1]])
    }

    /// One of them may be there and the other not, and a lookup finds only the user.
    @Test func unknownEventsAreNotMerged() {
        let bench = DeliveryBench(
            DeliveryBench.http, users: [], policy: settling(2, coalesces: true),
            intents: [Offset(rawValue: 1), Offset(rawValue: 2)])
        bench.append(("lifecycle.create", 1), ("account.update_profile", 2), ("lifecycle.activate", 3))
        bench.advance(by: .seconds(2))
        for offset in [Int64(1), 2] {
            #expect(
                bench.withSink == [[offset]] && bench.attempts.last?.unknown == [Offset(rawValue: offset)])
            bench.answer(offset)
        }
        #expect(bench.withSink == [[3]] && bench.attempts.last?.unknown == [])
    }

    // MARK: - Receipts

    @Test func answersAndRemovalsAreKept() {
        let bench = DeliveryBench(DeliveryBench.http, users: [])
        bench.append(
            ("account.update_profile", 1), ("lifecycle.deactivate", 2), ("lifecycle.delete.initiated", 3))
        func receipt(_ offset: Int64, _ outcome: Receipt.Outcome, _ detail: String?) -> [Receipt] {
            [Receipt(offset: Offset(rawValue: offset), outcome, detail: detail)]
        }
        bench.answer(1, receipts: receipt(1, .delivered, "HTTP 200, id 7"))
        bench.answer(2, receipts: receipt(2, .delivered, nil))
        bench.answer(3, receipts: receipt(3, .superseded, nil))
        let receipts = bench.settlements.flatMap(\.receipts)
        #expect(receipts.map(\.offset.rawValue) == [1, 2, 3])
        #expect(receipts.map(\.outcome) == [.delivered, .delivered, .superseded])
        #expect(receipts[2].removal?.operation == .delete)
        #expect(receipts[0].detail == "HTTP 200, id 7" && receipts[0].removal == nil)
        #expect(receipts[1].removal?.operation == .deactivate)
        #expect(receipts[1].removal?.subject == Subject(org: "acme", userID: "u"))
        #expect(receipts[1].eventID == "user.lifecycle.deactivate/u/2/-")
        #expect(bench.settlements.map { $0.range?.lowerBound.rawValue } == [1, 2, 3])
    }

    /// Whatever it was settled as, a removal is told of by itself.
    @Test func aRemovalThatWasSkippedOrMergedLeavesAReceipt() {
        let bench = DeliveryBench(DeliveryBench.http, users: [])
        bench.append(("lifecycle.suspend", 1), ("account.update_profile", 2))
        bench.answer(1, .skipped("nothing to send for it"))
        bench.answer(2, .skipped("nothing to send for it"))
        let skipped = bench.settlements.flatMap(\.receipts)
        #expect(skipped.map(\.offset.rawValue) == [1, 2])
        #expect(skipped.map(\.outcome) == [.skipped, .skipped])
        #expect(skipped.map(\.detail) == ["nothing to send for it", "nothing to send for it"])
        #expect(skipped.map { $0.removal?.operation } == [.deactivate, nil])

        let merging = DeliveryBench(DeliveryBench.http, users: [], policy: settling(2, coalesces: true))
        merging.append(("lifecycle.suspend", 1), ("lifecycle.unsuspend", 2), ("account.update_profile", 3))
        merging.advance(by: .seconds(2))
        merging.answer(3)
        let receipts = merging.settlements.flatMap(\.receipts)
        #expect(receipts.map(\.offset.rawValue) == [1, 2])
        #expect(receipts.map(\.outcome) == [.superseded, .superseded])
        #expect(receipts.map { $0.removal?.operation } == [.deactivate, nil])
    }

    /// A log of events has no row to lose, and its limits count nothing; who keeps no users is not told.
    @Test(arguments: [true, false])
    func whatASinkIsToldOfItsUsersLeavesAReceipt(_ isTold: Bool) {
        let bench = DeliveryBench(
            DeliveryBench.sql, users: [], operation: { _ in isTold ? .none : .delete },
            userOperation: { isTold ? $0.meaning.operation : .none })
        bench.append(
            ("account.update_profile", 1), ("lifecycle.deactivate", 2), ("lifecycle.delete.initiated", 3))
        bench.answerAll()
        let receipts = bench.settlements.flatMap(\.receipts)
        #expect(bench.delivered == 3)
        #expect(receipts.map { $0.removal?.operation } == (isTold ? [.deactivate, .delete] : []))
    }
}
