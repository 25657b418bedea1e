@testable import Relay
import Rules

/// The journal of the simulation, and the checks: what may never happen, told apart from the code under
/// test.
final class DeliveryLedger {
    struct Row {
        let offset: Offset
        let event: Event
        let isRouted: Bool

        /// Nil for an event without a user.
        var user: String? { event.user?.id }
    }

    private(set) var rows: [Row] = []
    private(set) var routed: [Row] = []
    private var byUser: [String: [Offset]] = [:]
    private(set) var cursor = Offset.zero
    private(set) var settledAbove: Set<Offset> = []
    private(set) var parked: [Offset: ParkedDelivery] = [:]
    private(set) var dead: Set<Offset> = []
    private(set) var states: [Subject: FoldState] = [:]
    private(set) var outcomes = 0
    private(set) var epoch: Int64 = 0
    /// What the sink was really told of each user, in this life of the relay.
    private var told: [Subject: FoldState] = [:]
    /// Deliveries whose end the machine was told, in this life of the relay.
    private(set) var ended: Set<Offset> = []
    /// The sink refused it once, or its time was over; only this makes a dead letter.
    private var refused: Set<Offset> = []
    /// How long each has been tried for.
    var retries: RetryClocks
    /// How often, where failures of single events are not told apart from those of the sink.
    var bounds: AttemptBounds?
    /// Before that, the sink has said, it must not come again; in this life of the relay.
    private var notBefore: [Offset: Int64] = [:]
    private(set) var attempts: [Offset: Int] = [:]
    private var withSink: Set<Offset> = []
    /// The sink has not judged them when they were with it last.
    private var unjudged: Set<Offset> = []
    private(set) var violations: [String] = []
    /// Deliveries that were about to be sent.
    private(set) var intents: Set<Offset> = []
    private(set) var hold: SinkHold?
    private(set) var limitCounts = ""
    private(set) var exemptTo = Offset.zero
    /// How long the sink was away or held, as the settlements and the holds tell.
    private(set) var stoodStill: Int64 = 0
    private var awaySince: Int64?
    /// What the lease says of that, or the limits since: whether the worker knows of it.
    private var knownHold: SinkHold?
    /// What the lease lets pass the limits.
    private(set) var leasedExemptTo = Offset.zero
    /// The place or the hold was changed since the lease, and the place ever moved back.
    private(set) var isMoved = false
    private var isMovedBack = false
    private(set) var detached: Set<Offset> = []
    /// What a person wants again, since the lease.
    private var repeating: Set<Offset> = []
    /// How often deliveries died, were given up, got through although they were given up, and were wanted
    /// again.
    private(set) var (deaths, givenUp, late, repeated) = (0, 0, 0, 0)
    /// Deliveries of which nobody knows whether the sink has them.
    private var uncertain: Set<Offset> = []
    let windowMax: Int
    /// What the lease had settled above its cursor, which is much where its place was moved back.
    private var leasedAbove: Set<Offset> = []
    /// Whether a user's events are sorted, so that they need not come in the order of the journal.
    let sorts: Bool
    /// Whether times can be compared at all.
    private let isClockSteady: Bool
    /// Whether the sink folds users, and gets all there is of one at once.
    private let foldsUsers: Bool

    init(windowMax: Int, sorts: Bool, foldsUsers: Bool, giveUpAfter: Duration, isClockSteady: Bool) {
        self.windowMax = windowMax
        self.sorts = sorts
        self.isClockSteady = isClockSteady
        self.foldsUsers = foldsUsers
        retries = RetryClocks(giveUpAfter: giveUpAfter)
    }

    // MARK: - The journal

    func append(_ event: Event, isRouted: Bool) {
        let row = Row(offset: Offset(rawValue: Int64(rows.count + 1)), event: event, isRouted: isRouted)
        rows.append(row)
        guard isRouted else { return }
        routed.append(row)
        if let user = row.user { byUser[user, default: []].append(row.offset) }
    }

