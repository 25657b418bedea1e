import GRDB
import JSON

/// What operators do to whole sinks, and how every operation is noted.
extension JournalWriter {
    /// Notes an operation; its number.
    @discardableResult
    func note(
        _ command: String, sink: String?, entries: Int, at now: Int64,
        _ detail: (inout JSONWriter) -> Void = { _ in }
    ) throws -> Int64 {
        var writer = JSONWriter()
        writer.object(detail)
        let db = try database
        try db.execute(
            sql: "INSERT INTO operations (at, command, sink, detail, entries) VALUES (?, ?, ?, ?, ?)",
            arguments: [now, command, sink, writer.text, entries])
        return db.lastInsertedRowID
    }

    func pause(_ sink: String, reason: String, at now: Int64) throws -> Bool {
        let db = try database
        guard try sinkNumber(sink, db) != nil else { return false }
        try hold(sink, SinkHold(kind: .paused, reason: reason, since: now))
        try outdateLease(of: sink)
        try note("sinks pause", sink: sink, entries: 0, at: now) { $0.member("reason", reason) }
        return true
    }

    func resume(_ sink: String, at now: Int64) throws -> ResumeReport? {
        let db = try database
        let select = "SELECT hold, hold_reason, held_at FROM sinks WHERE name = ?"
        guard let row = try StoredRow.fetchOne(db, sql: select, arguments: [sink]) else { return nil }
        let ended = try SinkHold(kind: row[0], reason: row[1], since: row[2])
        guard let ended else { return ResumeReport(ended: nil, exemptTo: nil) }
        try hold(sink, nil)
        try outdateLease(of: sink)
        // Only who was told of what the limits have stopped can mean it to pass.
        let exemptTo = ended.kind == .tripped ? lastOffset : nil
        if let exemptTo {
            try db.execute(
                sql: "UPDATE sinks SET exempt_to = ? WHERE name = ?", arguments: [exemptTo, sink])
        }
        try note("sinks resume", sink: sink, entries: 0, at: now) { detail in
            detail.member("was", ended.kind.rawValue)
            if let exemptTo { detail.member("exemptTo", exemptTo) }
        }
        return ResumeReport(ended: ended, exemptTo: exemptTo.map(Offset.init(rawValue:)))
    }

    /// Whoever has the sink leased is told that something was changed, so that its limits do not undo it.
    private func outdateLease(of sink: String) throws {
        try database.execute(
            sql: "UPDATE sinks SET is_moved = max(is_moved, ?) WHERE name = ?",
            arguments: [PlaceChange.forward.rawValue, sink])
    }

    func sinkNumber(_ sink: String, _ db: Database) throws -> Int64? {
        try Int64.fetchOne(db, sql: "SELECT id FROM sinks WHERE name = ?", arguments: [sink])
    }
}
