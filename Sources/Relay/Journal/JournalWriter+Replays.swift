import GRDB
import JSON
import Rules

/// Replays: durable jobs, whose progress and entries are written together.
extension JournalWriter {
    func begin(_ request: ReplayRequest, id verb: String, at now: Int64) throws -> Replay {
        let db = try database
        var instant = now
        var id: String { "\(verb)-\(Timestamp(nanoseconds: instant).description)" }
        let select = "SELECT count(*) FROM replays WHERE id = ?"
        while try Int.fetchOne(db, sql: select, arguments: [id]) != 0 { instant += 1_000_000 }
        let replay = Replay(
            id: id, request: request, startedAt: now, after: request.after,
            last: Offset(rawValue: lastOffset), appended: 0, endedAt: nil)
        try db.execute(
            sql: """
                INSERT INTO replays (id, sink, filter, started_at, received_from, received_until,
                    first_offset, after_offset, last_offset)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                replay.id, request.sink, request.filter.json, now, request.since, request.until ?? .max,
                request.after.rawValue, request.after.rawValue, lastOffset,
            ])
        try note("replay", sink: request.sink, entries: 0, at: now) { detail in
            detail.member("id", replay.id)
            detail.member("since", Timestamp(nanoseconds: request.since).description)
            detail.member("until", request.until.map { Timestamp(nanoseconds: $0).description })
            if let rule = request.filter.rule { detail.member("rule", rule) }
            if let type = request.filter.eventType { detail.member("type", type.description) }
            if request.filter.user != nil { detail.member("user", "***") }
        }
        return replay
    }

    /// The lease makes the sink known, at the log's end; the replay ends there.
    func enroll(_ request: ReplayRequest, at now: Int64) throws {
        guard try sinkNumber(request.sink, try database) == nil else { return }
        _ = try lease(request.sink)
        _ = try begin(request, id: "from", at: now)
    }

    func advance(_ replay: Replay, by step: ReplayStep, at now: Int64) throws -> Bool {
        let db = try database
        try db.execute(
            sql: """
                UPDATE replays SET after_offset = ?, appended = appended + ?, ended_at = ?
                WHERE id = ? AND after_offset = ? AND ended_at IS NULL
                """,
            arguments: [
                step.end.rawValue, step.events.count, step.isLast ? now : nil, replay.id,
                replay.after.rawValue,
            ])
        guard db.changesCount == 1 else { return false }
        try db.execute(
            sql: """
                UPDATE operations SET entries = entries + ?
                WHERE command = 'replay' AND json_extract(detail, '$.id') = ?
                """,
            arguments: [step.events.count, replay.id])
        let digests = step.events.map { EventDigest(org: $0.event.org, eventID: $0.event.id) }
        _ = try append(Submission(events: step.events), digests: digests)
        return true
    }
}

extension Replay {
    static let columns = """
        id, sink, filter, started_at, received_from, received_until, first_offset, after_offset,
        last_offset, appended, ended_at
        """

    init(_ row: Row) throws {
        let until: Int64 = row[5]
        self.init(
            id: row[0],
            request: ReplayRequest(
                sink: row[1], filter: try ReplayFilter(json: row[2]), since: row[4],
                until: until == .max ? nil : until,
                after: Offset(rawValue: row[6])),
            startedAt: row[3], after: Offset(rawValue: row[7]), last: Offset(rawValue: row[8]),
            appended: row[9], endedAt: row[10])
    }
}
