import Foundation
import GRDB
import JSON
import Rules

/// What operators do to dead letters and quarantined inputs, a step at a time.
extension JournalWriter {
    func redrive(
        _ filter: DeadLetterFilter, _ step: OperationStep, _ extent: RecordExtent?, sinks: Set<String>,
        at now: Int64
    ) throws -> StepReport {
        var work = try begin(
            step, extent, "dead-letters redrive", sink: filter.sink, at: now, filter.write(to:))
        let replay = try operationTime(work.operation).map {
            "redrive-\(Timestamp(nanoseconds: $0).description)"
        }
        // Without a replay's id the journal would take the entries for duplicates, and drop them.
        guard step.isDryRun || replay != nil else {
            throw JournalError.cannotCommit(reason: "it has no note of the operation that is to go on")
        }
        work.report.replay = replay
        var events: [Submission.RoutedEvent] = []
        var touched: Set<String> = []
        try forEachLetter(filter, &work) { row in
            let sink: String = try row[1]
            guard sinks.contains(sink) else { return KeptReason.notDelivered }
            guard let body = try row[7] as Data? else { return KeptReason.expired }
            let event = try? Event(
                body: JSONDocument(Array(body), isKept: true), hook: row[3], org: row[4], receivedAt: row[5],
                envelopeID: row[6])
            guard let event else { return KeptReason.unreadable }
            let route = Route(choices: [Route.Choice(sink: sink, rule: try row[2])])
            events.append(Submission.RoutedEvent(event: event, route: route, replay: replay))
            touched.insert(sink)
            return nil
        }
        work.sinks = touched
        guard !step.isDryRun else { return work.report }
        // Delivery entries are nobody's duplicates: nothing looks at their digests.
        let digests = events.map { EventDigest(org: $0.event.org, eventID: $0.event.id) }
        _ = try append(Submission(events: events), digests: digests)
        try finish(work, deletingFrom: "dead_letters")
        return work.report
    }

    func discard(
        _ filter: DeadLetterFilter, _ step: OperationStep, _ extent: RecordExtent?, at now: Int64
    ) throws -> StepReport {
        var work = try begin(
            step, extent, "dead-letters discard", sink: filter.sink, at: now, filter.write(to:))
        var touched: Set<String> = []
        try forEachLetter(filter, &work) { row in
            touched.insert(try row[1])
            return nil
        }
        work.sinks = touched
        if !step.isDryRun { try finish(work, deletingFrom: "dead_letters") }
        return work.report
    }

    func resubmit(
        _ filter: QuarantineFilter, _ step: OperationStep, _ extent: RecordExtent?,
        judge: (QuarantineRecord) -> Judgement, at now: Int64
    ) throws -> StepReport {
        let db = try database
        var work = try begin(step, extent, "quarantine resubmit", sink: nil, at: now, filter.write(to:))
        var accepted: [Submission] = []
        try forEachInput(filter, &work) { record in
            guard record.bytes != nil else { return KeptReason.expired }
            switch judge(record) {
            case .accepted(let submission): accepted.append(submission)
            case .unusable(let reason):
                if !step.isDryRun, reason != record.reason {
                    try db.execute(
                        sql: "UPDATE quarantine SET reason = ? WHERE id = ?", arguments: [reason, record.id])
                }
                return reason
            }
            return nil
        }
        guard !step.isDryRun else {
            work.report.duplicates = try duplicates(among: accepted.flatMap(\.events))
            return work.report
        }
        for submission in accepted {
            let digests = submission.events.map { EventDigest(org: $0.event.org, eventID: $0.event.id) }
            work.report.duplicates += try append(submission, digests: digests).duplicates
        }
        try finish(work, deletingFrom: "quarantine")
        return work.report
    }

    /// How many of the events an append would take for duplicates.
    private func duplicates(among events: [Submission.RoutedEvent]) throws -> Int {
        let db = try database
        var new: Set<EventDigest> = []
        return try events.count { routed in
            let digest = EventDigest(org: routed.event.org, eventID: routed.event.id)
            return try !new.insert(digest).inserted || seen.contains(digest, db)
        }
    }

    // MARK: - Steps

    /// What a step is at.
    private struct Work {
        let step: OperationStep
        var position: OperationStep.Position
        /// Where the operation is noted; nil for a dry run.
        var operation: Int64? { position.operation }
        var report = StepReport()
        var doneIDs: [Int64] = []
        /// Whose dead letters these are.
        var sinks: Set<String> = []
        var bytes = 0

        /// Whether one more record of that size belongs into this step.
        func takes(_ size: Int) -> Bool { bytes == 0 || bytes + size <= OperationStep.bytesMax }

        /// - Parameter reason: Why the record stays; nil where it is done.
        mutating func add(_ id: Int64, _ size: Int, _ reason: String?) {
            pass(id, size)
            guard let reason else {
                doneIDs.append(id)
                report.done += 1
                return
            }
            report.kept[reason, default: 0] += 1
        }

        /// Goes on behind a record that only now turns out not to be meant.
        mutating func pass(_ id: Int64, _ size: Int) {
            position.after = id
            position.remaining = max(0, position.remaining - 1)
            bytes += size + 1
        }
    }

