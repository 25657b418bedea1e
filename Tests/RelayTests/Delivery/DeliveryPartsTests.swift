import Config
import JSON
@testable import Relay
import RelayTesting
import Testing

/// The small parts of the delivery machine, one by one.
@Suite struct DeliveryPartsTests {
    private func offset(_ number: Int64) -> Offset { Offset(rawValue: number) }

    private func page(_ offsets: [Int64], end: Int64) -> JournalPage {
        let event = DeliveryFixture.event(of: "u1")
        return JournalPage(
            entries: offsets.map { JournalEntry(offset: offset($0), event: event, rule: "rule") },
            end: offset(end), isAtHorizon: true)
    }

    private func lease(cursor: Int64 = 0, settledAbove: [Int64] = []) -> SinkLease {
        SinkLease(
            sink: "sink", epoch: 1, cursor: offset(cursor), settledAbove: settledAbove.map(offset), parked: []
        )
    }

    // MARK: - RetrySchedule

    @Test func delaysDoubleUpToTheirMaximumWithFullJitter() {
        let schedule = RetrySchedule(RetryConfiguration(initial: .seconds(1), max: .seconds(300)))
        var random = SeededGenerator(seed: 7)
        for (failures, ceiling) in [(0, 1), (1, 1), (2, 2), (5, 16), (9, 256), (10, 300), (1_000, 300)] {
            let delays = (0..<200).map { _ in
                schedule.delay(afterFailures: failures, retryAfter: nil, using: &random)
            }
            #expect(delays.allSatisfy { $0 >= .zero && $0 <= .seconds(ceiling) })
            #expect((delays.max() ?? .zero) > .seconds(ceiling) * 0.8)
            #expect((delays.min() ?? .zero) < .seconds(ceiling) * 0.2)
        }
    }

