@testable import Relay
import Rules

/// The journal of the simulation, and the checks: what may never happen, told apart from the code under
/// test.
struct DeliveryLedger {
    struct Row {
        let offset: Offset
        /// Nil for an event without a user.
        let user: String?
        let isRouted: Bool
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
    /// The sink refused it once; only this or time makes a dead letter.
    private var refused: Set<Offset> = []
    private(set) var attempts: [Offset: Int] = [:]
    private var withSink: Set<Offset> = []
    private(set) var violations: [String] = []
    let windowMax: Int

    init(windowMax: Int) { self.windowMax = windowMax }

    // MARK: - The journal

    mutating func append(_ user: String?, isRouted: Bool) {
        let row = Row(offset: Offset(rawValue: Int64(rows.count + 1)), user: user, isRouted: isRouted)
        rows.append(row)
        guard isRouted else { return }
        routed.append(row)
        if let user { byUser[user, default: []].append(row.offset) }
    }

    /// The machine has given up on a delivery that asked for a retry once too often.
    mutating func gaveUp(_ offset: Offset, mayGiveUp: Bool) {
        check(mayGiveUp, "\(offset) was given up too early")
        ended.insert(offset)
    }

    mutating func lease() -> SinkLease {
        epoch += 1
        ended = Set(routed.map(\.offset).filter { isSettled($0) })
        told = states
        withSink = []
        return SinkLease(
            sink: "sink", epoch: epoch, cursor: cursor, settledAbove: settledAbove.sorted(),
            parked: parked.values.sorted { $0.offset < $1.offset })
    }

    func page(after offset: Offset, limit: ReadLimit) -> JournalPage {
        let rest = rows.dropFirst(Int(offset.rawValue)).filter(\.isRouted)
        let isCut = rest.count > limit.entries
        let entries = rest.prefix(limit.entries).map(entry)
        let horizon = Offset(rawValue: Int64(rows.count))
        let end = isCut ? entries.last?.offset ?? offset : max(horizon, offset)
        return JournalPage(entries: entries, end: end, isAtHorizon: !isCut)
    }

    func entries(at offsets: [Offset]) -> [JournalEntry] {
        rows.filter { offsets.contains($0.offset) }.map(entry)
    }

    private func entry(_ row: Row) -> JournalEntry {
        JournalEntry(offset: row.offset, event: DeliveryFixture.event(of: row.user), rule: "rule")
    }

    func subject(_ offset: Offset) -> Subject? {
        DeliveryFixture.event(of: rows[Int(offset.rawValue) - 1].user).subject
    }

    private func isSettled(_ offset: Offset) -> Bool {
        (offset <= cursor || settledAbove.contains(offset)) && parked[offset] == nil
    }

    var waiting: [Offset] { routed.map(\.offset).filter { !isSettled($0) } }

    // MARK: - What the checkers see

    /// The sink is handed an attempt.
    mutating func began(_ offsets: [Offset], numbers: [Offset: Int], unsettled: (Subject) -> FoldState?) {
        check(offsets == offsets.sorted() && Set(offsets).count == offsets.count, "a batch out of order")
        for (index, offset) in offsets.enumerated() {
            check(!isSettled(offset), "\(offset) was settled and is delivered again")
            check(!ended.contains(offset), "\(offset) had ended and is delivered again")
            let isNew = withSink.insert(offset).inserted
            check(isNew, "\(offset) is with the sink twice")
            check((numbers[offset] ?? 0) >= 1, "\(offset) has no attempt number")
            attempts[offset, default: 0] += 1
            guard let subject = subject(offset) else { continue }
            // The one before it is enough: that one had to wait for those before itself.
            if let before = byUser[subject.userID]?.last(where: { $0 < offset }) {
                let isBefore = offsets[..<index].contains(before)
                check(ended.contains(before) || isBefore, "\(offset) passes \(before) of its user")
            }
            let known = unsettled(subject) ?? states[subject]
            check(known == told[subject], "\(offset) goes out with another state than was told")
        }
    }

    /// The sink has given honest receipts, and the machine gets them.
    mutating func received(_ receipts: [Receipt]) {
        for receipt in receipts {
            withSink.remove(receipt.offset)
            switch receipt.outcome {
            case .delivered, .superseded, .skipped: ended.insert(receipt.offset)
            case .rejected:
                ended.insert(receipt.offset)
                refused.insert(receipt.offset)
            case .retry: break
            }
            if let state = receipt.state, let subject = subject(receipt.offset) { told[subject] = state }
        }
    }

    mutating func failed(_ offsets: [Offset]) { withSink.subtract(offsets) }

    /// The journal commits a settlement.
    mutating func settle(_ settlement: Settlement, mayGiveUp: Bool) {
        check(settlement.epoch == epoch, "a settlement of another lease")
        check(settlement.cursor >= cursor, "the cursor moves back")
        let above = Set(settlement.settledAbove)
        check(above.count < windowMax, "\(above.count) offsets settled above the cursor")
        check(above.allSatisfy { $0 > settlement.cursor }, "settled above, and below the cursor")
        let before = routed.map(\.offset).filter { isSettled($0) }
        cursor = settlement.cursor
        settledAbove = above
        for delivery in settlement.parked { parked[delivery.offset] = delivery }
        for offset in settlement.unparked { parked[offset] = nil }
        for letter in settlement.deadLetters {
            check(parked[letter.offset] == nil, "a dead letter is parked")
            let isNew = dead.insert(letter.offset).inserted
            check(isNew, "\(letter.offset) died twice")
            check(refused.contains(letter.offset) || mayGiveUp, "\(letter.offset) died of nothing")
            check(!letter.failures.isEmpty, "a dead letter without a failure")
            ended.insert(letter.offset)
        }
        states.merge(settlement.states) { $1 }
        outcomes += settlement.outcomes.values.reduce(0, +)
        for offset in before { check(isSettled(offset), "\(offset) was settled and is no more") }
        for row in routed where isSettled(row.offset) {
            check(ended.contains(row.offset), "\(row.offset) is settled and was never delivered")
        }
    }

    /// Everything has come to rest at a healthy sink.
    mutating func finish(attemptsBefore: [Offset: Int]) {
        let left = waiting
        check(left.isEmpty, "still waiting: \(left.map(\.rawValue))")
        check(parked.isEmpty, "still parked")
        let (ended, all) = (outcomes + dead.count, routed.count)
        check(ended == all, "\(ended) of \(all) deliveries counted")
        for (offset, count) in attempts {
            check(count <= (attemptsBefore[offset] ?? 0) + 2, "\(offset) was tried again and again")
        }
    }

    mutating func check(_ isTrue: Bool, _ violation: @autoclosure () -> String) {
        if !isTrue { violations.append(violation()) }
    }
}
