import GRDB
import JSON

/// Ending what an operator has begun.
extension JournalWriter {
    func cancel(replay id: String, at now: Int64) throws -> Bool {
        let db = try database
        let select = "SELECT sink, appended FROM replays WHERE id = ? AND ended_at IS NULL"
        guard let row = try StoredRow.fetchOne(db, sql: select, arguments: [id]) else { return false }
        try db.execute(sql: "UPDATE replays SET ended_at = ? WHERE id = ?", arguments: [now, id])
        try note("replay cancel", sink: row[0], entries: row[1], at: now) { $0.member("id", id) }
        return true
    }
}
