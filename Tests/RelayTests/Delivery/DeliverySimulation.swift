import Config
@testable import Relay
import RelayTesting
import Rules

/// One run of the delivery machine against a made-up journal, sink and clock, all of it from one seed.
///
/// What the machine asks for is answered late and in any order, and events come by a rule table that is
/// swapped. Some runs have a settle window, limits, an operator or a sink that must not get anything twice.
/// First everything goes wrong, then nothing does, and all that was appended has to arrive. In a
/// quarter of the runs of every kind the journal is the real one's core, and what is made up only checks it.
final class DeliverySimulation {
    typealias Machine = DeliveryStateMachine<SeededGenerator>

    /// What the machine has asked for and nobody has answered.
    enum Pending {
        case news, prepare
        case read(after: Offset, ReadLimit, JournalPage?)
        case readParked([Offset])
        case intend(Machine.Attempt)
        case attempt(Machine.Attempt, intended: [Offset])
        case settle(Settlement)
        case wake(at: Int64)
    }

    enum Mood: CaseIterable { case healthy, down, slow, flaky, lying, misconfigured, poisoned }

    /// Faults that this run has at all: with some switched off, others get further.
    struct Faults {
        var crashes: Bool
        var reloads: Bool
        var clockJumps: Bool
        var journalFails: Bool
        /// Pauses, resumes, and gives up what is oldest.
        var operates: Bool
        var moods: [Mood]
    }

    var random: SeededGenerator
    var limits: SinkLimits
    var rules = SimulatedRules.all[0]
    /// Nil in three runs of four, for it takes its time.
    let mirror: JournalMirror?
    let faults: Faults
    let policy: DeliveryPolicy
    /// Whether the sink must get nothing twice, and can be asked what it has.
    let mustNotRepeat: Bool
    var truth = DeliveryTruth()
    let ledger: DeliveryLedger
    var machine: Machine
    var pending: [Pending] = []
    var monotonic: Int64 = 1_767_225_600_000_000_000
    var skew: Int64 = 0
    var mood = Mood.healthy
    var poison: Set<Offset> = []
    var isHealed = false
    var (isStopping, isLeaving) = (false, false)
    var steps = 0
    let bounds: DeliveryBounds

    var now: Int64 { monotonic + skew }

    init(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let shapes = [
            SinkLimits(
                batchEventsMax: 6, concurrency: 1, readiesNextBatch: seed % 8 < 4,
                batchInterval: seed % 3 == 0 ? .milliseconds(50) : .zero, foldsUsers: true,
                keepsState: false),
            SinkLimits(batchEventsMax: 1, concurrency: 8, foldsUsers: false, keepsState: false),
            SinkLimits(batchEventsMax: 1, concurrency: 4, foldsUsers: false, keepsState: true),
            SinkLimits(batchEventsMax: 3, concurrency: 2, foldsUsers: false, keepsState: true),
        ]
        limits = shapes[Int(seed % UInt64(shapes.count))]
        faults = Faults(
            crashes: Bool.random(using: &random), reloads: Bool.random(using: &random),
            clockJumps: Bool.random(using: &random), journalFails: Bool.random(using: &random),
            operates: Bool.random(using: &random),
            moods: [.healthy] + Mood.allCases.filter { _ in Bool.random(using: &random) })
        policy = Self.policy(&random)
        // A sink that lies about what it has done cannot be asked either.
        mustNotRepeat = !limits.foldsUsers && !faults.moods.contains(.lying) && Bool.random(using: &random)
        let sorts = policy.settle != nil && !limits.foldsUsers
        // What is gathered is cut where memory ends, so those have enough.
        let isShort = !sorts && seed % 5 == 0
        let readAhead = isShort ? ReadAheadBudget(bytes: 8 * 1_200) : ReadAheadBudget()
        bounds = DeliveryBounds(windowMax: 24, readAhead: readAhead)
        ledger = DeliveryLedger(
            windowMax: bounds.windowMax, sorts: sorts, foldsUsers: limits.foldsUsers,
            giveUpAfter: policy.retry.giveUpAfter, isClockSteady: !faults.clockJumps)
        // A sink that fails on an event of its own is not away.
        if !faults.moods.contains(.poisoned) { ledger.bounds = AttemptBounds() }
        let lease = ledger.lease(at: monotonic)
        machine = Self.makeMachine(lease, limits, policy, bounds, seed: random.next())
        // Four seeds in a row, because their sinks are of four kinds.
        let isMirrored = seed / 4 % 4 == 0
        let opened = Result { isMirrored ? try JournalMirror() : nil }
        mirror = try? opened.get()
        self.random = random
        if case .failure(let error) = opened { ledger.check(false, "there is no journal: \(error)") }
        mirrored { mirror in
            let kept = try mirror.lease(at: now)
            ledger.check(kept == lease, "the journal leases \(kept), not \(lease)")
        }
    }

