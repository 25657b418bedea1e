import Config
import JSON
@testable import Relay
import RelayTesting
import Rules

/// A delivery machine on a log in memory, driven by hand: reads and settles answer at once unless they
/// are held.
final class DeliveryBench {
    typealias Machine = DeliveryStateMachine<SeededGenerator>

    static let http = SinkLimits(batchEventsMax: 1, concurrency: 8, foldsUsers: false, keepsState: false)
    static let sql = SinkLimits(batchEventsMax: 100, concurrency: 1, foldsUsers: true, keepsState: false)

    private var machine: Machine
    private(set) var now: Int64 = 1_767_225_600_000_000_000
    private(set) var log: [JournalEntry] = []
    /// Attempts that are with the sink.
    private(set) var attempts: [Machine.Attempt] = []
    /// Settlements that have committed.
    private(set) var settlements: [Settlement] = []
    private(set) var heldPages: [JournalPage] = []
    private(set) var heldSettles: [Settlement] = []
    private(set) var wakes: [Int64] = []
    private(set) var preparations = 0
    private(set) var reads = 0
    /// Bytes that reads asked for at most.
    private(set) var readBytes: Set<Int> = []
    private(set) var parkedReads = 0
    /// Deliveries that the sink gave a receipt for.
    private(set) var answered = 0
    var holdsReads = false
    var holdsSettles = false

    init(
        _ limits: SinkLimits, users: [String?], giveUpAfter: Duration = .seconds(3 * 86_400),
        hold: SinkHold? = nil, policy: DeliveryPolicy = DeliveryPolicy(),
        bounds: DeliveryBounds = DeliveryBounds(), intents: Set<Offset> = [],
        parked: [ParkedDelivery] = [], limitCounts: String = "",
        operation: @escaping (Event) -> Operation = { $0.meaning.operation },
        userOperation: @escaping (Event) -> Operation = { $0.meaning.operation }
    ) {
        let lease = SinkLease(
            sink: "sink", epoch: 1, cursor: parked.last?.offset ?? .zero, settledAbove: [], parked: parked,
            hold: hold, intents: intents, limitCounts: limitCounts)
        var policy = policy
        policy.retry.giveUpAfter = giveUpAfter
        machine = Machine(
            lease: lease, limits: limits, policy: policy, generator: SeededGenerator(seed: 1),
            bounds: bounds, operation: operation, userOperation: userOperation)
        append(users)
        run()
    }

    // MARK: - What happens

    /// Appends an event for each user, with offsets from 1, and tells nobody.
    func append(_ users: [String?]) { append(users.map { DeliveryFixture.event(of: $0) }) }

    func append(_ events: [Event]) {
        for event in events {
            let offset = Offset(rawValue: Int64(log.count + 1))
            log.append(JournalEntry(offset: offset, event: event, rule: "rule"))
        }
    }

    /// Appends events of these types of the user `u`, all received now and published at these seconds.
    func append(_ types: (type: String, second: Int64)...) {
        append(
            types.map { type, second in
                var sample = EventSample(type: "user.\(type)", user: "u", second: second)
                sample.receivedAt = now
                return sample.event
            })
        news()
    }

    func news() {
        machine.newsArrived()
        run()
    }

    func advance(by duration: Duration) {
        now += duration.nanoseconds
        run()
    }

    /// Somebody sets the wall clock, forward or back; no time passes.
    ///
    /// - Parameter tellsOf: What the machine is told of, where it has seen some of it before.
    func setClock(by step: Duration, tellsOf told: Duration? = nil) {
        now += step.nanoseconds
        machine.clockWasSet(by: (told ?? step).nanoseconds, to: now)
        run()
    }

    /// The attempt that holds this offset ends with an outcome for each of its deliveries.
    func answer(_ offset: Int64, _ outcome: Receipt.Outcome = .delivered) {
        guard let attempt = take(offset) else { return }
        answered += attempt.deliveries.count
        machine.receiptsArrived(
            attempt.deliveries.map { Receipt(offset: $0, outcome) }, attempt: attempt.id, at: now)
        run()
    }

    /// The attempt that holds this offset ends with these receipts.
    func answer(_ offset: Int64, receipts: [Receipt], intended: [Int64] = []) {
        guard let attempt = take(offset) else { return }
        machine.receiptsArrived(
            receipts, attempt: attempt.id, intended: intended.map(Offset.init(rawValue:)), at: now)
        run()
    }

    /// It is not the turn of the attempt that holds this offset, nor of any other unless it is alone.
    func `defer`(_ offset: Int64, by wait: Duration, alone: Bool = false) {
        guard let attempt = take(offset) else { return }
        machine.attemptDeferred(attempt.id, alone ? .itsUsers(wait) : .everybody(wait), at: now)
        run()
    }

