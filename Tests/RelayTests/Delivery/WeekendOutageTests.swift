import Config
@testable import Relay
import RelayTesting
import Rules
import Testing

/// The CRM answers 503 from Friday evening to Monday morning, the world goes on meanwhile, and on Saturday
/// somebody deletes 5,000 users by mistake.
///
/// The machines of two sinks on a virtual clock and a log in memory, so that many hours and odd sequences of
/// events cost little. The whole of it, from a journal on disk to sockets, is in `HTTPWeekendOutageTests`,
/// and what a person does about such a deletion in `MassDeletionTests`.
@Suite struct WeekendOutageTests {
    @Test func nothingDiesNothingPilesUpAndAllArrivesOnMonday() {
        // What every machine of a test suite has time for, and the real thing.
        let weekend =
            Soak.isOn ? Weekend(eventEvery: 4, retryAfter: 8) : Weekend(eventEvery: 40, retryAfter: 120)
        let (crm, directory) = (weekend.crm, weekend.directory)
        weekend.pass(hours: 1)
        #expect(crm.parkedMax > 0, "some were refused for a while on Friday")
        let (friday, asked) = (crm.delivered.count, crm.answeredByItself)
        crm.isDown = true
        crm.startWatching()
        weekend.pass(hours: 14)
        weekend.deleteAll()
        weekend.pass(hours: 46)
        #expect(crm.delivered.count == friday)
        #expect(crm.trials > 60 * (Soak.isOn ? 10 : 3), "it is tried again and again: \(crm.trials)")
        // A pause is half of the longest one on average.
        let pauseMax = Soak.isOn ? 128 : 300
        #expect(crm.trials < 60 * 3_600 / pauseMax * 2 * 5 / 4, "and not without a pause: \(crm.trials)")
        #expect(crm.heldWhileOpen == 0, "a sink that is down holds no memory")
        #expect(crm.spanMax <= Weekend.windowMax, "of \(weekend.appended) entries, \(crm.spanMax) at a time")
        // The trials on which it fails are nobody's fault, whatever the sink answers by itself meanwhile.
        #expect(crm.parkedMax <= Weekend.lanes)

        // The other sink has stopped itself, and what it was not to do is not done.
        #expect(directory.deleted == 100)
        #expect(directory.hold?.kind == .tripped)
        #expect(directory.hold?.reason.hasPrefix("100 of operation delete") == true)

        crm.isDown = false
        directory.resume(exempting: weekend.appended)
        weekend.pass(hours: 2)
        weekend.drain()
        for sink in [crm, directory] {
            #expect(sink.deadLetters == 0)
            #expect(sink.delivered.count + sink.answeredByItself == weekend.appended)
            #expect(Set(sink.delivered).count == sink.delivered.count)
            #expect(sink.outOfOrder == [])
            #expect(sink.cursor == Int64(weekend.appended))
        }
        #expect(directory.deleted == Weekend.deletedUsers && directory.hold == nil)
        #expect(crm.answeredByItself > asked)
        Soak.report("weekend: \(weekend.appended) events, \(crm.trials) trials of the CRM")
    }
}

/// A log, its clock, and two sinks that get all of it.
private final class Weekend {
    /// People to whom something happens all the time.
    static let users = 50
    static let deletedUsers = 5_000
    /// Far less than comes in over a weekend.
    static let windowMax = 256
    /// Those who can wait for another attempt at the same time: refused on Friday, before all of it.
    static let lanes = users

    let crm: WeekendSink
    let directory: WeekendSink
    private var random = SeededGenerator(seed: 1)
    private let interval: Int64
    private var now: Int64 = 1_767_225_600_000_000_000
    private var nextEvent: Int64
    private var log: [JournalEntry] = []

    var appended: Int { log.count }