    @Test func retryAfterIsAFloorUpToAnHour() {
        let schedule = RetrySchedule(RetryConfiguration())
        var random = SeededGenerator(seed: 7)
        #expect(schedule.delay(afterFailures: 1, retryAfter: .seconds(20), using: &random) == .seconds(20))
        #expect(
            schedule.delay(afterFailures: 1, retryAfter: .seconds(9_999_999), using: &random)
                == .seconds(3_600))
        #expect(schedule.delay(afterFailures: 1, retryAfter: .seconds(-5), using: &random) >= .zero)
    }

    // MARK: - CircuitBreaker

    @Test func theBreakerGoesRoundAndCountsTheOutageOnce() {
        var breaker = CircuitBreaker()
        let asked = [breaker.takePreparation(), breaker.takePreparation()]
        #expect(asked == [true, false])
        breaker.prepared()
        #expect(breaker.state == .closed)
        breaker.failed(.unavailable(reason: "refused"), at: 10) { _, _ in .nanoseconds(5) }
        #expect(breaker.state == .open(until: 15, isMisconfigured: false) && breaker.reason == "refused")
        breaker.failed(.unavailable(reason: "refused"), at: 11) { _, _ in .nanoseconds(50) }
        #expect(breaker.failures == 1)
        breaker.timePassed(to: 14)
        let early = breaker.takePreparation()
        #expect(!early)
        breaker.timePassed(to: 15)
        let again = breaker.takePreparation()
        #expect(again)
        breaker.prepared()
        #expect(breaker.state == .halfOpen && breaker.reason != nil)
        let first = breaker.takeOutage(at: 17)
        #expect(first == .nanoseconds(7))
        breaker.succeeded()
        #expect(breaker.state == .closed && breaker.reason == nil)
        let rest = [breaker.takeOutage(at: 20), breaker.takeOutage(at: 30)]
        #expect(rest == [.nanoseconds(3), nil])
    }

    @Test func aMisconfiguredSinkIsLookedAtEveryMinute() {
        var breaker = CircuitBreaker()
        for _ in 0..<20 {
            let asked = breaker.takePreparation()
            #expect(asked)
            breaker.failed(.misconfigured(reason: "wrong password"), at: 0) { _, _ in .zero }
            let minute = Duration.seconds(60).nanoseconds
            #expect(breaker.state == .open(until: minute, isMisconfigured: true))
            breaker.timePassed(to: minute)
        }
    }

    // MARK: - DeliveryWindow

    @Test func theCursorIsTheHighestOffsetBelowWhichAllIsSettled() {
        var window = DeliveryWindow(lease())
        _ = window.add(page([2, 4, 6, 8], end: 9))
        #expect(window.cursor == .zero)
        window.close(offset(4))
        window.close(offset(8))
        #expect(window.cursor == .zero && window.settledAbove == [offset(4), offset(8)])
        window.close(offset(2))
        #expect(window.cursor == offset(4) && window.settledAbove == [offset(8)])
        window.close(offset(6))
        #expect(window.cursor == offset(9) && window.settledAbove.isEmpty && window.isEmpty)
    }

    @Test func whatWasSettledBeforeARestartIsNotReadAgain() {
        var window = DeliveryWindow(lease(cursor: 1, settledAbove: [3, 7]))
        let new = window.add(page([2, 3], end: 3)).map(\.offset)
        #expect(new == [offset(2)])
        window.close(offset(2))
        #expect(window.cursor == offset(3) && window.settledAbove == [offset(7)])
        let none = window.add(page([7], end: 7))
        #expect(none.isEmpty)
        #expect(window.cursor == offset(7) && window.settledAbove.isEmpty)
    }

    /// Of a log in which most entries are for other sinks, whatever the order in which the own ones end.
    @Test func aWindowFindsItsEntriesHoweverFarApartTheyAre() {
        var random = SeededGenerator(seed: 11)
        for _ in 0..<50 {
            let offsets = (Int64(1)...300).filter { _ in Int.random(in: 0..<4, using: &random) == 0 }
            var window = DeliveryWindow(lease())
            let half = offsets.count / 2
            _ = window.add(page(Array(offsets[..<half]), end: half > 0 ? offsets[half - 1] : 0))
            _ = window.add(page(Array(offsets[half...]), end: 300))
            var open = Set(offsets)
            for closed in offsets.shuffled(using: &random) {
                window.close(offset(closed))
                open.remove(closed)
                let isRight = (0...301).allSatisfy { (window.entry(offset($0)) != nil) == open.contains($0) }
                let first = open.min()
                #expect(isRight && window.cursor < offset(first ?? 301) && window.isEmpty == open.isEmpty)
                let above = offsets.filter { !open.contains($0) && $0 > first ?? 301 }
                #expect(window.settledAbove == above.map(offset))
            }
            #expect(window.cursor == offset(300))
        }
    }

    @Test func aRewoundWindowKeepsItsCursorAndReadsAgain() {
        var window = DeliveryWindow(lease())
        _ = window.add(page([1, 2, 3], end: 3))
        window.close(offset(2))
        window.rewind()
        #expect(window.isEmpty && window.readEnd == .zero && window.settledAbove == [offset(2)])
        let again = window.add(page([1, 2, 3], end: 3)).map(\.offset)
        #expect(again == [offset(1), offset(3)])
    }

    @Test func aFullWindowHasNoRoomAndAnEmptyOneAlwaysHas() {
        var window = DeliveryWindow(lease(), offsetsMax: 3)
        #expect(window.room == 3)
        _ = window.add(page([1, 2, 3], end: 3))
        window.close(offset(3))
        #expect(window.room == 0)
    }

    @Test func aWindowIsFullByItsBytesToo() {
        let entries = page([1, 2, 3], end: 3)
        let size = entries.entries[0].event.footprint
        var window = DeliveryWindow(lease())
        window.bytesMax = 3 * size
        // However large the first one is.
        #expect(window.room > 0)
        _ = window.add(entries)
        #expect(window.bytes == 3 * size && window.room == 0)
        window.close(offset(1))
        #expect(window.room > 0)
        _ = window.add(page([4], end: 4))
        #expect(window.room == 0)
    }

    @Test func manySinksReadAheadLittleMoreThanFew() {
        let budget = ReadAheadBudget(bytes: 10_000_000)
        #expect(budget.share(foldsUsers: true) == 10_000_000)
        budget.share(among: 50)
        #expect(budget.share(foldsUsers: true) == 200_000)
        // Whoever waits behind another stays in memory, and must not hide all others.
        #expect(budget.share(foldsUsers: false) == 20_000_000)
        budget.share(among: 100_000)
        #expect(budget.share(foldsUsers: true) == 128 * 1024)
        budget.share(among: 0)
        #expect(budget.share(foldsUsers: true) == 10_000_000)
    }

    /// As after a person has moved the sink back under load.
    @Test func whatIsSettledFarAboveTheCursorTakesNoRoomUntilItIsRead() {
        var window = DeliveryWindow(lease(settledAbove: [101, 102, 103]), offsetsMax: 4)
        #expect(window.room == 4)
        _ = window.add(page([1, 2], end: 2))
        window.close(offset(2))
        #expect(window.room == 2 && window.settledAbove == [2, 101, 102, 103].map(offset))
        let new = window.add(page([100, 101], end: 101)).map(\.offset)
        #expect(new == [offset(100)] && window.room == 0)
        window.rewind()
        #expect(window.room == 4)
        _ = window.add(page([1, 2, 100, 101], end: 101))
        #expect(window.room == 0)
        window.close(offset(1))
        #expect(window.room == 2 && window.cursor == offset(2))
        window.close(offset(100))
        #expect(window.isEmpty && window.room == 4 && window.settledAbove == [102, 103].map(offset))
    }

    // MARK: - ParkedLanes

    private func parked(_ number: Int64, _ user: String, at time: Int64) -> ParkedDelivery {
        let subject = Subject(org: "o", userID: user)
        return ParkedDelivery(offset: offset(number), subject: subject, failures: [], notBefore: time)
    }

    @Test func onlyTheFirstOfAUserIsDueAndInTheOrderOfTime() {
        var lanes = ParkedLanes([parked(1, "a", at: 30), parked(2, "a", at: 0), parked(3, "b", at: 10)])
        let first = lanes.takeDue(at: 40, limit: 9)
        #expect(first == [offset(3), offset(1)])
        let none = lanes.earliest()
        #expect(none == nil)
        lanes.giveBack(offset(3))
        lanes.remove(offset(1))
        let second = lanes.takeDue(at: 40, limit: 9)
        #expect(second == [offset(2), offset(3)])
        lanes.insert(parked(2, "a", at: 90))
        let last = lanes.earliest()
        #expect(last == 90 && lanes.count == 2)
    }

    @Test func aUsersLaneWaitsForTheLatestTimeThatOneOfItWasGiven() {
        var lanes = ParkedLanes([parked(1, "a", at: 0), parked(2, "a", at: 50), parked(3, "a", at: 0)])
        let early = lanes.takeDue(at: 49, limit: 9, followers: 9)
        #expect(early == [])
        let all = lanes.takeDue(at: 50, limit: 1, followers: 1)
        #expect(all == [offset(1), offset(2)])
        lanes.remove(offset(2))
        lanes.giveBack(offset(1))
        let next = lanes.earliest()
        #expect(next == 0)
    }

    // MARK: - SettlingLanes

    @Test func aUsersWindowBeginsWithTheirFirstEvent() {
        var lanes = SettlingLanes(.nanoseconds(100))
        let (a, b) = (ParkedLanes.Lane(nil, offset(1)), ParkedLanes.Lane(nil, offset(2)))
        let waits = [lanes.gather(a, from: 40, at: 50), lanes.gather(b, from: 10, at: 50)]
        #expect(waits == [true, true] && lanes.earliest == 110)
        let first = lanes.takeDue(at: 110)
        #expect(first == [b] && lanes.earliest == 140)
        // What was received before the window closed belongs to it; what comes later opens the next one.
        let late = [lanes.gather(b, from: 105, at: 115), lanes.gather(b, from: 111, at: 115)]
        #expect(late == [false, true])
        let rest = lanes.removeAll()
        #expect(rest == [a, b] && lanes.earliest == nil)
    }

    @Test func anEventFromTheFutureWaitsNoLongerThanOthers() {
        var lanes = SettlingLanes(.nanoseconds(100))
        _ = lanes.gather(ParkedLanes.Lane(nil, offset(1)), from: 5_000, at: 50)
        #expect(lanes.earliest == 150)
        lanes.clockWasSet(by: -40)
        #expect(lanes.earliest == 110)
        let isOld = SettlingLanes(.nanoseconds(100))
        var old = isOld
        let waits = old.gather(ParkedLanes.Lane(nil, offset(1)), from: 5, at: 500)
        #expect(!waits)
    }

    // MARK: - PendingSettlement

    @Test func anIntentEndsOnlyWithItsSettlement() {
        let window = DeliveryWindow(lease(cursor: 5))
        var settlement = PendingSettlement(sink: "sink", epoch: 1, cursor: offset(5))
        settlement.unsent([offset(6)])
        settlement.park(parked(7, "a", at: 0))
        settlement.park(parked(8, "b", at: 0))
        let first = settlement.take(window, awaySince: nil) { $0 == offset(8) }
        #expect(first?.unknown == [offset(8)] && first?.endedIntents == [offset(6), offset(7)])
        settlement.failed()
        let ending = [6, 7, 8].map { settlement.endsIntent(of: offset($0)) }
        #expect(ending == [true, true, false])
        _ = settlement.succeeded()
        let ended = settlement.endsIntent(of: offset(6))
        #expect(!ended)
    }

    /// Ten thousand rows in one commit would have intake wait.
    @Test func whatChangesOfManyParkedGoesOutInParts() {
        let window = DeliveryWindow(lease(cursor: 1_000))
        var settlement = PendingSettlement(sink: "sink", epoch: 1, cursor: offset(1_000))
        for number in 1...600 { settlement.change(parked(Int64(number), "u\(number)", at: 5)) }
        settlement.unpark(offset(1))
        settlement.park(parked(2, "u2", at: 9))
        var rows: [Offset: ParkedDelivery] = [:]
        var counts: [Int] = []
        while let part = settlement.take(window, awaySince: nil, isUnknown: { $0 == offset(3) }) {
            counts.append(part.parked.count)
            for row in part.parked {
                let isSecond = rows.updateValue(row, forKey: row.offset) != nil
                #expect(!isSecond)
            }
            // What has not gone out cannot be intended meanwhile: its row would end that.
            let waiting = (4...600).map { offset($0) }.filter { rows[$0] == nil }
            let areKept = waiting.allSatisfy { settlement.endsIntent(of: $0) }
            #expect(areKept && part.unknown.allSatisfy { $0 == offset(3) } && !settlement.isIdle)
            _ = settlement.succeeded()
        }
        #expect(counts == [257, 256, 86] && settlement.isIdle)
        #expect(rows.keys.sorted() == (2...600).map { offset($0) } && rows[offset(2)]?.notBefore == 9)
    }

    @Test func aSettlementThatFailedGoesOutAgainUnchanged() {
        let window = DeliveryWindow(lease(cursor: 5))
        var settlement = PendingSettlement(sink: "sink", epoch: 1, cursor: offset(5))
        settlement.count(offset(6), .delivered)
        let first = settlement.take(window, awaySince: nil) { _ in false }
        #expect(first?.outcomes == [.delivered: 1])
        settlement.count(offset(7), .skipped)
        let meanwhile = settlement.take(window, awaySince: nil) { _ in false }
        #expect(meanwhile == nil)
        settlement.failed()
        let again = settlement.take(window, awaySince: nil) { _ in false }
        #expect(again == first)
        _ = settlement.succeeded()
        let second = settlement.take(window, awaySince: nil) { _ in false }
        #expect(second?.outcomes == [.skipped: 1] && !settlement.isIdle)
        #expect(first?.range == offset(6)...offset(6) && second?.range == offset(7)...offset(7))
        _ = settlement.succeeded()
        #expect(settlement.isIdle)
    }
}