    /// Whatever became of it, this is what the attempt that holds this offset shows of the sink.
    func show(_ offset: Int64, _ contact: Receipt.Contact, _ outcome: Receipt.Outcome = .skipped("none")) {
        answer(
            offset, receipts: [Receipt(offset: Offset(rawValue: offset), outcome, contact: contact)])
    }

    func fail(
        _ offset: Int64, _ error: SinkError = .unavailable(reason: "refused"), isSent: Bool = true,
        intended: [Int64] = []
    ) {
        guard let attempt = take(offset) else { return }
        machine.attemptFailed(
            error, attempt: attempt.id, isSent: isSent, intended: intended.map(Offset.init(rawValue:)),
            at: now)
        run()
    }

    /// Answers everything that is with the sink, until nothing is.
    func answerAll(_ outcome: Receipt.Outcome = .delivered) {
        while let offset = attempts.first?.offsets.first { answer(offset.rawValue, outcome) }
    }

    func releasePages() {
        holdsReads = false
        let pages = heldPages
        heldPages = []
        for page in pages { machine.pageRead(page) }
        run()
    }

    func releaseSettles() {
        holdsSettles = false
        for settlement in heldSettles {
            settlements.append(settlement)
            machine.settleSucceeded()
        }
        heldSettles = []
        run()
    }

    /// A wake that was asked for has come.
    func wokeUp() {
        machine.wokeUp()
        run()
    }

    func stop() {
        machine.stop(at: now)
        run()
    }

    // MARK: - What there is to see

    /// Offsets that are with the sink, attempt by attempt.
    var withSink: [[Int64]] { attempts.map { $0.offsets.map(\.rawValue) } }
    var cursor: Int64 { settlements.last?.cursor.rawValue ?? 0 }
    var settledAbove: [Int64] { settlements.last?.settledAbove.map(\.rawValue) ?? [] }
    var deadLetters: [Int64] { settlements.flatMap { $0.deadLetters.map(\.offset.rawValue) } }
    var breaker: CircuitBreaker { machine.breaker }
    var isStopped: Bool { machine.isStopped }
    var delivered: Int { settlements.reduce(0) { $0 + ($1.outcomes[.delivered] ?? 0) } }

    /// What the journal's parked rows are after all settlements.
    var parked: [Int64: ParkedDelivery] {
        var rows: [Int64: ParkedDelivery] = [:]
        for settlement in settlements {
            for row in settlement.parked { rows[row.offset.rawValue] = row }
            for offset in settlement.unparked { rows[offset.rawValue] = nil }
        }
        return rows
    }

    /// When a parked delivery becomes a dead letter, by the wall clock, if the sink works from now on.
    func giveUpTime(_ offset: Int64) -> Int64? {
        parked[offset]?.giveUpAt.map { $0 + settlements.reduce(0) { $0 + $1.stoodStill } }
    }

    // MARK: -

    private func take(_ offset: Int64) -> Machine.Attempt? {
        let index = attempts.firstIndex { $0.offsets.contains(Offset(rawValue: offset)) }
        return index.map { attempts.remove(at: $0) }
    }

    private func run() {
        while let action = machine.nextAction(at: now) {
            switch action {
            case .prepare:
                preparations += 1
                machine.prepared()
            case .read(let offset, let limit):
                reads += 1
                readBytes.insert(limit.bytes)
                let rest = log.dropFirst(Int(offset.rawValue))
                let entries = limit.cut(rest)
                let page = JournalPage(
                    entries: entries, end: entries.last?.offset ?? offset,
                    isAtHorizon: entries.count == rest.count)
                if holdsReads { heldPages.append(page) } else { machine.pageRead(page) }
            case .readParked(let offsets):
                parkedReads += 1
                machine.parkedRead(log.filter { offsets.contains($0.offset) }, of: offsets, at: now)
            case .deliver(let attempt): attempts.append(attempt)
            case .settle(let settlement):
                if holdsSettles {
                    heldSettles.append(settlement)
                } else {
                    settlements.append(settlement)
                    machine.settleSucceeded()
                }
            case .wake(let time): wakes.append(time)
            }
        }
    }
}

/// Events made once, because only their users matter here.
enum DeliveryFixture {
    private static let events: [String: Event] = {
        let names = (0..<200).map { "u\($0)" }
        return Dictionary(uniqueKeysWithValues: names.map { ($0, make($0)) })
    }()
    private static let withoutUser = make(nil)

    /// The event of a user `u0` to `u199`; nil gives one without a user.
    static func event(of user: String?) -> Event {
        guard let user else { return withoutUser }
        return events[user] ?? make(user)
    }

    private static func make(_ user: String?) -> Event {
        EventSample(type: "user.account.update_profile", user: user, second: 0).event
    }
}

extension ReadLimit {
    /// As much of these as a journal gives.
    func cut(_ entries: some Sequence<JournalEntry>) -> [JournalEntry] {
        var bytes = 0
        return entries.prefix(self.entries).prefix { entry in
            bytes += entry.event.footprint
            return bytes <= self.bytes || bytes == entry.event.footprint
        }
    }
}
