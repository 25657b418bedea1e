import RelayTesting
import Testing

@testable import Relay

@Suite struct JournalTailTests {
    /// A slice keeps what was dropped from its front; the tail copies it before that is much.
    @Test func whatIsDroppedIsSoonReleased() {
        let tail = JournalTail(entriesMax: 2_048)
        var published: [Published] = []
        for commit in 0..<100 {
            let entries = (1...64).map { entry(Int64(64 * commit + $0)) }
            published += entries.map { Published(event: $0.event) }
            tail.publish(entries, upTo: Int64(64 * (commit + 1)))
            published.removeAll { $0.event == nil }
            #expect(published.count <= 2_048 + 64 + 256)
        }
        #expect(published.count >= 2_048)
    }

    @Test func theMemoryOfEventsIsBounded() {
        let size = entry(1).event.footprint
        let tail = JournalTail(bytesMax: 5 * size)
        tail.publish((1...9).map { entry($0) }, upTo: 9)
        let limit = ReadLimit(entries: 99, bytes: 3 * size)
        #expect(tail.read("crm", after: 3, limit: limit) == nil)
        let page = tail.read("crm", after: 4, limit: limit)
        #expect(page?.entries.map(\.offset.rawValue) == [5, 6, 7] && page?.isAtHorizon == false)
    }

    private struct Published {
        weak var event: Event?
    }

    private func entry(_ offset: Int64) -> JournalTail.Entry {
        JournalTail.Entry(
            offset: offset,
            event: EventSample(type: "user.account.update_profile", user: "u1", second: 0).event,
            choices: ["crm": "all"], replay: nil)
    }
}