    /// The first step notes the operation; the others go on where the last one ended.
    private func begin(
        _ step: OperationStep, _ extent: RecordExtent?, _ command: String, sink: String?, at now: Int64,
        _ detail: (inout JSONWriter) -> Void
    ) throws -> Work {
        if let position = step.position { return Work(step: step, position: position) }
        let operation =
            step.isDryRun ? nil : try note(command, sink: sink, entries: 0, at: now, detail)
        return Work(
            step: step,
            position: OperationStep.Position(
                after: 0, through: extent?.through ?? 0, remaining: extent?.count ?? 0, operation: operation))
    }

    private func operationTime(_ operation: Int64?) throws -> Int64? {
        guard let operation else { return nil }
        return try Int64.fetchOne(
            try database, sql: "SELECT at FROM operations WHERE id = ?", arguments: [operation])
    }

    private func finish(_ work: Work, deletingFrom table: String) throws {
        let db = try database
        try db.execute(
            sql: "DELETE FROM \(table) WHERE id IN (SELECT value FROM json_each(?))",
            arguments: ["\(work.doneIDs)"])
        try db.execute(
            sql: "UPDATE operations SET entries = entries + ? WHERE id = ?",
            arguments: [work.report.done, work.operation])
        // One that names no sink is found by those that it changed all the same.
        for sink in work.sinks {
            try db.execute(
                sql: """
                    UPDATE operations SET detail = json_insert(
                        json_insert(detail, '$.sinks', json('[]')), '$.sinks[#]', ?1)
                    WHERE id = ?2 AND sink IS NULL
                        AND ?1 NOT IN (SELECT value FROM json_each(detail, '$.sinks'))
                    """,
                arguments: [sink, work.operation])
        }
    }

    // MARK: - Records

    /// - Parameter body: Gets id, sink, rule, hook, org, receivedAt, envelope id and body; tells why the
    ///   letter stays, or nil.
    private func forEachLetter(
        _ filter: DeadLetterFilter, _ work: inout Work, _ body: (StoredRow) throws -> String?
    ) throws {
        let condition = filter.condition
        // Crossed, so that SQLite goes by the letters' ids: by the sink it would read all of its letters.
        let sql = """
            SELECT dead_letters.id, sinks.name, rule, hook, org, received_at, envelope_id, body
            FROM dead_letters CROSS JOIN sinks ON sinks.id = sink_id
            WHERE \(condition.text) AND dead_letters.id > ? AND dead_letters.id <= ?
            ORDER BY dead_letters.id LIMIT ?
            """
        let size = { (row: StoredRow) in try (row[7] as Data?)?.count ?? 0 }
        try forEach("dead_letters", sql, condition, ids: filter.ids, size: size, &work, body)
    }

    private func forEachInput(
        _ filter: QuarantineFilter, _ work: inout Work, _ body: (QuarantineRecord) throws -> String?
    ) throws {
        let condition = filter.condition
        let sql = """
            SELECT id, received_at, hook, reason, length(bytes), CASE WHEN has_bytes THEN bytes END
            FROM quarantine
            WHERE \(condition.text) AND id > ? AND id <= ? ORDER BY id LIMIT ?
            """
        let isMeant = { (row: StoredRow) in
            try !filter.looksAtBytes || filter.accepts((row[5] as Data?).map { Array($0) })
        }
        let size = { (row: StoredRow) in try row[4] as Int? ?? 0 }
        try forEach("quarantine", sql, condition, ids: filter.ids, size: size, isMeant: isMeant, &work) {
            row in
            try body(
                QuarantineRecord(
                    id: row[0], receivedAt: row[1], hook: row[2], reason: row[3], sizeBytes: row[4] ?? 0,
                    bytes: (row[5] as Data?).map { Array($0) }))
        }
    }

    private func forEach(
        _ table: String, _ sql: String, _ condition: SQLCondition, ids: [Int64]?,
        size: (StoredRow) throws -> Int,
        isMeant: (StoredRow) throws -> Bool = { _ in true }, _ work: inout Work,
        _ body: (StoredRow) throws -> String?
    ) throws {
        let db = try database
        let (after, through) = (work.position.after, work.position.through)
        let first = try Int64.fetchOne(
            db, sql: "SELECT min(id) FROM \(table) WHERE id > ?", arguments: [after])
        guard let first, first <= through else { return work.report.next = nil }
        let isLong = ids == nil && through - first > Self.looksMax
        let last = isLong ? first + Self.looksMax : through
        var arguments = condition.arguments
        arguments += [after, last, work.step.limit]
        let rows = try StoredRow.fetchCursor(db, sql: sql, arguments: arguments)
        var count = 0
        var isCut = false
        while let row = try rows.next() {
            let size = try size(row)
            guard work.takes(size) else {
                isCut = true
                break
            }
            if try isMeant(row) { try work.add(row[0], size, body(row)) } else { try work.pass(row[0], size) }
            count += 1
        }
        guard !isCut, count < work.step.limit else { return work.report.next = work.position }
        // None was left up to there, so the next step begins behind it.
        work.position.after = last
        work.report.next = last < through ? work.position : nil
    }

    /// Ids that one step looks at where they are not given: a filter may mean few of very many records.
    private static let looksMax: Int64 = 2_000
}
