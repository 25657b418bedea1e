import Config
@testable import Relay
import RelayTesting
import Rules

/// The sink of a simulation: what it answers, and what it has really done.
extension DeliverySimulation {
    var error: SinkError {
        if mood == .misconfigured { return .misconfigured(reason: "wrong password") }
        return .unavailable(reason: "refused", retryAfter: chance(3) ? .seconds(30) : nil)
    }

    func answer(_ attempt: Machine.Attempt, _ intended: [Offset]) {
        let parkedBefore = attempt.offsets.filter { machine.parked[$0] != nil }
        defer {
            // What was parked, has failed alone again and is out of time is given up.
            for offset in parkedBefore where machine.parked[offset] == nil && !ledger.ended.contains(offset) {
                let groups = attempt.deliveries.map { (attempt.merged[$0] ?? []) + [$0] }
                ledger.gaveUp(groups.first { $0.contains(offset) } ?? [offset])
            }
            ledger.putOff(attempt.offsets.filter { machine.parked[$0]?.giveUpAt != nil })
        }
        if mood == .down || mood == .poisoned, attempt.unknown.isEmpty, chance(4) {
            return decide(attempt)
        }
        let isPoisoned = mood == .poisoned && !poison.isDisjoint(with: attempt.offsets)
        if mood == .down || mood == .misconfigured || isPoisoned || (mood == .flaky && chance(8)) {
            ledger.failed(attempt.offsets)
            ledger.bounds?.failed(attempt, at: monotonic)
            // It may have done all of it, and the answer was lost.
            if !mustNotRepeat, mood != .misconfigured, chance(3) { actOnAll(of: attempt) }
            return machine.attemptFailed(error, attempt: attempt.id, intended: intended, at: now)
        }
        var receipts: [Receipt] = []
        var waiting: Set<Subject> = []
        for offset in attempt.deliveries {
            let subject = ledger.subject(offset)
            // An honest sink does not deliver a user's later event of a batch whose earlier one it put off.
            let outcome: Receipt.Outcome =
                subject.map(waiting.contains) == true ? .retry(after: nil, reason: "behind") : outcome()
            let receipt = receipt(offset, outcome, attempt)
            if receipt.outcome.isRetry || receipt.outcome.isDeferred, let subject { waiting.insert(subject) }
            receipts.append(receipt)
        }
        if mood == .lying, chance(2) {
            ledger.failed(attempt.offsets)
            ledger.bounds?.failed(attempt, at: monotonic)
            lie(in: &receipts)
        } else {
            ledger.bounds?.answered(receipts, of: attempt, at: monotonic)
            ledger.received(receipts, of: attempt, at: now)
        }
        let isHonest = receipts.count == attempt.deliveries.count
        receipts.shuffle(using: &random)
        machine.receiptsArrived(receipts, attempt: attempt.id, intended: intended, at: now)
        for receipt in receipts where isHonest && receipt.outcome.isRetry && machine.hasEnded(receipt.offset)
        {
            ledger.gaveUp((attempt.merged[receipt.offset] ?? []) + [receipt.offset])
        }
    }

    /// The sink does what the outcome says; what it may have done already, it is asked for first.
    func receipt(
        _ offset: Offset, _ outcome: Receipt.Outcome, _ attempt: Machine.Attempt
    ) -> Receipt {
        let offsets = (attempt.merged[offset] ?? []) + [offset]
        if attempt.unknown.contains(offset) {
            let isThere = truth.has(offsets)
            ledger.check(isThere != nil, "of what is merged into \(offset) only a part had been sent")
            if isThere == true {
                return Receipt(offset: offset, .delivered, state: state(offset, .delivered))
            }
        }
        if mustNotRepeat, mood == .flaky, chance(4) {
            if chance(2) { act(offsets, at: attempt.id) }
            return Receipt(offset: offset, .retry(after: nil, reason: "no answer"), isOutcomeUnknown: true)
        }
        if outcome == .delivered { act(offsets, at: attempt.id) }
        return Receipt(offset: offset, outcome, state: state(offset, outcome))
    }

    private func actOnAll(of attempt: Machine.Attempt) {
        for key in attempt.deliveries {
            act((attempt.merged[key] ?? []) + [key], at: attempt.id, isAnswered: false)
        }
    }

    /// - Parameters:
    ///   - attempt: The one that is told that it was sent; nil where nobody is.
    ///   - isAnswered: Whether the sink says what became of it, as far as it knows.
    func act(_ offsets: [Offset], at attempt: Int?, isAnswered: Bool = true) {
        if let violation = truth.act(offsets, mayRepeat: !mustNotRepeat) { ledger.check(false, violation) }
        // What fails with the sink counts for this worker; for the next one only when it goes again.
        let isKept = (isAnswered && mood != .lying) || !(faults.reloads || faults.operates)
        guard attempt != nil, isKept, !ledger.isMoved, !faults.crashes, !faults.clockJumps,
            let limit = limit(of: offsets)
        else { return }
        if let violation = truth.count(at: now, limit: limit) { ledger.check(false, violation) }
    }

    /// The limit that these count for as one: what all of them come to is done for the first time, by each of
    /// them that does it by itself, and to a user whom nothing else has deleted.
    private func limit(of offsets: [Offset]) -> RateLimit? {
        let result = Operation.result(of: offsets.map { ledger.event($0).meaning.operation })
        let deciding = offsets.filter { ledger.event($0).meaning.operation == result }
        guard let limit = policy.limits[result], let decider = deciding.last,
            decider > ledger.leasedExemptTo, deciding.allSatisfy(truth.isFirst)
        else { return nil }
        let others = ledger.rows.filter {
            result == .delete && $0.event.subject == ledger.subject(decider)
                && $0.event.meaning.operation == .delete && !offsets.contains($0.offset)
        }
        return others.contains { truth.effects[$0.offset] != nil } ? nil : limit
    }

    /// Fewer receipts than deliveries, more, the same twice, or somebody else's.
    func lie(in receipts: inout [Receipt]) {
        let foreign = Receipt(offset: Offset(rawValue: Int64(ledger.rows.count + 7)), .delivered)
        switch Int.random(in: 0..<5, using: &random) {
        case 0: receipts.removeLast()
        case 1: receipts.append(receipts[0])
        case 2: receipts[0] = foreign
        case 3: receipts.append(foreign)
        default: receipts = []
        }
    }

    func outcome() -> Receipt.Outcome {
        switch mood == .flaky ? Int.random(in: 0..<10, using: &random) : 9 {
        case 0: .rejected(reason: "HTTP 400")
        case 1, 2, 3: .retry(after: chance(2) ? .seconds(90) : nil, reason: "busy")
        case 4: .superseded
        case 5: .skipped("not in its department")
        case 6: .deferred(.seconds(20))
        default: .delivered
        }
    }

    func state(_ offset: Offset, _ outcome: Receipt.Outcome) -> FoldState? {
        guard limits.keepsState, outcome == .delivered else { return nil }
        var state = FoldState()
        state.values["last"] = "\(offset)"
        return state
    }
}

extension Receipt.Outcome {
    fileprivate var isRetry: Bool { if case .retry = self { true } else { false } }
    fileprivate var isDeferred: Bool { if case .deferred = self { true } else { false } }
}

extension DeliveryStateMachine {
    /// Whether neither the window nor the parked rows know a delivery that the sink was just given.
    fileprivate func hasEnded(_ offset: Offset) -> Bool {
        parked[offset] == nil && window.entry(offset) == nil
    }
}
