@testable import JSON
@testable import Relay
import RelayTesting
import Testing

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
            #expect(published.count <= 1_250)
        }
        #expect(published.count >= 900)
    }

    /// Sinks keep what they read, and its footprint counts no room to spare.
    @Test func whatIsReadBackTakesNoMoreThanItCounts() async throws {
        let fixture = try JournalFixture()
        let journal = try await fixture.open()
        _ = try await journal.append(try fixture.submission(0..<1, to: ["a"], bytes: 4_000))
        let body = try #require(try await journal.read("a", at: [Offset(rawValue: 1)]).first).event.body
        #expect(body.tape.capacity < body.tape.count + 20)
        await journal.close()
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
