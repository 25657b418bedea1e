import Config
import Relay
import Rules

extension TablePlan {
    /// What a delivery would do to the table, by the row that ``row(for:sink:)`` makes of it.
    func preview(_ delivery: Delivery, sink: String) -> DeliveryPreview {
        do throws(TableRowDefect) {
            return .row(preview(of: try row(for: delivery, sink: sink)))
        } catch {
            return .nothing(error.outcome)
        }
    }

    private func preview(of row: TableRow) -> RowPreview {
        let action = action(of: row)
        let columns = columns.enumerated().compactMap { index, column -> RowPreview.Column? in
            let isKey = key.contains(index)
            if row.key == nil || action == .delete {
                // Only a user's rows, or only the key, matter.
                guard row.key == nil ? action == .mark && lifeColumns.contains(index) : isKey else {
                    return nil
                }
            }
            let value = row.values[index].map { Array($0.jsonText.utf8) }
            return RowPreview.Column(
                name: column.name, value: value, isKey: isKey, isInsertOnly: column.isInsertOnly)
        }
        return RowPreview(
            table: displayName, action: action, isForAllRowsOfUser: row.key == nil, columns: columns)
    }

    private func action(of row: TableRow) -> RowPreview.Action {
        if mode == .append { return .insert }
        guard row.operation == .delete else { return .upsert }
        return onDelete == .mark ? .mark : .delete
    }
}
