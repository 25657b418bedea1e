import JSON
import RelayTesting
import Rules
import Testing

@testable import Relay

/// What is known of a user when the events are gone, and of operators.
@Suite struct HistoryTests {
    @Test func aUsersRemovalsDeadLettersAndWaitsAreFound() async throws {
        let fixture = try await OperatorFixture()
        for sink in ["crm", "audit"] { _ = try await fixture.journal.lease(sink) }
        let ada = Subject(org: "okta", userID: "ada")
        try await fixture.append(1...3, to: ["crm"], type: "user.lifecycle.deactivate", user: "ada")
        try await fixture.append(4...4, to: ["crm"], user: "eve")
        let lease = try await fixture.journal.lease("crm")
        let start = fixture.clock.now
        fixture.clock.advance(by: .seconds(60))
        let failure = FailedAttempt(number: 1, at: 0, reason: "HTTP 503")
        try await fixture.journal.settle(
            Settlement(
                sink: "crm", epoch: lease.epoch, cursor: Offset(rawValue: 4), outcomes: [.delivered: 2],
                parked: [
                    ParkedDelivery(
                        offset: Offset(rawValue: 2), subject: ada, failures: [failure], notBefore: 0)
                ],
                deadLetters: [DeadLetter(offset: Offset(rawValue: 3), subject: ada, failures: [failure])],
                receipts: [
                    DeliveryReceipt(
                        offset: Offset(rawValue: 1), outcome: .delivered, detail: "HTTP 200",
                        eventID: "event-1",
                        removal: DeliveryReceipt.Removal(operation: .deactivate, subject: ada)),
                    DeliveryReceipt(
                        offset: Offset(rawValue: 4), outcome: .delivered, detail: "HTTP 201",
                        eventID: "event-4"),
                ]))
        let answer = try await fixture.ask("/history?user=ada", method: "GET")
        let records = answer.json["history"]?.elements.map { $0 } ?? []
        #expect(records.map { $0["eventId"]?.string } == ["event-1", "event-3", "event-2"])
        #expect(records.map { $0["outcome"]?.string } == ["delivered", "dead letter", "waiting"])
        #expect(records.map { $0["detail"]?.string } == ["HTTP 200", "HTTP 503", "HTTP 503"])
        #expect(records[0]["operation"]?.string == "deactivate")
        let at = records[0]["at"]?.string.flatMap { Timestamp($0) }?.nanoseconds
        #expect(at == start + OperatorFixture.minute)
        try fixture.execute("INSERT INTO hooks (name, org) VALUES ('eu', 'other')")
        for (query, count) in [
            ("&org=other", 0), ("&org=okta&limit=1", 3), ("&sink=crm", 3), ("&sink=audit", 0),
            ("&since=\(Timestamp(nanoseconds: start + 1))", 2),
            ("&until=\(Timestamp(nanoseconds: start + 1))", 1),
        ] {
            let answer = try await fixture.ask("/history?user=ada\(query)", method: "GET")
            #expect(answer.json["history"]?.elements.map { $0 }.count == count, "\(query)")
        }
        #expect(try await fixture.ask("/history", method: "GET").status == 400)
        for query in ["&org=nope", "&sink=nope"] {
            let answer = try await fixture.ask("/history?user=ada\(query)", method: "GET")
            #expect(answer.status == 404, "\(query)")
        }
        for path in ["/history?user=ada&", "/operations?"] {
            let empty = try await fixture.ask("\(path)since=1d&until=2d", method: "GET")
            #expect(empty.status == 400 && empty.json["error"]?.string?.contains("no time lies") == true)
        }
    }

