import Relay

/// Rows that are refused while it is unclear whether that is for their own sake or for the table's.
///
/// Others tell: it is the row where the table takes another one, and the table where a second user in a row
/// is refused.
struct UnclearRefusals {
    private var trouble = TroubleScope.none

    /// The receipts of a batch as the engine is to have them; throws where it is the table.
    mutating func judged(_ receipts: [Receipt], of batch: [Delivery]) throws(SinkError) -> [Receipt] {
        let hasWritten = receipts.contains { $0.outcome == .delivered }
        if hasWritten { trouble = .none }
        var judged: [Receipt] = []
        for receipt in receipts {
            guard case .failed(let error) = receipt.contact else {
                judged.append(receipt)
                continue
            }
            let event = batch.first { $0.offset == receipt.offset }?.event
            if !hasWritten, trouble.met(event?.user?.id ?? event?.id ?? "") { throw error }
            judged.append(Receipt(offset: receipt.offset, receipt.outcome))
        }
        return judged
    }
}
