import Config
@testable import Relay
import RelayTesting
import Rules

/// One run of the delivery machine against a made-up journal, sink and clock, all of it from one seed.
///
/// What the machine asks for is answered late and in any order, and events come by a rule table that is
/// swapped. First everything goes wrong, then nothing does, and all that was appended has to arrive. Now and
/// then the real journal's writer runs along.
final class DeliverySimulation {
    typealias Machine = DeliveryStateMachine<SeededGenerator>

    /// What the machine has asked for and nobody has answered.
    private enum Pending {
        case news, prepare
        case read(after: Offset, ReadLimit, JournalPage?)
        case readParked([Offset])
        case attempt(Machine.Attempt)
        case settle(Settlement)
        case wake(at: Int64)
    }

    private enum Mood: CaseIterable { case healthy, down, slow, flaky, lying, misconfigured, poisoned }

    /// Faults that this run has at all: with some switched off, others get further.
    private struct Faults {
        var crashes: Bool
        var reloads: Bool
        var clockJumps: Bool
        var journalFails: Bool
        var moods: [Mood]
    }

    private var random: SeededGenerator
    private var limits: SinkLimits
    private var rules = SimulatedRules.all[0]
    /// Nil in most runs, for it takes its time.
    private let mirror: JournalMirror?
    private let faults: Faults
    private let giveUpAfter: Duration
    private(set) var ledger: DeliveryLedger
    private var machine: Machine
    private var pending: [Pending] = []
    private var monotonic: Int64 = 1_767_225_600_000_000_000
    private var skew: Int64 = 0
    private var mood = Mood.healthy
    private var poison: Set<Offset> = []
    private var isHealed = false
    private var steps = 0
    private static let bounds = DeliveryBounds(windowMax: 24, parkedMax: 10)

    private var now: Int64 { monotonic + skew }

    init(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let shapes = [
            SinkLimits(batchEventsMax: 6, concurrency: 1, foldsUsers: true, keepsState: false),
            SinkLimits(batchEventsMax: 1, concurrency: 8, foldsUsers: false, keepsState: false),
            SinkLimits(batchEventsMax: 1, concurrency: 4, foldsUsers: false, keepsState: true),
            SinkLimits(batchEventsMax: 3, concurrency: 2, foldsUsers: false, keepsState: true),
        ]
        limits = shapes[Int(seed % UInt64(shapes.count))]
        faults = Faults(
            crashes: Bool.random(using: &random), reloads: Bool.random(using: &random),
            clockJumps: Bool.random(using: &random), journalFails: Bool.random(using: &random),
            moods: [.healthy] + Mood.allCases.filter { _ in Bool.random(using: &random) })
        giveUpAfter = Bool.random(using: &random) ? .seconds(3 * 86_400) : .seconds(600)
        ledger = DeliveryLedger(windowMax: Self.bounds.windowMax)
        machine = Self.makeMachine(ledger.lease(), limits, giveUpAfter, seed: random.next())
        mirror = seed % 50 == 0 ? try? JournalMirror() : nil
        self.random = random
        ledger.check((try? mirror?.lease().epoch) == (mirror == nil ? nil : 1), "no lease of the journal")
    }

    private static func makeMachine(
        _ lease: SinkLease, _ limits: SinkLimits, _ giveUpAfter: Duration, seed: UInt64
    ) -> Machine {
        Machine(
            lease: lease, limits: limits, retry: RetryConfiguration(giveUpAfter: giveUpAfter),
            generator: SeededGenerator(seed: seed), bounds: bounds)
    }

    /// Runs to the end; what was violated, in order.
    func run() -> [String] {
        let events = Int.random(in: 1...50, using: &random)
        var stepsLeft = events * 12
        drain()
        while ledger.rows.count < events || stepsLeft > 0 {
            stepsLeft -= 1
            step(appending: ledger.rows.count < events)
            if !ledger.violations.isEmpty { return ledger.violations }
        }
        isHealed = true
        mood = .healthy
        let attempts = ledger.attempts
        for _ in 0..<20_000 where ledger.violations.isEmpty {
            guard completeOne() || fireNextWake() else { break }
        }
        ledger.finish(attemptsBefore: attempts)
        return ledger.violations
    }

    // MARK: - Steps

