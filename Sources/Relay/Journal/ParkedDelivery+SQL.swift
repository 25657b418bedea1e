import GRDB

extension SinkLease {
    /// The lease with everything that its sink has parked; nil where the sink's place was changed since, for
    /// then they do not go together.
    ///
    /// It may be much: ten thousand of fifty attempts each are 180 MB.
    func withParked(from queue: DatabaseQueue) throws -> SinkLease? {
        let select = """
            SELECT "offset", org, user_id, not_before, failures, give_up_at FROM parked
            WHERE sink_id = ? ORDER BY "offset"
            """
        return try queue.read { db in
            let row = try StoredRow.fetchOne(
                db, sql: "SELECT id, is_moved FROM sinks WHERE name = ?", arguments: [sink])
            // Who has lost it to another lease, or the sink with it, is told when it settles.
            guard let row else { return self }
            guard try row[1] == PlaceChange.none.rawValue else { return nil }
            let rows = try StoredRow.fetchCursor(db, sql: select, arguments: [try row[0] as Int64])
            var whole = self
            while let row = try rows.next() { whole.parked.append(try ParkedDelivery(row)) }
            return whole
        }
    }
}

extension ParkedDelivery {
    fileprivate init(_ row: StoredRow) throws {
        self.init(
            offset: Offset(rawValue: try row[0]),
            subject: Subject(org: try row[1], userID: try row[2]),
            failures: FailedAttempt.failures(ofText: try row[4]),
            notBefore: try row[3],
            giveUpAt: try row[5]
        )
    }
}