    /// - Parameters:
    ///   - eventEvery: Seconds between two events.
    ///   - retryAfter: `retry.initial`, in seconds.
    init(eventEvery: Int64, retryAfter: Int64) {
        interval = eventEvery * 1_000_000_000
        nextEvent = now
        // Far less than the outage lasts.
        let retry = RetryConfiguration(initial: .seconds(retryAfter), giveUpAfter: .seconds(3_600))
        crm = WeekendSink("crm", DeliveryPolicy(retry: retry), putsOffOneOf: 20)
        let limit = RateLimit(count: 100, period: .seconds(3_600))
        directory = WeekendSink("directory", DeliveryPolicy(retry: retry, limits: [.delete: limit]))
    }

    func pass(hours: Int64) {
        let end = now + hours * 3_600_000_000_000
        while let next = ([nextEvent, crm.nextWake, directory.nextWake]).min(), next <= end {
            now = max(now, next)
            if nextEvent <= now {
                nextEvent += interval
                append(.event(of: "u\(Int.random(in: 0..<Self.users, using: &random))", &random))
            }
            for sink in [crm, directory] { sink.act(on: log, at: now) }
        }
        now = end
    }

    /// A bad import: all at once, the way Okta tells of it.
    func deleteAll() {
        for user in 0..<Self.deletedUsers { append(.deletion(of: user)) }
        for sink in [crm, directory] { sink.act(on: log, at: now) }
    }

    /// No more events; what waits is delivered.
    func drain() {
        nextEvent = .max
        pass(hours: 24)
    }

    private func append(_ event: Event) {
        log.append(JournalEntry(offset: Offset(rawValue: Int64(log.count + 1)), event: event, rule: "rule"))
        for sink in [crm, directory] { sink.newsArrived() }
    }
}

extension Event {
    /// Made once, for only their users and types matter.
    private static let sessions = (0..<Weekend.users).map {
        EventSample(type: "user.session.start", user: "u\($0)", second: 0).event
    }
    private static let deletions = (0..<Weekend.deletedUsers).map {
        EventSample(type: "user.lifecycle.delete.initiated", user: "gone-\($0)", second: 0).event
    }

    /// One in four is of a kind for which a sink has no request, and says so without asking anybody.
    fileprivate static func event(of user: String, _ random: inout SeededGenerator) -> Event {
        guard Int.random(in: 0..<4, using: &random) == 0 else { return DeliveryFixture.event(of: user) }
        return sessions[Int.random(in: sessions.indices, using: &random)]
    }

    fileprivate static func deletion(of user: Int) -> Event { deletions[user] }
}

/// A machine and its destination, in virtual time.
private final class WeekendSink {
    private typealias Machine = DeliveryStateMachine<SeededGenerator>

    private static let limits = SinkLimits(
        batchEventsMax: 1, concurrency: 8, foldsUsers: false, keepsState: false)
    private static let bounds = DeliveryBounds(windowMax: Weekend.windowMax)

    private let name: String
    private let policy: DeliveryPolicy
    private let putsOffOneOf: Int
    private var machine: Machine
    private var random = SeededGenerator(seed: 3)
    private var wakes: [Int64] = []
    private var attempts: [Machine.Attempt] = []
    private var lastOfUser: [Subject: Offset] = [:]
    private var limitCounts = ""

    var isDown = false
    private(set) var delivered: [Int64] = []
    /// Deletions among them.
    private(set) var deleted = 0
    /// Deliveries that ended without asking the destination.
    private(set) var answeredByItself = 0
    private(set) var outOfOrder: [Int64] = []
    private(set) var deadLetters = 0
    private(set) var trials = 0
    private(set) var cursor: Int64 = 0
    private(set) var hold: SinkHold?
    /// Entries that the machine had in memory while nothing could be tried.
    private(set) var heldWhileOpen = 0
    private(set) var spanMax = 0
    private(set) var parkedMax = 0

    /// - Parameter putsOffOneOf: One delivery of so many is asked to come again; 0 for none.
    init(_ name: String, _ policy: DeliveryPolicy, putsOffOneOf: Int = 0) {
        self.name = name
        self.policy = policy
        self.putsOffOneOf = putsOffOneOf
        let lease = SinkLease(sink: name, epoch: 1, cursor: .zero, settledAbove: [], parked: [])
        machine = Machine(
            lease: lease, limits: Self.limits, policy: policy, generator: SeededGenerator(seed: 2),
            bounds: Self.bounds)
    }