    private func step(appending: Bool) {
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<25 where appending: append()
        case 25..<80: _ = completeOne()
        case 80..<92: pass(.seconds(Int.random(in: 0...400, using: &random)))
        case 92..<94 where faults.clockJumps:
            skew += Duration.seconds(Int.random(in: -7_200...7_200, using: &random)).nanoseconds
            drain()
        case 94..<96 where faults.crashes: crash()
        case 96 where faults.crashes: restart()
        case 97 where faults.reloads: reload()
        case 97..<100:
            mood = faults.moods.randomElement(using: &random) ?? .healthy
            poison = Set(ledger.routed.suffix(12).map(\.offset).filter { _ in chance(6) })
        default: _ = completeOne()
        }
    }

    private func chance(_ outOf: Int) -> Bool { Int.random(in: 0..<outOf, using: &random) == 0 }

    private func append() {
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            let number = Int.random(in: 0...7, using: &random)
            let user = number == 7 ? nil : "u\(number / 2)"
            let event = DeliveryFixture.event(of: user)
            let isRouted = rules.routes(event)
            ledger.check(isRouted == rules.wants(user), "an event of \(user ?? "nobody") took a wrong route")
            ledger.append(user, isRouted: isRouted)
            mirrored { try $0.append(event, isRouted: isRouted) }
        }
        pending.append(.news)
        if chance(3) { pending.append(.news) }
    }

    private func drain() {
        while let action = machine.nextAction(at: now) {
            steps += 1
            guard steps < 200_000 else { return ledger.check(false, "the machine spins") }
            switch action {
            case .prepare: pending.append(.prepare)
            case .read(let offset, let limit):
                // Half of the reads see the journal of now, half that of the time when they are answered.
                let page = chance(2) ? ledger.page(after: offset, limit: limit) : nil
                pending.append(.read(after: offset, limit, page))
            case .readParked(let offsets): pending.append(.readParked(offsets))
            case .deliver(let attempt):
                ledger.began(attempt.offsets, numbers: attempt.numbers) { subject in
                    machine.unsettledState(of: subject)
                }
                pending.append(.attempt(attempt))
            case .settle(let settlement): pending.append(.settle(settlement))
            case .wake(let time): pending.append(.wake(at: monotonic + max(0, time - now)))
            }
        }
    }

    /// Answers one of the things that were asked for; false where there are none but sleeps.
    private func completeOne() -> Bool {
        let ready = pending.indices.filter { index in
            switch pending[index] {
            case .wake: false
            case .attempt: mood != .slow || chance(12)
            default: true
            }
        }
        guard let index = ready.randomElement(using: &random) else { return false }
        complete(pending.remove(at: index))
        drain()
        return true
    }

    private func complete(_ action: Pending) {
        let journalFails = faults.journalFails && !isHealed && chance(6)
        switch action {
        case .news: machine.newsArrived()
        case .prepare:
            if mood == .down || mood == .misconfigured {
                machine.prepareFailed(error, at: now)
            } else {
                machine.prepared()
            }
        case .read(let offset, let limit, let page):
            if journalFails { return machine.readFailed() }
            machine.pageRead(page ?? ledger.page(after: offset, limit: limit))
        case .readParked(let offsets):
            if journalFails { return machine.readParkedFailed() }
            machine.parkedRead(ledger.entries(at: offsets), of: offsets, at: now)
        case .attempt(let attempt): answer(attempt)
        case .settle(let settlement):
            if journalFails { return machine.settleFailed() }
            commit(settlement)
            machine.settleSucceeded()
        case .wake: machine.wokeUp()
        }
    }

    /// Whether time enough can have passed for a retry to be given up.
    private var mayGiveUp: Bool { giveUpAfter < .seconds(86_400) || faults.clockJumps }

    // MARK: - The sink

    private var error: SinkError {
        if mood == .misconfigured { return .misconfigured(reason: "wrong password") }
        return .unavailable(reason: "refused", retryAfter: chance(3) ? .seconds(30) : nil)
    }

    private func answer(_ attempt: Machine.Attempt) {
        let parkedBefore = attempt.offsets.filter { machine.parked[$0] != nil }
        defer {
            // What was parked, has failed alone again and is out of time is given up.
            for offset in parkedBefore where machine.parked[offset] == nil && !ledger.ended.contains(offset) {
                ledger.gaveUp(offset, mayGiveUp: mayGiveUp)
            }
        }
        let isPoisoned = mood == .poisoned && !poison.isDisjoint(with: attempt.offsets)
        if mood == .down || mood == .misconfigured || isPoisoned || (mood == .flaky && chance(8)) {
            ledger.failed(attempt.offsets)
            return machine.attemptFailed(error, attempt: attempt.id, at: now)
        }
        var receipts: [Receipt] = []
        var waiting: Set<Subject> = []
        for offset in attempt.offsets {
            let subject = ledger.subject(offset)
            // An honest sink does not deliver a user's later event of a batch whose earlier one it put off.
            let outcome: Receipt.Outcome =
                subject.map(waiting.contains) == true ? .retry(after: nil, reason: "behind") : outcome()
            if case .retry = outcome, let subject { waiting.insert(subject) }
            receipts.append(Receipt(offset: offset, outcome, state: state(offset, outcome)))
        }
        if mood == .lying, chance(2) {
            ledger.failed(attempt.offsets)
            lie(in: &receipts)
        } else {
            ledger.received(receipts)
        }
        let isHonest = receipts.count == attempt.offsets.count
        receipts.shuffle(using: &random)
        machine.receiptsArrived(receipts, attempt: attempt.id, at: now)
        for receipt in receipts where isHonest && receipt.outcome.isRetry && machine.hasEnded(receipt.offset)
        {
            ledger.gaveUp(receipt.offset, mayGiveUp: mayGiveUp)
        }
    }

    /// Fewer receipts than deliveries, more, the same twice, or somebody else's.
    private func lie(in receipts: inout [Receipt]) {
        let foreign = Receipt(offset: Offset(rawValue: Int64(ledger.rows.count + 7)), .delivered)
        switch Int.random(in: 0..<5, using: &random) {
        case 0: receipts.removeLast()
        case 1: receipts.append(receipts[0])
        case 2: receipts[0] = foreign
        case 3: receipts.append(foreign)
        default: receipts = []
        }
    }

    private func outcome() -> Receipt.Outcome {
        switch mood == .flaky ? Int.random(in: 0..<10, using: &random) : 9 {
        case 0: .rejected(reason: "HTTP 400")
        case 1, 2, 3: .retry(after: chance(2) ? .seconds(90) : nil, reason: "busy")
        case 4: .superseded
        case 5: .skipped("not in its department")
        default: .delivered
        }
    }

    private func state(_ offset: Offset, _ outcome: Receipt.Outcome) -> FoldState? {
        guard limits.keepsState, outcome == .delivered else { return nil }
        var state = FoldState()
        state.values["last"] = "\(offset)"
        return state
    }

    // MARK: - Time and the process

    private func pass(_ duration: Duration) {
        monotonic += duration.nanoseconds
        let due = pending.filter(isDue)
        pending.removeAll(where: isDue)
        for wake in due { complete(wake) }
        drain()
    }

    private func isDue(_ action: Pending) -> Bool {
        if case .wake(let time) = action { time <= monotonic } else { false }
    }

    private func fireNextWake() -> Bool {
        let times = pending.compactMap { if case .wake(let time) = $0 { time } else { nil } }
        guard let next = times.min() else { return false }
        pass(.nanoseconds(max(0, next - monotonic)))
        return true
    }

    /// The process dies; of the settlement under way nobody knows whether it had committed.
    private func crash() {
        for case .settle(let settlement) in pending where chance(2) {
            commit(settlement)
        }
        begin()
    }

    /// A graceful stop: what is in flight ends, and all of it is settled.
    private func restart() {
        // A slow sink is slow in virtual time only; here it is waited for.
        if mood == .slow { mood = .healthy }
        machine.stop(at: now)
        drain()
        for _ in 0..<500 where !machine.isStopped {
            guard completeOne() || fireNextWake() else { break }
        }
        ledger.check(machine.isStopped, "the machine does not stop")
        let unsettled = ledger.ended.filter { ledger.waiting.contains($0) }
        ledger.check(unsettled.isEmpty, "stopped before \(unsettled.map(\.rawValue)) were settled")
        begin()
    }

    /// New rules, and the sink with new settings: its worker ends as in a stop, and another goes on.
    private func reload() {
        rules = SimulatedRules.all.randomElement(using: &random) ?? rules
        guard chance(2) else { return }
        limits.concurrency = limits.foldsUsers ? 1 : Int.random(in: 1...8, using: &random)
        if limits.batchEventsMax > 1 { limits.batchEventsMax = Int.random(in: 2...9, using: &random) }
        restart()
    }

    private func begin() {
        pending = []
        let lease = ledger.lease()
        mirrored { mirror in
            let kept = try mirror.lease()
            ledger.check(kept == lease, "the journal leases \(kept), not \(lease)")
        }
        machine = Self.makeMachine(lease, limits, giveUpAfter, seed: random.next())
        drain()
    }

    private func commit(_ settlement: Settlement) {
        ledger.settle(settlement, mayGiveUp: mayGiveUp)
        mirrored { try $0.settle(settlement, at: now) }
    }

    private func mirrored(_ body: (JournalMirror) throws -> Void) {
        guard let mirror else { return }
        do {
            try body(mirror)
        } catch {
            ledger.check(false, "the journal refused: \(error)")
        }
    }
}

extension Receipt.Outcome {
    fileprivate var isRetry: Bool { if case .retry = self { true } else { false } }
}

extension DeliveryStateMachine {
    /// Whether neither the window nor the parked rows know a delivery that the sink was just given.
    fileprivate func hasEnded(_ offset: Offset) -> Bool {
        parked[offset] == nil && window.entry(offset) == nil
    }
}
