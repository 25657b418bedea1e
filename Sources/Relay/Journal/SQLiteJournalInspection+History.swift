import GRDB
import Rules

/// What is known of a user: from receipts and dead letters, which have the user's id, and from what waits,
/// which has to be looked through.
extension SQLiteJournalInspection {
    public func history(
        _ filter: HistoryFilter, limit: Int, lookedAtMax: Int = WaitingLook.eventsMax
    ) async throws(JournalError) -> UserHistory {
        // Together, so that nothing is missed that is settled while the rest is looked through.
        let (known, places, horizon) = try await onThread { db in
            let parts = [
                try Self.settled(filter, limit, db), try Self.dead(filter, limit, db),
                try Self.parked(filter, limit, db),
            ]
            return (
                UserHistory(
                    records: Array(parts.joined()), waiting: WaitingLook(),
                    givenUp: try Self.givenUp(filter, db)),
                try WaitingPlaces(sink: filter.sink, db),
                try Int64.fetchOne(db, sql: #"SELECT max("offset") FROM entries"#) ?? 0
            )
        }
        var history = known
        try await look(filter, lookedAtMax, places, horizon: horizon, &history)
        // What waits of one event for several sinks is in the order of their names.
        history.records.sort { ($0.at, $0.eventID, $1.sink) > ($1.at, $1.eventID, $0.sink) }
        history.records = Array(history.records.prefix(limit))
        return history
    }

    // MARK: - What has the user's id

    private static func settled(
        _ filter: HistoryFilter, _ limit: Int, _ db: Database
    ) throws -> [HistoryRecord] {
        let condition = filter.condition(sink: "sink", at: "settled_at")
        let sql = """
            SELECT settled_at, sink, outcome, operation, org, event_id, detail FROM receipts
            WHERE \(condition.text) ORDER BY id DESC LIMIT ?
            """
        return try Row.fetchAll(db, sql: sql, arguments: condition.arguments + [limit]).map { row in
            let outcome = SettledOutcome(rawValue: row[2]) ?? .delivered
            return HistoryRecord(
                at: row[0], sink: row[1], outcome: .settled(outcome), eventType: nil, operation: row[3],
                org: row[4], eventID: row[5], detail: row[6])
        }
    }

    private static func dead(
        _ filter: HistoryFilter, _ limit: Int, _ db: Database
    ) throws -> [HistoryRecord] {
        let condition = filter.condition(sink: "sinks.name", at: "died_at")
        let sql = """
            SELECT died_at, sinks.name, event_type, org, event_id, last_error
            FROM dead_letters JOIN sinks ON sinks.id = sink_id
            WHERE \(condition.text) ORDER BY dead_letters.id DESC LIMIT ?
            """
        return try Row.fetchAll(db, sql: sql, arguments: condition.arguments + [limit]).map { row in
            HistoryRecord(
                at: row[0], sink: row[1], outcome: .dead, eventType: row[2], operation: nil, org: row[3],
                eventID: row[4], detail: row[5])
        }
    }

    private static func parked(
        _ filter: HistoryFilter, _ limit: Int, _ db: Database
    ) throws -> [HistoryRecord] {
        let condition = filter.condition(org: "parked.org", sink: "sinks.name", at: "received_at")
        let sql = """
            SELECT received_at, sinks.name, event_type, parked.org, event_id,
                json_extract(failures, '$[#-1].reason')
            FROM parked JOIN sinks ON sinks.id = sink_id
                JOIN entries ON entries."offset" = parked."offset"
            WHERE \(condition.text) ORDER BY parked."offset" DESC LIMIT ?
            """
        return try Row.fetchAll(db, sql: sql, arguments: condition.arguments + [limit]).map { row in
            HistoryRecord(
                at: row[0], sink: row[1], outcome: .waiting, eventType: row[2], operation: nil, org: row[3],
                eventID: row[4], detail: row[5])
        }
    }

    /// Ranges say which entries, and not whose.
    private static func givenUp(_ filter: HistoryFilter, _ db: Database) throws -> [GivenUpEntries] {
        var condition = SQLCondition()
        condition.add("sink = ?", filter.sink)
        condition.add("last_received_at >= ?", filter.since)
        condition.add("first_received_at < ?", filter.until)
        let sql = """
            SELECT sink, sum(entries), min(first_received_at), max(last_received_at) FROM detached
            WHERE \(condition.text) GROUP BY sink ORDER BY sink
            """
        return try Row.fetchAll(db, sql: sql, arguments: condition.arguments).map { row in
            GivenUpEntries(sink: row[0], entries: row[1], replaySpan: Timestamp.span(row[2], row[3]))
        }
    }

    // MARK: - What waits behind the cursors

    private func look(
        _ filter: HistoryFilter, _ lookedAtMax: Int, _ places: WaitingPlaces, horizon: Int64,
        _ history: inout UserHistory
    ) async throws(JournalError) {
        var range = places.offsets(through: horizon)
        // Settled entries between those that wait cost a little, too.
        var rowsLeft = lookedAtMax * 4
        while !range.isEmpty, history.waiting.lookedAt < lookedAtMax, rowsLeft > 0 {
            let count = min(WaitingPlaces.chunk, lookedAtMax - history.waiting.lookedAt)
            let rest = range
            let page = try await onThread { db in
                try places.read(rest, .newestFirst, count, since: filter.since, until: filter.until, db)
            }
            rowsLeft -= page.rows
            for entry in page.entries {
                history.waiting.lookedAt += 1
                guard let event = entry.event, event.user?.id == filter.user,
                    filter.org.map({ $0 == event.org }) ?? true
                else { continue }
                history.records += entry.sinks.map { HistoryRecord(event, waitsFor: $0) }
            }
            range = page.rest
        }
        guard !range.isEmpty else { return }
        let rest = range
        history.waiting.notLookedAt = try await onThread { db in
            try places.sinks(withWaiting: rest, since: filter.since, until: filter.until, db)
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
