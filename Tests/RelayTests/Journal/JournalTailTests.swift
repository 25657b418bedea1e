import RelayTesting
import Testing

@testable import Relay

@Suite struct JournalTailTests {
    /// A slice keeps what was dropped from its front; the tail copies it before that is much.
    @Test func whatIsDroppedIsSoonReleased() {
        let size = entry(1).event.footprint
        let tail = JournalTail(bytesMax: 1_000 * size)
        var published: [Published] = []
        for commit in 0..<100 {
            let entries = (1...64).map { entry(Int64(64 * commit + $0)) }
            published += entries.map { Published(event: $0.event) }
            tail.publish(entries, upTo: Int64(64 * (commit + 1)))
            published.removeAll { $0.event == nil }
            // A block of memory may be a little larger than another of the same size.
            #expect(published.count <= 1_250)
        }
        #expect(published.count >= 900)
    }

    @Test func theMemoryOfEventsIsBounded() {
        let event = entry(1).event
        let size = event.footprint
        let tail = JournalTail(bytesMax: 5 * size)
        tail.publish((1...9).map { entry($0, event) }, upTo: 9)
        let limit = ReadLimit(entries: 99, bytes: 3 * size)
        #expect(tail.read("crm", after: 3, limit: limit) == nil)
        let page = tail.read("crm", after: 4, limit: limit)
        #expect(page?.entries.map(\.offset.rawValue) == [5, 6, 7] && page?.isAtHorizon == false)
    }

    private struct Published {
        weak var event: Event?
    }

    private func entry(_ offset: Int64, _ event: Event? = nil) -> JournalTail.Entry {
        let event = event ?? EventSample(type: "user.account.update_profile", user: "u1", second: 0).event
        return JournalTail.Entry(offset: offset, event: event, choices: ["crm": "all"], replay: nil)
    }
}