    /// Whether a removal was tried is asked long after its dead letter was discarded.
    @Test func aRemovalThatDiedIsKnownWhenItsLetterIsGone() async throws {
        let fixture = try await OperatorFixture()
        let ada = Subject(org: "okta", userID: "ada")
        let lease = try await fixture.journal.lease("crm")
        try await fixture.append(1...1, type: "user.lifecycle.delete.initiated", user: "ada")
        let failure = FailedAttempt(number: 1, at: fixture.clock.now, reason: "HTTP 422")
        try await fixture.journal.settle(
            Settlement(
                sink: "crm", epoch: lease.epoch, cursor: Offset(rawValue: 1),
                deadLetters: [
                    DeadLetter(
                        offset: Offset(rawValue: 1), subject: ada, failures: [failure],
                        removal: DeliveryReceipt.Removal(operation: .delete, subject: ada))
                ]))
        for isThere in [true, false] {
            let records = try await ask(fixture, "ada").records
            #expect(records.map { $0["outcome"]?.string } == ["dead letter"])
            #expect(records.map { $0["eventId"]?.string } == ["event-1"])
            #expect(records.map { $0["detail"]?.string } == ["HTTP 422"])
            if isThere { _ = try await fixture.ask("/dead-letters/discard", #"{"ids":[1]}"#) }
        }
        #expect(try await fixture.letters().isEmpty)
        #expect(try await fixture.verify().problems == [])
    }

    // MARK: - What waits, and what is gone

    /// The records of a user, and the rest of the answer.
    private func ask(
        _ fixture: OperatorFixture, _ user: String
    ) async throws -> (records: [JSONValue], answer: JSONValue) {
        let answer = try await fixture.ask("/history?user=\(user)", method: "GET").json
        return (answer["history"]?.elements.map { $0 } ?? [], answer)
    }

    @Test func aRemovalThatWaitsBehindTheCursorIsFound() async throws {
        let fixture = try await OperatorFixture()
        for sink in ["crm", "audit"] { _ = try await fixture.journal.lease(sink) }
        _ = try await fixture.ask("/sinks/crm/pause")
        try await fixture.append(1...2, to: ["audit", "crm"], type: "user.lifecycle.update", user: "eve")
        try await fixture.append(3...3, to: ["audit", "crm"], type: "user.lifecycle.deactivate", user: "u77")
        let lease = try await fixture.journal.lease("audit")
        // Out of order: 1 still waits for it, 2 and 3 do not.
        try await fixture.journal.settle(
            Settlement(
                sink: "audit", epoch: lease.epoch, cursor: .zero,
                settledAbove: [2, 3].map(Offset.init(rawValue:)), outcomes: [.delivered: 2]))
        let (records, answer) = try await ask(fixture, "u77")
        #expect(records.map { $0["sink"]?.string } == ["crm"])
        #expect(records.map { $0["outcome"]?.string } == ["waiting"])
        #expect(records.map { $0["eventType"]?.string } == ["user.lifecycle.deactivate"])
        #expect(records.map { $0["operation"]?.string } == ["deactivate"])
        #expect(answer["waiting"]?["lookedAt"]?.int == 3)
        #expect(answer["waiting"]?["notLookedAt"]?.elements.map { $0 }.isEmpty == true)
        let eve = try await ask(fixture, "eve").records
        #expect(eve.map { $0["sink"]?.string } == ["crm", "audit", "crm"])
        #expect(try await ask(fixture, "nobody").records.isEmpty)
    }

    /// What is asked for is the removal, and it is older than all that waits.
    @Test func whatWaitsDoesNotHideARemoval() async throws {
        let fixture = try await OperatorFixture()
        for sink in ["crm", "audit"] { _ = try await fixture.journal.lease(sink) }
        try await fixture.append(1...1, type: "user.lifecycle.deactivate", user: "u77")
        let lease = try await fixture.journal.lease("crm")
        let removal = DeliveryReceipt.Removal(
            operation: .deactivate, subject: Subject(org: "okta", userID: "u77"))
        try await fixture.journal.settle(
            Settlement(
                sink: "crm", epoch: lease.epoch, cursor: Offset(rawValue: 1), outcomes: [.delivered: 1],
                receipts: [
                    DeliveryReceipt(
                        offset: Offset(rawValue: 1), outcome: .delivered, detail: "HTTP 200",
                        eventID: "event-1", removal: removal)
                ]))
        try await fixture.append(2...61, user: "u77")
        try await fixture.append(62...121, to: ["audit"], user: "u77")
        try await fixture.bury("audit")
        var (ids, before, pages) = ([] as [String], "", 0)
        repeat {
            let answer = try await fixture.ask("/history?user=u77&limit=25\(before)", method: "GET").json
            let page = answer["history"]?.elements.compactMap { $0["eventId"]?.string } ?? []
            if pages == 0 { #expect(page.first == "event-1" && page.count == 1 + 25 + 25) }
            ids += page
            before = answer["next"]?.string.map { "&before=\($0)" } ?? ""
            #expect(answer["isCut"]?.bool == !before.isEmpty)
            pages += 1
        } while !before.isEmpty && pages < 9
        #expect(pages == 3 && ids.sorted() == (1...121).map { "event-\($0)" }.sorted())
        for before in ["1", "1.2.x", "1.2.3.4", "-1.0.0", ""] {
            let answer = try await fixture.ask("/history?user=u77&before=\(before)", method: "GET")
            #expect(answer.status == 400, "\(before)")
        }
    }

    /// What waits of one event for several sinks is on one page.
    @Test func noPageEndsWithinAnEvent() async throws {
        let fixture = try await OperatorFixture()
        let lease = try await fixture.journal.lease("crm")
        _ = try await fixture.journal.lease("audit")
        try await fixture.append(1...3, to: ["crm", "audit"], user: "u77")
        try await fixture.journal.settle(
            Settlement(
                sink: "crm", epoch: lease.epoch, cursor: Offset(rawValue: 3),
                parked: (1...3).map { offset in
                    ParkedDelivery(
                        offset: Offset(rawValue: offset), subject: Subject(org: "okta", userID: "u77"),
                        failures: [], notBefore: 0)
                }))
        var (pages, before) = ([] as [[String]], HistoryPlace?.none)
        repeat {
            let page = try await fixture.inspection.history(
                HistoryFilter(user: "u77"), before: before, limit: 1)
            pages.append(page.records.map { "\($0.eventID) \($0.sink)" })
            before = page.next
        } while before != nil && pages.count < 9
        #expect(pages == (1...3).reversed().map { ["event-\($0) audit", "event-\($0) crm"] })
    }

    @Test func whatWasNotLookedAtIsNotClaimed() async throws {
        let fixture = try await OperatorFixture()
        for sink in ["crm", "audit"] { _ = try await fixture.journal.lease(sink) }
        try await fixture.append(1...40, to: ["crm"], user: "u77")
        try await fixture.append(41...45, to: ["audit", "crm"], user: "eve")
        let found = try await fixture.inspection.history(
            HistoryFilter(user: "u77"), limit: 100, lookedAtMax: 5)
        #expect(found.records.isEmpty && found.waiting.lookedAt == 5)
        #expect(found.waiting.notLookedAt == ["crm"])
        let more = try await fixture.inspection.history(
            HistoryFilter(user: "u77"), limit: 100, lookedAtMax: 7)
        #expect(more.records.map(\.eventID) == ["event-40", "event-39"])
        let all = try await fixture.inspection.history(
            HistoryFilter(user: "u77"), limit: 100, lookedAtMax: 45)
        #expect(all.records.count == 40 && all.waiting.notLookedAt.isEmpty)
    }

    @Test func sinksThatWereNotGivenWhatMayBeTheUsersAreNamed() async throws {
        let fixture = try await OperatorFixture()
        _ = try await fixture.journal.lease("crm")
        try await fixture.append(1...3, type: "user.lifecycle.deactivate", user: "u77")
        _ = try await fixture.ask("/sinks/crm/seek", #"{"to":"end"}"#)
        let (records, answer) = try await ask(fixture, "u77")
        #expect(records.isEmpty)
        let givenUp = answer["givenUp"]?.elements.map { $0 } ?? []
        #expect(givenUp.map { $0["sink"]?.string } == ["crm"])
        #expect(givenUp.map { $0["entries"]?.int } == [3])
    }

    /// It is neither taken for what it is not, nor does it hide the rest.
    @Test func whatIsDamagedIsToldOfAsUnreadable() async throws {
        let fixture = try await OperatorFixture()
        try await fixture.appendTen()
        let subject = Subject(org: "okta", userID: "user-3")
        let lease = try await fixture.journal.lease("crm")
        try await fixture.journal.settle(
            Settlement(
                sink: "crm", epoch: lease.epoch, cursor: lease.cursor,
                receipts: [
                    DeliveryReceipt(
                        offset: Offset(rawValue: 3), outcome: .skipped, detail: nil, eventID: "event-3",
                        removal: DeliveryReceipt.Removal(operation: .delete, subject: subject))
                ]))
        for _ in 0..<2 { _ = try await fixture.ask("/sinks/crm/pause") }
        try fixture.execute(
            """
            UPDATE removals SET outcome = 'zz'; UPDATE operations SET detail = 'zz' WHERE id = 1;
            UPDATE parked SET failures = 'zz', org = 'okta', user_id = 'user-3'
            """)
        let records = try await ask(fixture, "user-3").records
        #expect(records.map { $0["outcome"]?.string } == ["unreadable", "waiting"])
        let operations = try await fixture.ask("/operations?sink=crm", method: "GET").json["operations"]
        #expect(operations?.elements.map { $0["detail"]?.kind } == [.object, .null])
    }

    @Test func whichRecordsWereNamedIsNoted() async throws {
        let fixture = try await OperatorFixture()
        try await fixture.appendTen()
        try await fixture.bury()
        _ = try await fixture.ask("/dead-letters/discard", #"{"ids":[2,5]}"#)
        _ = try await fixture.ask("/quarantine/resubmit", #"{"ids":[7]}"#)
        let details = try fixture.rows("SELECT detail FROM operations ORDER BY id")
        #expect(details == [[#"{"ids":[2,5],"sinks":["crm"]}"#], [#"{"ids":[7]}"#]])
    }

    @Test func operationsAreFilteredBySinkAndTime() async throws {
        let fixture = try await OperatorFixture()
        for sink in ["crm", "audit"] { _ = try await fixture.journal.lease(sink) }
        _ = try await fixture.ask("/sinks/crm/pause")
        fixture.clock.advance(by: .seconds(3_600))
        let later = Timestamp(nanoseconds: fixture.clock.now)
        _ = try await fixture.ask("/sinks/audit/pause")
        _ = try await fixture.ask("/sinks/crm/resume")
        for (query, expected) in [
            ("sink=crm", ["sinks resume", "sinks pause"]),
            ("since=\(later)", ["sinks resume", "sinks pause"]),
            ("until=\(later)", ["sinks pause"]), ("sink=crm&since=\(later)", ["sinks resume"]),
        ] {
            let answer = try await fixture.ask("/operations?\(query)", method: "GET").json
            #expect(answer["operations"]?.elements.map { $0["command"]?.string } == expected, "\(query)")
        }
        #expect(try await fixture.ask("/operations?sinks=crm", method: "GET").status == 400)
    }

    @Test func operationsAreListedWithoutUserData() async throws {
        let fixture = try await OperatorFixture()
        _ = try await fixture.journal.lease("crm")
        try await fixture.append(1...2, user: "00u-secret-person")
        try await fixture.bury()
        _ = try await fixture.ask("/sinks/crm/pause", #"{"reason":"why \"not\""}"#)
        _ = try await fixture.ask(
            "/dead-letters/discard", #"{"user":"00u-secret-person","error":"of-secret-person"}"#)
        _ = try await fixture.ask("/replays", #"{"sink":"crm","since":"1d","user":"00u-secret-person"}"#)
        let page = try await fixture.ask("/operations?limit=2", method: "GET").json
        let records = page["operations"]?.elements.map { $0 } ?? []
        #expect(records.map { $0["command"]?.string } == ["replay", "dead-letters discard"])
        let next = try #require(page["next"]?.int)
        let rest = try await fixture.ask("/operations?before=\(next)", method: "GET").json
        let older = rest["operations"]?.elements.map { $0 } ?? []
        #expect(older.map { $0["detail"]?["reason"]?.string } == [#"why "not""#])
        for part in [page, rest] {
            #expect(!String(decoding: part.raw, as: UTF8.self).contains("secret-person"))
        }
    }
}
