import Config
import Relay

/// Brings a batch into a table: one transaction, and where a row is refused, as few more as it takes to find
/// it.
///
/// A batch that the database refuses for its data is cut in halves, which are delivered one after the other,
/// so order holds; a single delivery that is refused is the culprit. Where it may as well be the table's
/// fault the sink has failed: the engine tells one event from a sink by letting others pass.
struct TableDelivery<Session: TableSession> {
    let plan: TablePlan
    let sink: String
    let session: Session

    /// A transaction that others are in the way of is tried this often.
    private static var attemptsMax: Int { 4 }

    func deliver(_ batch: [Delivery]) throws(SinkError) -> [Receipt] {
        var receipts: [Receipt] = []
        var rows: [(offset: Offset, row: TableRow)] = []
        for delivery in batch {
            do throws(TableRowDefect) {
                rows.append((delivery.offset, try plan.row(for: delivery, sink: sink)))
            } catch {
                receipts.append(Receipt(offset: delivery.offset, error.outcome, contact: .notAsked))
            }
        }
        return receipts + (try deliver(rows[...]))
    }

    /// Delivers rows that are computed already.
    func deliver(_ rows: ArraySlice<(offset: Offset, row: TableRow)>) throws(SinkError) -> [Receipt] {
        guard let first = rows.first else { return [] }
        do throws(TableFailure) {
            return try transact(rows)
        } catch {
            switch error {
            case .sink(let error): throw error
            case .conflict(let reason): throw .unavailable(reason: reason)
            case .data(let reason):
                if rows.count == 1 { return [Receipt(offset: first.offset, .rejected(reason: reason))] }
            case .unclear: if rows.count == 1 { throw error.sinkError }
            }
            let middle = rows.startIndex + rows.count / 2
            return try deliver(rows[..<middle]) + deliver(rows[middle...])
        }
    }

    private func transact(
        _ rows: ArraySlice<(offset: Offset, row: TableRow)>
    ) throws(TableFailure) -> [Receipt] {
        var attempt = 1
        while true {
            do throws(TableFailure) {
                return try plan.mode == .append ? append(rows) : fold(rows)
            } catch {
                session.rollback()
                guard case .conflict = error, attempt < Self.attemptsMax else { throw error }
                attempt += 1
            }
        }
    }

    private func append(
        _ rows: ArraySlice<(offset: Offset, row: TableRow)>
    ) throws(TableFailure) -> [Receipt] {
        var write = TableWrite()
        for (_, row) in rows {
            guard let key = row.key else { continue }
            write.rows.append(TableWrite.Row(key: key, values: row.values))
        }
        _ = try session.begin(keys: [], subjects: [])
        try session.commit(write)
        return rows.map { Receipt(offset: $0.offset, .delivered) }
    }

    private func fold(
        _ rows: ArraySlice<(offset: Offset, row: TableRow)>
    ) throws(TableFailure) -> [Receipt] {
        let batch = rows.map(\.row)
        let wanted = TableFold.wanted(by: batch, plan)
        let stored = try session.begin(keys: wanted.keys, subjects: wanted.subjects)
        guard var fold = TableFold(plan, stored: stored, for: batch) else {
            let reason = "a state in \(plan.stateTable) cannot be read; was it changed by hand?"
            throw .sink(.misconfigured(reason: reason))
        }
        let needed = fold.rowsNeeded(by: batch)
        if !needed.isEmpty { fold.existing = try session.rows(needed) }
        let receipts = rows.map { Receipt(offset: $0.offset, fold.apply($0.row)) }
        try session.commit(fold.write)
        return receipts
    }
}