    static func policy(_ random: inout SeededGenerator) -> DeliveryPolicy {
        let giveUpAfter: Duration = Bool.random(using: &random) ? .seconds(3 * 86_400) : .seconds(600)
        var policy = DeliveryPolicy(retry: RetryConfiguration(giveUpAfter: giveUpAfter), parkedMax: 10)
        if Int.random(in: 0..<3, using: &random) == 0 {
            let seconds = Int.random(in: 1...200, using: &random)
            policy.settle = SettleWindow(
                duration: .seconds(seconds), coalesces: Bool.random(using: &random))
        }
        if Int.random(in: 0..<4, using: &random) == 0 {
            // Without a window all events are updates; of the others there are few.
            let operations: [Operation] = policy.settle == nil ? [.update] : [.update, .deactivate, .delete]
            let operation = operations.randomElement(using: &random) ?? .update
            let count = Int.random(in: 1...(operation == .update ? 12 : 3), using: &random)
            policy.limits = [operation: RateLimit(count: count, period: .seconds(600))]
        }
        return policy
    }

    static func makeMachine(
        _ lease: SinkLease, _ limits: SinkLimits, _ policy: DeliveryPolicy, _ bounds: DeliveryBounds,
        seed: UInt64,
        after last: CircuitBreaker? = nil
    ) -> Machine {
        Machine(
            lease: lease, limits: limits, policy: policy, generator: SeededGenerator(seed: seed),
            bounds: bounds, after: last)
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
        let (attempts, start) = (ledger.attempts, monotonic)
        for _ in 0..<20_000 where ledger.violations.isEmpty {
            guard completeOne() || resume() || fireNextWake() else { break }
        }
        ledger.finish(attemptsBefore: attempts)
        checkRest(since: start)
        mirrored { mirror in
            if let problem = try mirror.problem(
                givenUp: ledger.givenUp, dead: ledger.dead, attempts: ledger.attempts)
            {
                ledger.check(false, problem)
            }
        }
        return ledger.violations
    }

    // MARK: - Steps

