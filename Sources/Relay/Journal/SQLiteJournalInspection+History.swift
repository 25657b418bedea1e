import GRDB
import Rules

/// What is known of a user: from receipts and dead letters, which have the user's id, and from what waits,
/// which has to be looked through.
extension SQLiteJournalInspection {
    public func history(
        _ filter: HistoryFilter, before place: HistoryPlace? = nil, limit: Int,
        lookedAtMax: Int = WaitingLook.eventsMax
    ) async throws(JournalError) -> UserHistory {
        let before = place ?? .newest
        // Together, so that nothing is missed that is settled while the rest is looked through.
        let (settled, dead, parked, givenUp, since, places, horizon) = try await onThread { db in
            (
                try Self.settled(filter, before, limit + 1, db), try Self.dead(filter, before, limit + 1, db),
                try Self.parked(filter, before, limit, db), try Self.givenUp(filter, db),
                try Self.receiptsSince(db), try WaitingPlaces(sink: filter.sink, db),
                try Int64.fetchOne(db, sql: #"SELECT max("offset") FROM entries"#) ?? 0
            )
        }
        let last = min(horizon, before.offset - 1)
        let (found, look) = try await look(filter, lookedAtMax, places, horizon: last)
        let waiting = (parked + found).sorted { ($0.id, $1.record.sink) > ($1.id, $0.record.sink) }
        // Each by itself, so that many of one kind push out none of another.
        let kinds = [settled, dead, waiting].map { Self.newest($0, limit) }
        let next = HistoryPlace(receipt: kinds[0].next, deadLetter: kinds[1].next, offset: kinds[2].next)
        return UserHistory(
            records: kinds.flatMap(\.records), next: next == .oldest ? nil : next, waiting: look,
            givenUp: givenUp, receiptsSince: since)
    }

    /// Receipts of removals from then on are kept; nil where none has gone yet.
    private static func receiptsSince(_ db: Database) throws -> Int64? {
        try Int64.fetchOne(
            db, sql: "SELECT value + 1 FROM counters WHERE name = ?",
            arguments: [JournalWriter.removalsGoneCounter])
    }

    /// A record of one of the kinds, with what its kind is ordered by.
    private struct Found {
        let id: Int64
        let record: HistoryRecord
    }

    /// The first of a kind, and the id before which the next page begins; 0 where that would be empty.
    private static func newest(_ found: [Found], _ limit: Int) -> (records: [HistoryRecord], next: Int64) {
        guard found.count > limit else { return (found.map(\.record), 0) }
        // What waits of one event for several sinks has one id.
        let last = found[limit - 1].id
        let shown = found.prefix { $0.id >= last }
        return (shown.map(\.record), shown.count < found.count ? last : 0)
    }

    // MARK: - What has the user's id

    private static func settled(
        _ filter: HistoryFilter, _ before: HistoryPlace, _ limit: Int, _ db: Database
    ) throws -> [Found] {
        var condition = filter.condition(sink: "sink", at: "settled_at")
        condition.add("id < ?", before.receipt)
        // What is a dead letter still is found among those.
        let sql = """
            SELECT settled_at, sink, outcome, operation, org, event_id, detail, id FROM removals
            WHERE \(condition.text) AND (outcome <> 'dead' OR NOT EXISTS (
                SELECT 1 FROM dead_letters JOIN sinks ON sinks.id = sink_id
                WHERE dead_letters."offset" = removals."offset" AND sinks.name = removals.sink))
            ORDER BY id DESC LIMIT ?
            """
        return try StoredRow.fetchAll(db, sql: sql, arguments: condition.arguments + [limit]).map { row in
            try Found(
                id: row[7],
                record: HistoryRecord(
                    at: row[0], sink: row[1], outcome: HistoryRecord.Outcome(ofReceipt: row[2]),
                    eventType: nil,
                    operation: row[3], org: row[4], eventID: row[5], detail: row[6]))
        }
    }

    /// How many receipts have an outcome or an operation that is none.
    static func damagedReceipts(_ db: Database) throws -> Int {
        let both = ["receipts", "removals"].map { "SELECT outcome, operation FROM \($0)" }
        let sql = """
            SELECT outcome, operation, count(*) FROM (\(both.joined(separator: " UNION ALL ")))
            GROUP BY outcome, operation
            """
        return try StoredRow.fetchAll(db, sql: sql).reduce(0) { damaged, row in
            let operation = try (row[1] as String?).map { Operation(rawValue: $0) }
            let isKnown = HistoryRecord.Outcome(ofReceipt: try row[0]) != .unreadable
            let isWhole = isKnown && operation != .some(nil)
            return try damaged + (isWhole ? 0 : row[2])
        }
    }

    private static func dead(
        _ filter: HistoryFilter, _ before: HistoryPlace, _ limit: Int, _ db: Database
    ) throws -> [Found] {
        var condition = filter.condition(sink: "sinks.name", at: "died_at")
        condition.add("dead_letters.id < ?", before.deadLetter)
        let sql = """
            SELECT died_at, sinks.name, event_type, org, event_id, last_error, dead_letters.id
            FROM dead_letters JOIN sinks ON sinks.id = sink_id
            WHERE \(condition.text) ORDER BY dead_letters.id DESC LIMIT ?
            """
        return try StoredRow.fetchAll(db, sql: sql, arguments: condition.arguments + [limit]).map { row in
            try Found(
                id: row[6],
                record: HistoryRecord(
                    at: row[0], sink: row[1], outcome: .dead, eventType: row[2], operation: nil, org: row[3],
                    eventID: row[4], detail: row[5]))
        }
    }

    /// One more than the limit, and those of the same event for other sinks.
    private static func parked(
        _ filter: HistoryFilter, _ before: HistoryPlace, _ limit: Int, _ db: Database
    ) throws -> [Found] {
        var condition = filter.condition(org: "parked.org", sink: "sinks.name", at: "received_at")
        condition.add(#"parked."offset" < ?"#, before.offset)
        let sql = """
            SELECT received_at, sinks.name, event_type, parked.org, event_id, failures, parked."offset"
            FROM parked JOIN sinks ON sinks.id = sink_id
                JOIN entries ON entries."offset" = parked."offset"
            WHERE \(condition.text)
            ORDER BY parked."offset" DESC LIMIT ? + (SELECT count(*) FROM sinks)
            """
        return try StoredRow.fetchAll(db, sql: sql, arguments: condition.arguments + [limit]).map { row in
            try Found(
                id: row[6],
                record: HistoryRecord(
                    at: row[0], sink: row[1], outcome: .waiting, eventType: row[2], operation: nil,
                    org: row[3], eventID: row[4],
                    detail: FailedAttempt.failures(ofText: row[5]).last?.reason))
        }
    }

    /// Ranges say which entries, and not whose.
    private static func givenUp(_ filter: HistoryFilter, _ db: Database) throws -> [GivenUpEntries] {
        let condition = DetachedFilter(sink: filter.sink, since: filter.since, until: filter.until).condition
        let sql = """
            SELECT sink, sum(entries), min(first_received_at), max(last_received_at) FROM detached
            WHERE \(condition.text) GROUP BY sink ORDER BY sink
            """
        return try StoredRow.fetchAll(db, sql: sql, arguments: condition.arguments).map { row in
            try GivenUpEntries(sink: row[0], entries: row[1], replaySpan: Timestamp.span(row[2], row[3]))
        }
    }

    // MARK: - What waits behind the cursors

    private func look(
        _ filter: HistoryFilter, _ lookedAtMax: Int, _ places: WaitingPlaces, horizon: Int64
    ) async throws(JournalError) -> (found: [Found], look: WaitingLook) {
        var (found, look) = ([] as [Found], WaitingLook())
        var range = places.offsets(through: horizon)
        // Settled entries between those that wait cost a little, too.
        var rowsLeft = lookedAtMax * 4
        while !range.isEmpty, look.lookedAt < lookedAtMax, rowsLeft > 0 {
            let count = min(WaitingPlaces.chunk, lookedAtMax - look.lookedAt)
            let rest = range
            let page = try await onThread { db in
                try places.read(rest, .newestFirst, count, since: filter.since, until: filter.until, db)
            }
            rowsLeft -= page.rows
            for entry in page.entries {
                look.lookedAt += 1
                guard let event = entry.event, event.user?.id == filter.user,
                    filter.org.map({ $0 == event.org }) ?? true
                else { continue }
                found += entry.sinks.map {
                    Found(id: entry.offset, record: HistoryRecord(event, waitsFor: $0))
                }
            }
            range = page.rest
        }
        guard !range.isEmpty else { return (found, look) }
        let rest = range
        look.notLookedAt = try await onThread { db in
            try places.sinks(withWaiting: rest, since: filter.since, until: filter.until, db)
        }
        return (found, look)
    }
}

extension HistoryRecord.Outcome {
    /// As a receipt keeps it.
    fileprivate init(ofReceipt text: String) {
        switch SettledOutcome(rawValue: text) {
        case let outcome?: self = .settled(outcome)
        case nil: self = text == "dead" ? .dead : .unreadable
        }
    }
}

extension HistoryRecord {
    fileprivate init(_ event: Event, waitsFor sink: String) {
        let operation = event.meaning.operation
        self.init(
            at: event.receivedAt, sink: sink, outcome: .waiting, eventType: event.type,
            operation: operation == .none ? nil : operation.rawValue, org: event.org, eventID: event.id,
            detail: nil)
    }
}
