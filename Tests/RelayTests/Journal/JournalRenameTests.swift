@testable import Relay
import RelayTesting
import Testing

/// A sink with another name takes over what waits for it.
@Suite struct JournalRenameTests {
    let fixture: JournalFixture
    private let renamed = [SinkPolicy(name: "crm", renamedFrom: "hubspot"), SinkPolicy(name: "b")]

    init() throws { fixture = try JournalFixture() }

    private func ids(_ journal: SQLiteJournal, _ sink: String, after: Offset) async throws -> [String] {
        try await journal.read(sink, after: after, limit: ReadLimit(entries: 99, bytes: 1 << 20))
            .entries.map(\.event.id)
    }

    @Test func itTakesOverPlaceParkedRowsAndEntries() async throws {
        let first = try await fixture.open()
        let old = try await first.lease("hubspot")
        _ = try await first.append(try fixture.submission(0..<5, to: ["hubspot", "b"]))
        try await first.settle(
            Settlement(
                sink: "hubspot", epoch: old.epoch, cursor: Offset(rawValue: 2), outcomes: [.delivered: 1],
                parked: [
                    ParkedDelivery(offset: Offset(rawValue: 2), subject: nil, failures: [], notBefore: 0)
                ]))
        await first.close()
        let second = try await fixture.open()
        _ = try await second.append(try fixture.submission(5..<8, to: ["hubspot"]))
        // The reader knows the routes by their former names now.
        _ = try await ids(second, "hubspot", after: .zero)
        #expect(try await second.keep(renamed) == ["hubspot": "crm"])
        let lease = try await second.lease("crm")
        #expect(lease.cursor == Offset(rawValue: 2) && lease.parked.map(\.offset.rawValue) == [2])
        #expect(try await ids(second, "crm", after: lease.cursor) == (2..<8).map { "event-\($0)" })
        #expect(try await ids(second, "crm", after: Offset(rawValue: 5)) == (5..<8).map { "event-\($0)" })
        #expect(try await second.read("crm", at: [Offset(rawValue: 2)]).first?.rule == "r")
        #expect(try await fixture.sink("crm")?.waiting == 7)
        #expect(try await fixture.sink("hubspot") == nil)
        #expect(try await fixture.verify().problems == [])
        await second.close()
    }

    /// A request that came before the reload is routed by the rules of then.
    @Test func eventsOfFormerRulesGoToTheNewName() async throws {
        let journal = try await fixture.open()
        let old = try await journal.lease("hubspot")
        try await journal.keep(renamed)
        let lease = try await journal.lease("crm")
        _ = try await journal.append(try fixture.submission(0..<1, to: ["hubspot"]))
        _ = try await journal.append(try fixture.submission(1..<2, to: ["hubspot", "crm", "b"]))
        #expect(try await ids(journal, "crm", after: lease.cursor) == ["event-0", "event-1"])
        #expect(try await fixture.sink("crm")?.waiting == 2)
        // Whoever still delivers by the former name is told so.
        await #expect(throws: JournalError.moved) { try await journal.settle(old, to: 1) }
        await journal.close()
    }

    @Test func aKnownNameOrOneThatIsStillConfiguredIsNotRenamed() async throws {
        let journal = try await fixture.open()
        _ = try await journal.lease("hubspot")
        #expect(try await journal.keep(renamed + [SinkPolicy(name: "hubspot")]) == [:])
        _ = try await journal.lease("crm")
        #expect(try await journal.keep(renamed) == [:])
        // And once it is done, it is done.
        #expect(try await fixture.sink("hubspot") != nil)
        await journal.close()
    }
}
