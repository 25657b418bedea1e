import GRDB
import JSON
import Rules

/// Replays: durable jobs, whose progress and entries are written together.
extension JournalWriter {
    /// - Parameter last: Where it ends; nil at the log's end.
    func begin(
        _ request: ReplayRequest, id verb: String, last: Offset? = nil, at now: Int64
    ) throws -> Replay {
        let db = try database
        // A sink that is known later starts at the log's end of then, and would miss the replay's entries.
        try know(request.sink)
        var instant = now
        var id: String { "\(verb)-\(Timestamp(nanoseconds: instant).description)" }
        let select = "SELECT count(*) FROM replays WHERE id = ?"
        while try Int.fetchOne(db, sql: select, arguments: [id]) != 0 { instant += 1_000_000 }
        let replay = Replay(
            id: id, request: request, startedAt: now, after: request.after,
            last: last ?? Offset(rawValue: lastOffset), appended: 0, endedAt: nil)
        try db.execute(
            sql: """
                INSERT INTO replays (id, sink, filter, started_at, received_from, received_until,
                    first_offset, after_offset, last_offset)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                replay.id, request.sink, request.filter.json(isWhole: request.isWhole), now, request.since,
                request.until ?? .max,
                request.after.rawValue, request.after.rawValue, replay.last.rawValue,
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

    /// Makes the sink known, at the log's end.
    ///
    /// No rule names it yet, so its replay goes on behind that, until ``endStarts(of:)``.
    func enroll(_ request: ReplayRequest, at now: Int64) throws {
        guard try sinkNumber(request.sink, try database) == nil else { return }
        var request = request
        request.filter.unroutedBehind = Offset(rawValue: lastOffset)
        _ = try begin(request, id: "from", last: Replay.openEnd, at: now)
    }

    func endStarts(of sinks: [String]) throws {
        for sink in sinks {
            try database.execute(
                sql: """
                    UPDATE replays SET last_offset = ?
                    WHERE sink = ? AND last_offset = ? AND ended_at IS NULL
                    """,
                arguments: [lastOffset, sink, Replay.openEnd.rawValue])
        }
    }

    func advance(_ replay: Replay, by step: ReplayStep, at now: Int64) throws -> Bool {
        let db = try database
        try db.execute(
            sql: """
                UPDATE replays SET after_offset = ?, appended = appended + ?, ended_at = ?,
                    filter = iif(?, filter, json_set(filter, '$.isWhole', json('false')))
                WHERE id = ? AND sink = ? AND after_offset = ? AND ended_at IS NULL
                """,
            arguments: [
                step.end.rawValue, step.events.count, step.isLast ? now : nil, step.isWhole, replay.id,
                replay.request.sink, replay.after.rawValue,
            ])
        guard db.changesCount == 1 else { return false }
        if !step.events.isEmpty {
            try refuseWithoutRoom()
            // Others may have filled the disk since the last time.
            try space.measure(db)
            guard try space.hasRoomForReplays(db) else {
                throw JournalError.cannotCommit(reason: Replay.Need.room.text)
            }
        }
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

    /// The column `filter` also keeps whether anything was found to be gone.
    init(_ row: StoredRow) throws {
        let (id, text, until): (String, String, Int64) = try (row[0], row[2], row[5])
        guard let filter = try? ReplayFilter(json: text), let root = try? JSONDocument(text).root else {
            throw JournalDamage(what: "the filter of \(id) cannot be read")
        }
        try self.init(
            id: id,
            request: ReplayRequest(
                sink: row[1], filter: filter, since: row[4],
                until: until == .max ? nil : until,
                after: Offset(rawValue: row[6]), isWhole: root["isWhole"]?.bool ?? true),
            startedAt: row[3], after: Offset(rawValue: row[7]), last: Offset(rawValue: row[8]),
            appended: row[9], endedAt: row[10])
    }
}
