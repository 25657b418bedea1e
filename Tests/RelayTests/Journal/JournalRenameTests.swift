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

    /// A `renamedFrom` that stayed in the file says nothing of a sink that came back by the former name and
    /// goes again: what rules of then still send it waits for it.
    @Test func eventsOfASinkThatIsNotRenamedGoToNoOther() async throws {
        let journal = try await fixture.open()
        let heir = try await journal.lease("crm")
        _ = try await journal.append(try fixture.submission(0..<1, to: ["crm"]))
        try await journal.settle(heir, to: 1)
        try await journal.keep(renamed + [SinkPolicy(name: "hubspot")])
        let back = try await journal.lease("hubspot")
        #expect(try await journal.keep(renamed) == [:])
        _ = try await journal.append(try fixture.submission(1..<2, to: ["hubspot"]))
        #expect(try await ids(journal, "crm", after: heir.cursor) == ["event-0"])
        #expect(try await ids(journal, "hubspot", after: back.cursor) == ["event-1"])
        #expect(try await fixture.sink("hubspot")?.waiting == 1)
        await journal.close()
    }

    /// What the same commit appends behind the rename has the new name already.
    @Test func whatIsRoutedByTheNewNameKeepsIt() throws {
        let tail = JournalTail()
        let event = try LogEventFixture(uuid: "event").event()
        let entries = zip(1...3 as ClosedRange<Int64>, ["crm", "hubspot", "crm"]).map { offset, sink in
            JournalTail.Entry(offset: offset, event: event, choices: [sink: "r"], replay: nil)
        }
        tail.publish(entries, upTo: 3)
        tail.rename(["hubspot": "crm"], upTo: 2)
        let page = tail.read("crm", after: 0, limit: ReadLimit(entries: 9, bytes: 1 << 20))
        #expect(page?.entries.map(\.offset.rawValue) == [2, 3])
    }

    /// Neither where a commit fails nor where a caller's part of it does.
    @Test(arguments: [false, true])
    func aRenameThatIsRolledBackRenamesNothing(_ isApart: Bool) async throws {
        let journal = try await fixture.open()
        let lease = try await journal.lease("hubspot")
        let change: @Sendable (JournalWriter) throws -> Void = { [renamed] writer in
            _ = try writer.keep(renamed)
            throw JournalError.closed
        }
        if isApart {
            try await journal.committer.commit { writer in
                do { try writer.savepoint { try change(writer) } } catch {}
            }
        } else {
            await #expect(throws: JournalError.closed) { try await journal.committer.commit(change) }
        }
        _ = try await journal.append(try fixture.submission(0..<1, to: ["hubspot"]))
        #expect(try await ids(journal, "hubspot", after: lease.cursor) == ["event-0"])
        #expect(try await fixture.sink("hubspot")?.waiting == 1)
        await journal.close()
    }

    @Test func aNameThatHasHadEventsOrIsStillConfiguredIsNotRenamed() async throws {
        let journal = try await fixture.open()
        _ = try await journal.lease("hubspot")
        #expect(try await journal.keep(renamed + [SinkPolicy(name: "hubspot")]) == [:])
        let heir = try await journal.lease("crm")
        _ = try await journal.append(try fixture.submission(0..<1, to: ["hubspot", "crm"]))
        #expect(try await journal.keep(renamed) == [:])
        try await journal.settle(heir, to: 1)
        #expect(try await journal.keep(renamed) == [:])
        // And once it is done, it is done.
        #expect(try await fixture.sink("hubspot") != nil)
        await journal.close()
    }

    /// Whoever is told to declare a rename has started the sink by its new name already.
    @Test func aRenameMayBeDeclaredUntilTheNewNameHasHadAnEvent() async throws {
        let journal = try await fixture.open()
        let old = try await journal.lease("hubspot")
        _ = try await journal.append(try fixture.submission(0..<3, to: ["hubspot"]))
        try await journal.settle(old, to: 1)
        try await journal.keep([SinkPolicy(name: "crm"), SinkPolicy(name: "b")])
        for _ in 0..<3 { _ = try await journal.lease("crm") }
        let early = try await journal.lease("crm")
        #expect(try await journal.keep(renamed) == ["hubspot": "crm"])
        // Its worker runs, and is told to begin anew.
        await #expect(throws: JournalError.moved) { try await journal.settle(early, to: 3) }
        let lease = try await journal.lease("crm")
        #expect(lease.cursor == Offset(rawValue: 1) && lease.epoch > early.epoch)
        #expect(try await ids(journal, "crm", after: lease.cursor) == ["event-1", "event-2"])
        #expect(try await fixture.sink("crm")?.waiting == 2)
        #expect(try await fixture.sink("hubspot") == nil)
        #expect(try await fixture.verify().problems == [])
        await journal.close()
    }

    /// What a replay's step found under the former name is looked for again under today's.
    @Test func aReplaysStepOfBeforeARenameIsNotTaken() async throws {
        let journal = try await fixture.open()
        _ = try await journal.lease("hubspot")
        _ = try await journal.append(try fixture.submission(0..<1, to: []))
        let replay = try await journal.begin(
            ReplayRequest(sink: "hubspot", filter: ReplayFilter(), since: 0, until: nil, after: .zero))
        try await journal.keep(renamed)
        let events = try fixture.submission(1..<2, to: ["hubspot"], replay: replay.id).events
        let step = ReplayStep(events: events, end: Offset(rawValue: 1), isLast: true)
        #expect(try await !journal.advance(replay, by: step))
        #expect(try await ids(journal, "crm", after: .zero).isEmpty)
        let today = try await SQLiteJournalInspection(path: fixture.path).unfinishedReplays()
        #expect(today.map(\.request.sink) == ["crm"])
        #expect(try await journal.advance(try #require(today.first), by: step))
        await journal.close()
    }

    /// What was given up when a sink was dropped is not brought back by another that takes its name.
    @Test(arguments: [false, true])
    func whatANameWasSentBeforeItWasDroppedStaysGivenUp(_ isReopened: Bool) async throws {
        var journal = try await fixture.open()
        _ = try await journal.lease("hubspot")
        _ = try await journal.lease("crm")
        _ = try await journal.append(try fixture.submission(0..<1, to: ["crm"]))
        _ = try await journal.append(try fixture.submission(1..<2, to: ["hubspot", "crm"]))
        _ = try await journal.append(try fixture.submission(2..<3, to: ["hubspot"]))
        #expect(try await journal.drop("crm", isForced: true)?.waiting == 2)
        if isReopened {
            await journal.close()
            journal = try await fixture.open()
        }
        #expect(try await journal.keep(renamed) == ["hubspot": "crm"])
        let lease = try await journal.lease("crm")
        #expect(try await ids(journal, "crm", after: lease.cursor) == ["event-1", "event-2"])
        #expect(try await fixture.sink("crm")?.waiting == 2)
        #expect(try await fixture.verify().problems == [])
        try await journal.settle(
            Settlement(
                sink: "crm", epoch: lease.epoch, cursor: Offset(rawValue: 3), outcomes: [.delivered: 2]))
        #expect(try await fixture.sink("crm")?.waiting == 0)
        await journal.close()
    }
}
