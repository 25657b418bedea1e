import Config
@testable import Relay
import RelayTesting
import Testing

/// The CRM answers 503 from Friday evening to Monday morning, and the world goes on meanwhile.
///
/// The machine on a virtual clock and a log in memory. The sink whose wire a mass deletion trips in the same
/// weekend has its own worker, and its test stands beside the tripwire's.
@Suite struct WeekendOutageTests {
    @Test func nothingDiesNothingPilesUpAndAllArrivesOnMonday() {
        // What every machine of a test suite has time for, and the real thing.
        let weekend = Soak.isOn ? Weekend(eventEvery: 4, retryAfter: 1) : Weekend(eventEvery: 60, retryAfter: 60)
        weekend.pass(hours: 1)
        #expect(weekend.parkedMax > 0, "some were refused for a while on Friday")
        let friday = weekend.delivered.count
        weekend.isDown = true
        weekend.parkedMax = 0
        weekend.spanMax = 0
        weekend.pass(hours: 60)
        #expect(weekend.delivered.count == friday)
        #expect(weekend.trials > 60 * 10, "it is tried again and again: \(weekend.trials)")
        #expect(weekend.heldWhileOpen == 0, "a sink that is down holds no memory")
        #expect(weekend.spanMax <= DeliveryBounds().windowMax)
        #expect(weekend.parkedMax <= Weekend.users)

        weekend.isDown = false
        weekend.pass(hours: 2)
        weekend.drain()
        #expect(weekend.deadLetters == 0)
        #expect(weekend.delivered.count == weekend.appended)
        #expect(Set(weekend.delivered).count == weekend.appended)
        #expect(weekend.outOfOrder == [])
        #expect(weekend.cursor == Int64(weekend.appended))
        Soak.report("weekend: \(weekend.appended) events, \(weekend.trials) trials of the sink")
    }
}

/// A machine, its log and its sink, in virtual time.
private final class Weekend {
    static let users = 50

    private var machine: DeliveryStateMachine<SeededGenerator>
    private var random = SeededGenerator(seed: 1)
    private let interval: Int64
    private var now: Int64 = 1_767_225_600_000_000_000
    private var nextEvent: Int64
    private var log: [JournalEntry] = []
    private var wakes: [Int64] = []
    private var attempts: [DeliveryStateMachine<SeededGenerator>.Attempt] = []
    private var lastOfUser: [Subject: Offset] = [:]

    var isDown = false
    private(set) var delivered: [Int64] = []
    private(set) var outOfOrder: [Int64] = []
    private(set) var deadLetters = 0
    private(set) var trials = 0
    private(set) var cursor: Int64 = 0
    /// Entries that the machine had in memory while nothing could be tried.
    private(set) var heldWhileOpen = 0
    var spanMax = 0
    var parkedMax = 0
    var appended: Int { log.count }

    /// - Parameters:
    ///   - eventEvery: Seconds between two events.
    ///   - retryAfter: `retry.initial`, in seconds.
    init(eventEvery: Int64, retryAfter: Int64) {
        interval = eventEvery * 1_000_000_000
        nextEvent = now
        let lease = SinkLease(sink: "crm", epoch: 1, cursor: .zero, settledAbove: [], parked: [])
        machine = DeliveryStateMachine(
            lease: lease,
            limits: SinkLimits(batchEventsMax: 1, concurrency: 8, foldsUsers: false, keepsState: false),
            // Far less than the outage lasts.
            retry: RetryConfiguration(initial: .seconds(retryAfter), giveUpAfter: .seconds(3_600)),
            generator: SeededGenerator(seed: 2))
        act()
    }

    func pass(hours: Int64) {
        let end = now + hours * 3_600_000_000_000
        while let next = ([nextEvent] + wakes).min(), next <= end {
            now = max(now, next)
            if nextEvent <= now { append() }
            if wakes.contains(where: { $0 <= now }) {
                wakes.removeAll { $0 <= now }
                machine.wokeUp()
            }
            act()
        }
        now = end
    }

    /// No more events; what waits is delivered.
    func drain() {
        nextEvent = .max
        pass(hours: 24)
    }

    private func append() {
        nextEvent += interval
        let user = "u\(Int.random(in: 0..<Self.users, using: &random))"
        let offset = Offset(rawValue: Int64(log.count + 1))
        log.append(JournalEntry(offset: offset, event: DeliveryFixture.event(of: user), rule: "rule"))
        machine.newsArrived()
    }

    private func act() {
        repeat {
            while let action = machine.nextAction(at: now) { carryOut(action) }
        } while answer()
        spanMax = max(spanMax, Int(machine.window.readEnd.rawValue - machine.window.cursor.rawValue))
        parkedMax = max(parkedMax, machine.parked.count)
        if case .open = machine.breaker.state, !machine.window.isEmpty { heldWhileOpen += 1 }
    }

    private func carryOut(_ action: DeliveryStateMachine<SeededGenerator>.Action) {
        switch action {
        case .prepare: machine.prepared()
        case .read(let offset, let limit):
            let rest = log[Int(offset.rawValue)...]
            let entries = Array(rest.prefix(limit.entries))
            machine.pageRead(
                JournalPage(
                    entries: entries, end: entries.last?.offset ?? offset,
                    isAtHorizon: entries.count == rest.count))
        case .readParked(let offsets):
            machine.parkedRead(offsets.map { log[Int($0.rawValue) - 1] }, of: offsets, at: now)
        case .deliver(let attempt): attempts.append(attempt)
        case .settle(let settlement):
            cursor = settlement.cursor.rawValue
            deadLetters += settlement.deadLetters.count
            machine.settleSucceeded()
        case .wake(let time): wakes.append(time)
        }
    }

    /// The sink's answer to one request; false where none is under way.
    private func answer() -> Bool {
        guard let attempt = attempts.popLast() else { return false }
        guard !isDown else {
            trials += 1
            machine.attemptFailed(.unavailable(reason: "HTTP 503"), attempt: attempt.id, at: now)
            return true
        }
        let offset = attempt.offsets[0]
        // Before the outage, some are asked to come again.
        let isPutOff = Int.random(in: 0..<20, using: &random) == 0
        if !isPutOff { arrived(offset) }
        let outcome: Receipt.Outcome = isPutOff ? .retry(after: nil, reason: "HTTP 500") : .delivered
        machine.receiptsArrived([Receipt(offset: offset, outcome)], attempt: attempt.id, at: now)
        return true
    }

    private func arrived(_ offset: Offset) {
        delivered.append(offset.rawValue)
        guard let subject = log[Int(offset.rawValue) - 1].event.subject else { return }
        if let last = lastOfUser[subject], last > offset { outOfOrder.append(offset.rawValue) }
        lastOfUser[subject] = offset
    }
}