    /// A person pauses or resumes the sink; only who knows what the limits have stopped lets it pass them.
    func operate(_ hold: SinkHold?, at now: Int64) {
        self.hold(hold, at: now)
        isMoved = true
    }

    private func hold(_ hold: SinkHold?, at now: Int64) {
        if hold == nil, self.hold?.kind == .tripped { exemptTo = Offset(rawValue: Int64(rows.count)) }
        if let since = self.hold?.since {
            stoodStill += max(0, now - since)
        }
        self.hold = hold
    }

    /// Retention gives up what is oldest, up to an offset, whatever the worker is at.
    func detach(upTo offset: Offset) {
        let waiting = waiting.filter { $0 <= offset }
        detached.formUnion(waiting)
        givenUp += waiting.count
        parked = parked.filter { $0.key > offset }
        cursor = max(cursor, offset)
        settledAbove = settledAbove.filter { $0 > cursor }
        isMoved = true
    }

    /// A person moves the sink back; what comes again for that, because it had been settled.
    func seekBack(to offset: Offset) -> [Offset] {
        let again = routed.map(\.offset).filter { $0 > offset && isSettled($0) }
        repeated += again.count
        repeating.formUnion(again)
        dead.subtract(again)
        detached.subtract(again)
        parked = parked.filter { $0.key <= offset }
        (cursor, settledAbove) = (offset, [])
        exemptTo = min(exemptTo, offset)
        (isMoved, isMovedBack) = (true, true)
        return again
    }

    /// What is with the sink while its place is moved is intended until it ends, or until the next lease.
    private func endSettledIntents() {
        for offset in intents where isSettled(offset) { intents.remove(offset) }
    }

    /// The process died: of what it had intended nobody knows anything.
    func crashed() { uncertain.formUnion(intents) }

    func intend(_ offsets: [Offset]) { intents.formUnion(offsets) }

    /// The machine has given up on a delivery that asked for a retry once too often.
    func gaveUp(_ offsets: [Offset]) {
        if isClockSteady, let early = retries.tooEarly(offsets) {
            check(false, "\(offsets.map(\.rawValue)) \(early)")
        }
        refused.formUnion(offsets)
        ended.formUnion(offsets)
    }

    /// The machine waits with these for another attempt.
    func putOff(_ offsets: [Offset]) {
        for offset in offsets {
            retries.start(offset)
            let late = unjudged.contains(offset) ? nil : retries.tooLate(offset)
            if isClockSteady, let late { check(false, "\(offset) is \(late)") }
        }
    }

    func lease(at now: Int64) -> SinkLease {
        epoch += 1
        bounds?.leased()
        let away = awaySince.map { max(0, (hold?.since ?? now) - $0) } ?? 0
        (stoodStill, awaySince) = (stoodStill + away, nil)
        retries.begin(knowing: parked.values.filter { $0.giveUpAt != nil }.map(\.offset), told: away)
        notBefore = [:]
        (isMoved, isMovedBack) = (false, false)
        (knownHold, leasedExemptTo) = (hold, exemptTo)
        repeating = []
        leasedAbove = settledAbove
        endSettledIntents()
        ended = Set(routed.map(\.offset).filter { isSettled($0) })
        told = states
        withSink = []
        return SinkLease(
            sink: "sink", epoch: epoch, cursor: cursor, settledAbove: settledAbove.sorted(),
            parked: parked.values.sorted { $0.offset < $1.offset }, hold: hold, intents: intents,
            limitCounts: limitCounts, exemptTo: exemptTo, stoodStill: stoodStill)
    }

    func event(_ offset: Offset) -> Event { rows[Int(offset.rawValue) - 1].event }

    func subject(_ offset: Offset) -> Subject? { event(offset).subject }

    private func isSettled(_ offset: Offset) -> Bool {
        (offset <= cursor || settledAbove.contains(offset)) && parked[offset] == nil
    }

    var waiting: [Offset] { routed.map(\.offset).filter { !isSettled($0) } }

