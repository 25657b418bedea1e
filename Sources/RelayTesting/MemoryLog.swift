import JSON
import Relay
import Rules

/// The state of an ``InMemoryJournal``: a log, and per sink where it stands in it.
struct MemoryLog {
    struct Row {
        let offset: Offset
        let event: Event
        let route: Route
        var replay: String?

        func entry(for sink: String) -> JournalEntry? {
            route.choices.first { $0.sink == sink }.map {
                JournalEntry(offset: offset, event: event, rule: $0.rule, replay: replay)
            }
        }
    }

    struct SinkState {
        var epoch: Int64 = 0
        var cursor: Offset
        var settledAbove: Set<Offset> = []
        var parked: [Offset: ParkedDelivery] = [:]
        var states: [Subject: FoldState] = [:]
        var outcomes: [SettledOutcome: Int] = [:]
        var retried = 0
        var hold: SinkHold?
        var intents: Set<Offset> = []
        var limitCounts = ""
        var receipts: [DeliveryReceipt] = []
        var exemptTo = Offset.zero
        var stoodStill: Int64 = 0
        var awaySince: Int64?
        /// Whether its place or its hold was changed since the lease, and the place ever moved back.
        var isMoved = false
        var isMovedBack = false

        var place: MovedPlace {
            MovedPlace(
                cursor: cursor, settledAbove: settledAbove, parked: Set(parked.keys), isBack: isMovedBack)
        }

        /// Ends the intents of what is settled and not parked.
        mutating func endSettledIntents() {
            let (place, parked) = (place, parked)
            intents = intents.filter { offset in
                let isSettled = offset <= place.cursor || place.settledAbove.contains(offset)
                return !isSettled || parked[offset] != nil
            }
        }
    }

    struct Key: Hashable {
        let org: String
        let id: [UInt8]
    }

    var isClosed = false
    var rows: [Row] = []
    var sinks: [String: SinkState] = [:]
    var quarantined: [QuarantinedInput] = []
    var letters: [DeadLetterRecord] = []
    var duplicates = 0
    private var known: Set<Key> = []

    var horizon: Offset { Offset(rawValue: Int64(rows.count)) }

    mutating func append(_ submission: Submission) -> AppendReceipt {
        var accepted = 0
        var unrouted = 0
        var redelivered = 0
        for routed in submission.events {
            let next = Offset(rawValue: Int64(rows.count + 1))
            if let replay = routed.replay {
                rows.append(Row(offset: next, event: routed.event, route: routed.route, replay: replay))
                redelivered += 1
                continue
            }
            let key = Key(org: routed.event.org, id: Array(routed.event.id.utf8))
            guard known.insert(key).inserted else { continue }
            rows.append(Row(offset: next, event: routed.event, route: routed.route))
            accepted += 1
            if routed.route.isUnrouted { unrouted += 1 }
        }
        quarantined += submission.quarantined
        let known = submission.events.count - accepted - redelivered
        duplicates += known
        return AppendReceipt(
            accepted: accepted,
            duplicates: known,
            unrouted: unrouted,
            quarantined: submission.quarantined.count
        )
    }

    mutating func know(_ sink: String) { sinks[sink] = sinks[sink] ?? SinkState(cursor: horizon) }

    mutating func lease(_ sink: String, at now: Int64) -> SinkLease {
        var state = sinks[sink] ?? SinkState(cursor: horizon)
        state.epoch += 1
        state.endSettledIntents()
        (state.isMoved, state.isMovedBack) = (false, false)
        if let since = state.awaySince { state.stoodStill += max(0, (state.hold?.since ?? now) - since) }
        state.awaySince = nil
        sinks[sink] = state
        return SinkLease(
            sink: sink,
            epoch: state.epoch,
            cursor: state.cursor,
            settledAbove: state.settledAbove.sorted(),
            parked: state.parked.values.sorted { $0.offset < $1.offset },
            hold: state.hold,
            intents: state.intents,
            limitCounts: state.limitCounts,
            exemptTo: state.exemptTo,
            stoodStill: state.stoodStill
        )
    }