    var nextWake: Int64 { wakes.min() ?? .max }

    func newsArrived() { machine.newsArrived() }

    /// Only what happens from now on is of interest.
    func startWatching() {
        parkedMax = 0
        spanMax = 0
    }

    /// A person lets what waits pass, and the next worker begins where the last one was.
    func resume(exempting last: Int) {
        hold = nil
        machine = Machine(
            lease: SinkLease(
                sink: name, epoch: 2, cursor: Offset(rawValue: cursor),
                settledAbove: settledAbove, parked: [], limitCounts: limitCounts,
                exemptTo: Offset(rawValue: Int64(last))),
            limits: Self.limits, policy: policy, generator: SeededGenerator(seed: 4), bounds: Self.bounds)
        wakes = [0]
    }

    private var settledAbove: [Offset] = []

    func act(on log: [JournalEntry], at now: Int64) {
        if nextWake <= now {
            wakes.removeAll { $0 <= now }
            machine.wokeUp()
        }
        repeat {
            while let action = machine.nextAction(at: now) { carryOut(action, log, at: now) }
        } while answer(log, at: now)
        spanMax = max(spanMax, Int(machine.window.readEnd.rawValue - machine.window.cursor.rawValue))
        parkedMax = max(parkedMax, machine.parked.count)
        if case .open = machine.breaker.state, !machine.window.isEmpty { heldWhileOpen += 1 }
    }

    private func carryOut(_ action: Machine.Action, _ log: [JournalEntry], at now: Int64) {
        switch action {
        case .prepare: machine.prepared()
        case .read(let offset, let limit):
            let rest = log[Int(offset.rawValue)...]
            let entries = limit.cut(rest)
            machine.pageRead(
                JournalPage(
                    entries: entries, end: entries.last?.offset ?? offset,
                    isAtHorizon: entries.count == rest.count))
        case .readParked(let offsets):
            machine.parkedRead(offsets.map { log[Int($0.rawValue) - 1] }, of: offsets, at: now)
        case .deliver(let attempt): attempts.append(attempt)
        case .settle(let settlement):
            cursor = settlement.cursor.rawValue
            settledAbove = settlement.settledAbove
            deadLetters += settlement.deadLetters.count
            hold = settlement.hold ?? hold
            limitCounts = settlement.limitCounts ?? limitCounts
            machine.settleSucceeded()
        case .wake(let time): wakes.append(time)
        }
    }

    /// What becomes of one request; false where none is under way.
    private func answer(_ log: [JournalEntry], at now: Int64) -> Bool {
        guard let attempt = attempts.popLast() else { return false }
        let offset = attempt.offsets[0]
        let event = log[Int(offset.rawValue) - 1].event
        let receipt: Receipt
        if event.meaning.operation == .none {
            answeredByItself += 1
            receipt = Receipt(offset: offset, .skipped("no request for it"), contact: .notAsked)
        } else if isDown {
            trials += 1
            machine.attemptFailed(.unavailable(reason: "HTTP 503"), attempt: attempt.id, at: now)
            return true
        } else if putsOffOneOf > 0, Int.random(in: 0..<putsOffOneOf, using: &random) == 0 {
            receipt = Receipt(offset: offset, .retry(after: nil, reason: "HTTP 500"))
        } else {
            arrived(offset, event)
            receipt = Receipt(offset: offset, .delivered)
        }
        machine.receiptsArrived([receipt], attempt: attempt.id, at: now)
        return true
    }

    private func arrived(_ offset: Offset, _ event: Event) {
        delivered.append(offset.rawValue)
        deleted += event.meaning.operation == .delete ? 1 : 0
        guard let subject = event.subject else { return }
        if let last = lastOfUser[subject], last > offset { outOfOrder.append(offset.rawValue) }
        lastOfUser[subject] = offset
    }
}