    func step(appending: Bool) {
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<25 where appending: append()
        case 25..<80: _ = completeOne()
        case 80..<92: pass(.seconds(Int.random(in: 0...400, using: &random)))
        case 92..<94 where faults.clockJumps:
            let step = Duration.seconds(Int.random(in: -7_200...7_200, using: &random)).nanoseconds
            skew += step
            machine.clockWasSet(by: step, to: now)
            drain()
        case 94..<96 where faults.crashes: crash()
        case 96 where faults.crashes: restart()
        case 97 where faults.reloads: reload()
        case 98 where faults.operates: operate()
        case 97..<100:
            mood = faults.moods.randomElement(using: &random) ?? .healthy
            poison = Set(ledger.routed.suffix(12).map(\.offset).filter { _ in chance(6) })
        default: _ = completeOne()
        }
    }

    func chance(_ outOf: Int) -> Bool { Int.random(in: 0..<outOf, using: &random) == 0 }

    func append() {
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            let number = Int.random(in: 0...7, using: &random)
            let user = number == 7 ? nil : "u\(number / 2)"
            let event = event(of: user)
            let isRouted = rules.routes(event)
            ledger.check(isRouted == rules.wants(user), "an event of \(user ?? "nobody") took a wrong route")
            ledger.append(event, isRouted: isRouted)
            mirrored { try $0.append(event, isRouted: isRouted) }
        }
        pending.append(.news)
        if chance(3) { pending.append(.news) }
    }

    /// Where nothing is sorted all events of a user are alike, for making one takes its time.
    func event(of user: String?) -> Event {
        guard policy.settle != nil, let user else { return DeliveryFixture.event(of: user) }
        let types = [
            "lifecycle.create", "lifecycle.deactivate", "lifecycle.delete.initiated", "session.start",
        ]
        let type = chance(2) ? types.randomElement(using: &random) ?? "" : "account.update_profile"
        var sample = EventSample(
            type: "user.\(type)", user: user, second: Int64.random(in: 0...20, using: &random))
        sample.id += "/\(ledger.rows.count)"
        sample.receivedAt = now
        return sample.event
    }

    func drain() {
        while let action = machine.nextAction(at: now) {
            steps += 1
            guard steps < 200_000 else { return ledger.check(false, "the machine spins") }
            switch action {
            case .prepare: pending.append(.prepare)
            case .read(let offset, let limit):
                // Half of the reads see the journal of now, half that of the time when they are answered.
                let page = chance(2) ? page(after: offset, limit) : nil
                pending.append(.read(after: offset, limit, page))
            case .readParked(let offsets): pending.append(.readParked(offsets))
            case .deliver(let attempt):
                ledger.began(attempt, at: now)
                checkStates(attempt)
                if let problem = ledger.bounds?.began(attempt, at: monotonic) { ledger.check(false, problem) }
                pending.append(mustNotRepeat ? .intend(attempt) : .attempt(attempt, intended: []))
            case .settle(let settlement): pending.append(.settle(settlement))
            case .wake(let time): setAlarm(to: time)
            }
        }
    }

    /// Answers one of the things that were asked for; false where there are none but sleeps.
    func completeOne() -> Bool {
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
        endLeaving()
        return true
    }

    func complete(_ action: Pending) {
        let journalFails = faults.journalFails && !isHealed && chance(6)
        switch action {
        case .news: machine.newsArrived()
        case .prepare:
            if mood == .down || mood == .misconfigured {
                ledger.bounds?.preparationFailed(at: monotonic)
                machine.prepareFailed(error, at: now)
            } else {
                machine.prepared()
            }
        case .read(let offset, let limit, let page):
            if journalFails { return machine.readFailed() }
            machine.pageRead(page ?? self.page(after: offset, limit))
        case .readParked(let offsets):
            if journalFails { return machine.readParkedFailed() }
            machine.parkedRead(entries(at: offsets), of: offsets, at: now)
        case .intend(let attempt):
            if ledger.isMoved { return leave(without: attempt) }
            if isDeferred(attempt) { return }
            if journalFails {
                ledger.failed(attempt.offsets)
                ledger.bounds?.failed(attempt, at: monotonic)
                let error = SinkError.unavailable(reason: "disk")
                return machine.attemptFailed(error, attempt: attempt.id, isSent: false, at: now)
            }
            intend(attempt)
        case .attempt(let attempt, let intended):
            if mustNotRepeat || !isDeferred(attempt) { answer(attempt, intended) }
        case .settle(let settlement):
            if journalFails { return machine.settleFailed() }
            if !commit(settlement) { leave() }
            machine.settleSucceeded()
        case .wake: machine.wokeUp()
        }
    }

    // MARK: - The journal

    func page(after offset: Offset, _ limit: ReadLimit) -> JournalPage {
        var page = ledger.page(after: offset, limit: limit)
        mirrored { mirror in
            page = try mirror.page(after: offset, limit: limit)
            ledger.check(page, after: offset, limit)
        }
        return page
    }

    func entries(at offsets: [Offset]) -> [JournalEntry] {
        var entries = ledger.entries(at: offsets)
        mirrored { mirror in
            let wanted = entries.map(\.offset)
            entries = try mirror.entries(at: offsets)
            ledger.check(entries.map(\.offset) == wanted, "not the entries that were parked")
        }
        return entries
    }

    /// What the sink is told that it was told is what was settled.
    func checkStates(_ attempt: Machine.Attempt) {
        let subjects = limits.keepsState ? attempt.deliveries.compactMap { ledger.subject($0) } : []
        guard !subjects.isEmpty else { return }
        mirrored { mirror in
            let kept = ledger.states.filter { subjects.contains($0.key) }
            ledger.check(try mirror.states(of: subjects) == kept, "the journal has other states")
        }
    }

    func intend(_ attempt: Machine.Attempt) {
        let intended = attempt.deliveries.filter { !attempt.unknown.contains($0) }
            .flatMap { (attempt.merged[$0] ?? []) + [$0] }
        ledger.intend(intended)
        mirrored { try $0.intend(intended) }
        pending.append(.attempt(attempt, intended: intended))
    }
}