    /// What an operator does: the sink goes on behind another offset.
    ///
    /// Forward, what it passes is given up; backward, what had been settled comes again.
    mutating func move(_ sink: String, to offset: Offset) {
        guard var state = sinks[sink] else { return }
        if offset < state.cursor {
            state.parked = state.parked.filter { $0.key <= offset }
            state.settledAbove = []
            state.isMovedBack = true
        } else {
            state.parked = state.parked.filter { $0.key > offset }
            state.settledAbove = state.settledAbove.filter { $0 > offset }
        }
        state.cursor = offset
        state.isMoved = true
        sinks[sink] = state
    }

    /// Changes nothing where it is refused.
    mutating func intend(_ sink: String, epoch: Int64, _ offsets: [Offset]) -> JournalError? {
        guard let state = sinks[sink] else { return .moved }
        guard state.epoch == epoch else { return .fenced }
        if state.isMoved { return .moved }
        sinks[sink]?.intents.formUnion(offsets)
        return nil
    }

    func read(_ sink: String, after offset: Offset, limit: ReadLimit) -> JournalPage {
        var entries: [JournalEntry] = []
        var bytes = 0
        for row in rows.dropFirst(Int(max(offset, .zero).rawValue)) {
            guard let entry = row.entry(for: sink) else { continue }
            bytes += entry.event.footprint
            guard entries.count < limit.entries, entries.isEmpty || bytes <= limit.bytes else {
                return JournalPage(
                    entries: entries, end: entries.last?.offset ?? offset, isAtHorizon: false)
            }
            entries.append(entry)
        }
        return JournalPage(entries: entries, end: max(horizon, offset), isAtHorizon: true)
    }

    /// Changes nothing where the lease is another's; where the place was moved, takes what holds there.
    mutating func settle(
        _ settlement: Settlement, at now: Int64
    ) -> Result<SettleResult, JournalError> {
        guard var state = sinks[settlement.sink] else { return .failure(.moved) }
        guard state.epoch == settlement.epoch else { return .failure(.fenced) }
        let settlement = state.isMoved ? settlement.held(at: state.place).settlement : settlement
        state.cursor = max(state.cursor, settlement.cursor)
        state.settledAbove = Set(settlement.settledAbove.filter { $0 > state.cursor })
        state.outcomes.merge(settlement.outcomes, uniquingKeysWith: +)
        state.retried += settlement.retries
        state.stoodStill += settlement.stoodStill
        state.awaySince = state.hold == nil ? settlement.awaySince : nil
        for parked in settlement.parked { state.parked[parked.offset] = parked }
        for offset in settlement.unparked { state.parked[offset] = nil }
        state.states.merge(settlement.states) { $1 }
        state.intents.subtract(settlement.endedIntents)
        if state.isMoved { state.intents.subtract(settlement.ended) } else { state.endSettledIntents() }
        state.hold = settlement.hold ?? state.hold
        state.limitCounts = settlement.limitCounts ?? state.limitCounts
        state.receipts += settlement.receipts
        for letter in settlement.deadLetters {
            state.parked[letter.offset] = nil
            bury(letter, of: settlement.sink, at: now)
        }
        sinks[settlement.sink] = state
        return .success(state.isMoved ? .held(settlement) : .whole)
    }

    private mutating func bury(_ letter: DeadLetter, of sink: String, at now: Int64) {
        let row = rows.first { $0.offset == letter.offset }
        letters.append(
            DeadLetterRecord(
                id: Int64(letters.count + 1),
                sink: sink,
                rule: row?.entry(for: sink)?.rule ?? "",
                eventID: row?.event.id ?? "",
                eventType: row?.event.type ?? "",
                userID: letter.subject?.userID,
                diedAt: now,
                failures: letter.failures,
                body: row?.event.body.bytes
            )
        )
    }
}