    /// What has ended in this life of the worker and comes again, although nobody wants it again.
    var unsettled: [Offset] { waiting.filter { ended.contains($0) && !repeating.contains($0) } }

    // MARK: - What the checkers see

    /// The sink is handed an attempt.
    func began(_ attempt: DeliveryAttempt, at now: Int64) {
        let offsets = attempt.offsets
        check(offsets == offsets.sorted() && Set(offsets).count == offsets.count, "a batch out of order")
        check(knownHold == nil, "a sink that is held gets \(offsets.map(\.rawValue))")
        checkGroups(attempt)
        for delivery in attempt.deliveries {
            check((attempt.numbers[delivery] ?? 0) >= 1, "\(delivery) has no attempt number")
        }
        for key in attempt.unknown {
            let isUncertain = !uncertain.isDisjoint(with: (attempt.merged[key] ?? []) + [key])
            check(isUncertain, "\(key) is taken for unknown, and its answer came")
        }
        for (index, offset) in offsets.enumerated() {
            // Of what was given up nobody has told this worker yet.
            let isGivenUp = isMoved && detached.contains(offset)
            check(isGivenUp || !isSettled(offset), "\(offset) was settled and is delivered again")
            check(!ended.contains(offset), "\(offset) had ended and is delivered again")
            let isNew = withSink.insert(offset).inserted
            check(isNew, "\(offset) is with the sink twice")
            attempts[offset, default: 0] += 1
            unjudged.remove(offset)
            if isClockSteady, let time = notBefore[offset] { check(now >= time, "\(offset) comes too early") }
            guard let subject = subject(offset) else { continue }
            // The one before it is enough: that one had to wait for those before itself.
            let mine = byUser[subject.userID] ?? []
            if sorts {
                let others = mine.filter { withSink.contains($0) && !offsets.contains($0) }
                check(others.isEmpty, "\(offset) goes while \(others) of its user are with the sink")
            } else if let before = mine.last(where: { $0 < offset }) {
                let isBefore = offsets[..<index].contains(before)
                check(ended.contains(before) || isBefore, "\(offset) passes \(before) of its user")
            }
            let isRecorded = mine.allSatisfy {
                isSettled($0) || !ended.contains($0) || repeating.contains($0)
            }
            check(foldsUsers || isRecorded, "\(offset) goes before all that had ended is recorded")
            check(states[subject] == told[subject], "\(offset) goes out with another state than was told")
        }
    }

    /// The sink has given honest receipts, and the machine gets them.
    func received(_ receipts: [Receipt], of attempt: DeliveryAttempt, at now: Int64) {
        for receipt in receipts {
            let offsets = (attempt.merged[receipt.offset] ?? []) + [receipt.offset]
            withSink.subtract(offsets)
            uncertain.subtract(offsets)
            if receipt.isOutcomeUnknown { uncertain.formUnion(offsets) }
            switch receipt.outcome {
            case .delivered, .superseded, .skipped: ended.formUnion(offsets)
            case .rejected:
                ended.formUnion(offsets)
                refused.formUnion(offsets)
            case .retry(let after, _):
                for offset in offsets { notBefore[offset] = now + (after ?? .zero).nanoseconds }
            case .deferred(let wait): deferred(offsets, until: now + wait.nanoseconds)
            }
            if let state = receipt.state, let subject = subject(receipt.offset) { told[subject] = state }
        }
    }

    func failed(_ offsets: [Offset]) {
        withSink.subtract(offsets)
        unjudged.formUnion(offsets)
    }

    /// Nothing of them was sent, and before that time nothing is.
    func deferred(_ offsets: [Offset], until time: Int64) {
        failed(offsets)
        for offset in offsets { notBefore[offset] = time }
    }

