import GRDB

/// Long lists that a filter leaves little of.
extension SQLiteJournalInspection {
    /// Rows that are looked through in one transaction: others wait for the thread, and the log for the
    /// snapshot.
    private static let listChunk: Int64 = 50_000

    /// A page of a table, newest first.
    ///
    /// - Parameters:
    ///   - key: The column that it is ordered by.
    ///   - read: The records among some of its rows, newest first, and no more than a number.
    func list<Record: Sendable>(
        _ table: String, by key: String, _ page: PageRequest,
        _ read: @escaping @Sendable (ClosedRange<Int64>, Int, Database) throws -> [Record]
    ) async throws(JournalError) -> [Record] {
        let (first, last): (Int64, Int64) = try await onThread { db in
            let ends = "SELECT (SELECT min(\(key)) FROM \(table)), (SELECT max(\(key)) FROM \(table))"
            let row = try StoredRow.fetchOne(db, sql: ends)
            return (try row?[0] ?? 1, try row?[1] ?? 0)
        }
        var found: [Record] = []
        guard page.before ?? .max > first else { return [] }
        var top = min(last, page.before.map { $0 - 1 } ?? last)
        while top >= first, found.count < page.limit {
            let range = max(first, top - Self.listChunk + 1)...top
            let missing = page.limit - found.count
            found += try await onThread { try read(range, missing, $0) }
            top = range.lowerBound - 1
        }
        return found
    }
}

extension SQLCondition {
    /// Adds that a row lies in a range.
    mutating func add(_ column: String, in range: ClosedRange<Int64>) {
        add("\(column) >= ?", range.lowerBound)
        add("\(column) <= ?", range.upperBound)
    }
}
