import JSON
public import Relay
import Rules

extension InMemoryJournal: JournalInspection {
    public func status() async throws(JournalError) -> JournalStatus {
        try open { log in
            JournalStatus(
                accepted: log.rows.count,
                duplicates: log.duplicates,
                unrouted: log.rows.count { $0.route.isUnrouted },
                quarantined: log.quarantined.count,
                horizon: log.horizon,
                sizeBytes: log.rows.reduce(0) { $0 + $1.event.body.bytes.count },
                sinks: log.sinks.keys.sorted().compactMap { log.status(of: $0) }
            )
        }
    }

    public func events(
        _ filter: EventFilter, _ page: PageRequest
    ) async throws(JournalError) -> [EventRecord] {
        try open { log in
            Array(
                log.rows.reversed().lazy.map { $0.record() }
                    .filter { $0.id < page.before ?? .max && filter.accepts($0) }.prefix(page.limit))
        }
    }

    public func event(id: Int64) async throws(JournalError) -> EventRecord? {
        try open { log in log.rows.first { $0.offset.rawValue == id }?.record(withBody: true) }
    }

    public func deadLetters(
        _ filter: DeadLetterFilter, _ page: PageRequest
    ) async throws(JournalError) -> [DeadLetterRecord] {
        try open { log in
            log.letters.reversed().lazy
                .filter { $0.id < page.before ?? .max && filter.matches($0) }
                .prefix(page.limit).map { letter in
                    DeadLetterRecord(
                        id: letter.id, sink: letter.sink, rule: letter.rule, eventID: letter.eventID,
                        eventType: letter.eventType, userID: letter.userID, diedAt: letter.diedAt,
                        failures: letter.failures, body: nil)
                }
        }
    }

    public func deadLetter(id: Int64) async throws(JournalError) -> DeadLetterRecord? {
        try open { log in log.letters.first { $0.id == id } }
    }

    public func quarantine(
        _ filter: QuarantineFilter, _ page: PageRequest
    ) async throws(JournalError) -> [QuarantineRecord] {
        try open { log in
            let meant = log.quarantineRecords(withBytes: true).reversed()
                .filter { $0.id < page.before ?? .max && filter.matches($0) }.prefix(page.limit).map(\.id)
            return log.quarantineRecords(withBytes: false).reversed().filter { meant.contains($0.id) }
        }
    }

    public func quarantined(id: Int64) async throws(JournalError) -> QuarantineRecord? {
        try open { log in log.quarantineRecords(withBytes: true).first { $0.id == id } }
    }

    /// It gives nothing up.
    public func detached(
        _ filter: DetachedFilter, _ page: PageRequest
    ) async throws(JournalError) -> [DetachedRange] { [] }
}

extension InMemoryJournal {
    /// All of them at once.
    public func storedEvents(
        after offset: Offset, through last: Offset, since receivedAt: Int64
    ) async throws(JournalError) -> StoredEventPage {
        try open { log in
            let meant = log.rows.filter {
                $0.offset > offset && $0.offset <= last && $0.event.receivedAt >= receivedAt
            }
            let events = meant.map { row in
                StoredEvent(
                    offset: row.offset, receivedAt: row.event.receivedAt, hook: row.event.hook,
                    org: row.event.org, eventID: row.event.id,
                    route: row.route.choices.map { ($0.sink, $0.rule) }, body: row.event.body.bytes)
            }
            return StoredEventPage(events: events, end: min(last, log.horizon), horizon: log.horizon)
        }
    }
}

extension MemoryLog.Row {
    fileprivate func record(withBody: Bool = false) -> EventRecord {
        EventRecord(
            id: offset.rawValue,
            receivedAt: event.receivedAt,
            hook: event.hook,
            eventID: event.id,
            eventType: event.type,
            envelopeID: event.envelopeID,
            route: route.choices.map { ($0.sink, $0.rule) },
            body: withBody ? event.body.bytes : nil
        )
    }
}

extension MemoryLog {
    fileprivate func quarantineRecords(withBytes: Bool) -> [QuarantineRecord] {
        quarantined.enumerated().map { index, input in
            QuarantineRecord(
                id: Int64(index + 1),
                receivedAt: input.receivedAt,
                hook: input.hook,
                reason: input.reason,
                sizeBytes: input.bytes.count,
                bytes: withBytes ? input.bytes : nil
            )
        }
    }

    fileprivate func status(of sink: String) -> SinkStatus? {
        guard let state = sinks[sink] else { return nil }
        let waiting = rows.filter { row in
            guard row.entry(for: sink) != nil else { return false }
            if state.parked[row.offset] != nil { return true }
            return row.offset > state.cursor && !state.settledAbove.contains(row.offset)
        }
        return SinkStatus(
            name: sink,
            cursor: state.cursor,
            waiting: waiting.count,
            oldestWaitingReceivedAt: waiting.map(\.event.receivedAt).min(),
            delivered: state.outcomes[.delivered] ?? 0,
            superseded: state.outcomes[.superseded] ?? 0,
            skipped: state.outcomes[.skipped] ?? 0,
            retried: state.retried,
            parked: state.parked.count,
            dead: letters.count { $0.sink == sink },
            hold: state.hold
        )
    }
}

extension DeadLetterFilter {
    fileprivate func matches(_ letter: DeadLetterRecord) -> Bool {
        (ids?.contains(letter.id) ?? true) && (sink ?? letter.sink) == letter.sink
            && (rule ?? letter.rule) == letter.rule && (eventType?.matches(letter.eventType) ?? true)
            && (user.map { $0 == letter.userID } ?? true)
            && isPart(error, of: letter.failures.last?.reason ?? "")
            && (since ?? .min) <= letter.diedAt && letter.diedAt < (until ?? .max)
    }
}

extension QuarantineFilter {
    fileprivate func matches(_ record: QuarantineRecord) -> Bool {
        (ids?.contains(record.id) ?? true) && (hook ?? record.hook) == record.hook
            && isPart(reason, of: record.reason) && accepts(record.bytes)
            && (since ?? .min) <= record.receivedAt && record.receivedAt < (until ?? .max)
    }
}

private func isPart(_ part: String?, of text: String) -> Bool {
    part.map { text.lowercased().contains($0.lowercased()) } ?? true
}