    /// The journal commits a settlement; false where the place was moved since the lease.
    func settle(_ settlement: Settlement, at now: Int64) -> Bool {
        check(settlement.epoch == epoch, "a settlement of another lease")
        let above = Set(settlement.settledAbove)
        let new = above.subtracting(leasedAbove).count
        check(new < windowMax, "\(new) offsets settled above the cursor")
        check(above.allSatisfy { $0 > settlement.cursor }, "settled above, and below the cursor")
        let count = settlement.outcomes.values.reduce(0, +) + settlement.deadLetters.count
        check(settlement.ended.count == count, "\(settlement.ended.count) of \(count) ends are told")
        let before = routed.lazy.map(\.offset).filter { self.isSettled($0) } as [Offset]
        if isMoved {
            settleMoved(settlement)
        } else {
            check(settlement.cursor >= cursor, "the cursor moves back")
            (cursor, settledAbove) = (settlement.cursor, above)
            for delivery in settlement.parked { parked[delivery.offset] = delivery }
        }
        for offset in settlement.unparked { parked[offset] = nil }
        stoodStill += settlement.stoodStill
        awaySince = hold == nil ? settlement.awaySince : nil
        retries.told(settlement.stoodStill)
        let gone = isMoved ? Set(before) : []
        let dropped = gone.intersection(settlement.deadLetters.map(\.offset))
        // Nobody is told what became of them, and a person may want them again.
        uncertain.formUnion(dropped.intersection(intents))
        for letter in settlement.deadLetters where !gone.contains(letter.offset) {
            deaths += 1
            check(parked[letter.offset] == nil, "a dead letter is parked")
            let isNew = dead.insert(letter.offset).inserted
            check(isNew, "\(letter.offset) died twice")
            check(refused.contains(letter.offset), "\(letter.offset) died of nothing")
            check(!letter.failures.isEmpty, "a dead letter without a failure")
            ended.insert(letter.offset)
        }
        intents.subtract(settlement.endedIntents.subtracting(dropped))
        if isMoved {
            intents.subtract(Set(settlement.ended).subtracting(dropped))
        } else {
            endSettledIntents()
        }
        // What a person has decided is not undone; the limits find out anew.
        if let hold = settlement.hold {
            knownHold = hold
            if isMoved { retries.mayCount(max(0, now - hold.since)) } else { self.hold(hold, at: now) }
        }
        limitCounts = settlement.limitCounts ?? limitCounts
        states.merge(settlement.states) { $1 }
        outcomes += settlement.outcomes.values.reduce(0, +)
        for offset in before { check(isSettled(offset), "\(offset) was settled and is no more") }
        for row in routed where isSettled(row.offset) {
            let isOver = ended.contains(row.offset) || detached.contains(row.offset)
            check(isOver, "\(row.offset) is settled and was never delivered")
        }
        return !isMoved
    }

    /// At a place that was moved each delivery counts for itself: what was given up stays so, what failed
    /// comes again where that was asked for, and nothing else does.
    private func settleMoved(_ settlement: Settlement) {
        let dead = Set(settlement.deadLetters.map(\.offset))
        late += settlement.ended.count { isSettled($0) && !dead.contains($0) }
        let rows = settlement.parked.filter {
            parked[$0.offset] != nil || (!isMovedBack && !isSettled($0.offset))
        }
        for delivery in rows { parked[delivery.offset] = delivery }
        settledAbove.formUnion(settlement.ended + rows.map(\.offset))
        if !isMovedBack { cursor = max(cursor, settlement.cursor) }
        settledAbove = settledAbove.filter { $0 > cursor }
    }

    /// Everything has come to rest at a healthy sink.
    func finish(attemptsBefore: [Offset: Int]) {
        let left = waiting
        check(left.isEmpty, "still waiting: \(left.map(\.rawValue))")
        check(parked.isEmpty, "still parked")
        check(intents.isEmpty, "still intended")
        let (ended, all) = (outcomes + deaths + givenUp, routed.count + late + repeated)
        check(ended == all, "\(ended) of \(all) deliveries counted")
        for (offset, count) in attempts {
            check(count <= (attemptsBefore[offset] ?? 0) + 2, "\(offset) was tried again and again")
        }
    }

    func check(_ isTrue: Bool, _ violation: @autoclosure () -> String) {
        if !isTrue { violations.append(violation()) }
    }
}
