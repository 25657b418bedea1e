import GRDB

extension ParkedDelivery {
    /// Everything that a sink has parked, by ascending offset.
    ///
    /// It may be much: ten thousand of fifty attempts each are 180 MB.
    static func all(of sink: String, _ queue: DatabaseQueue) throws -> [ParkedDelivery] {
        let select = """
            SELECT "offset", org, user_id, not_before, failures, give_up_at FROM parked
            WHERE sink_id = (SELECT id FROM sinks WHERE name = ?) ORDER BY "offset"
            """
        return try queue.read { db in
            let rows = try StoredRow.fetchCursor(db, sql: select, arguments: [sink])
            var all: [ParkedDelivery] = []
            while let row = try rows.next() { all.append(try ParkedDelivery(row)) }
            return all
        }
    }

    private init(_ row: StoredRow) throws {
        self.init(
            offset: Offset(rawValue: try row[0]),
            subject: Subject(org: try row[1], userID: try row[2]),
            failures: FailedAttempt.failures(ofText: try row[4]),
            notBefore: try row[3],
            giveUpAt: try row[5]
        )
    }
}
