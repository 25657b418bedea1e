@testable import Relay
import Rules

/// What can be read of the simulated journal, and whether what was read or made up of it is right.
extension DeliveryLedger {
    func page(after offset: Offset, limit: ReadLimit) -> JournalPage {
        let rest = rows.dropFirst(Int(offset.rawValue)).filter(\.isRouted)
        let entries = limit.cut(rest.prefix(limit.entries).map(entry))
        let isCut = entries.count < rest.count
        let horizon = Offset(rawValue: Int64(rows.count))
        let end = isCut ? entries.last?.offset ?? offset : max(horizon, offset)
        return JournalPage(entries: entries, end: end, isAtHorizon: !isCut)
    }

    /// What was read is what is there, all of it up to where the page says that it ends.
    func check(_ page: JournalPage, after offset: Offset, _ limit: ReadLimit) {
        let meant = routed.filter { $0.offset > offset && $0.offset <= page.end }
        check(page.entries.map(\.offset) == meant.map(\.offset), "a page leaves out what lies in it")
        for (entry, row) in zip(page.entries, meant) {
            check(entry.event.id == row.event.id && entry.rule == "rule", "\(row.offset) is another event")
        }
        check(page.entries.count <= limit.entries, "a page of \(page.entries.count) entries")
        let isAtEnd = page.end.rawValue >= Int64(rows.count)
        check(page.isAtHorizon == isAtEnd || page.entries.last?.offset == page.end, "a page ends nowhere")
        check(!page.entries.isEmpty || page.isAtHorizon, "a page without an entry")
    }

    func entries(at offsets: [Offset]) -> [JournalEntry] {
        rows.filter { offsets.contains($0.offset) }.map(entry)
    }

    private func entry(_ row: Row) -> JournalEntry {
        JournalEntry(offset: row.offset, event: row.event, rule: "rule")
    }

    /// What goes out as one is of one user, and in the order in which it happened.
    func checkGroups(_ attempt: DeliveryAttempt) {
        let all = attempt.deliveries + attempt.merged.values.flatMap(\.self)
        check(all.sorted() == attempt.offsets, "an attempt is not what its deliveries are")
        for (key, earlier) in attempt.merged {
            let stamps = (earlier + [key]).compactMap { event($0).stamp }
            check(
                stamps == stamps.sorted() && stamps.count == earlier.count + 1, "\(key): merged out of order")
            check(Set((earlier + [key]).map(subject)).count == 1, "\(key): users are merged")
        }
    }
}
