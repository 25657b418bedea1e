import JSON
import RelayTesting
import Rules
import Testing

@testable import Relay

/// What is kept of what has ended: attempts that failed, receipts, and what each settle recorded.
@Suite struct ReceiptTests {
    /// Three days of attempts, as a delivery goes through them: the newest kept with it, and each logged.
    @Test func aDeadLetterTellsEveryAttempt() async throws {
        let fixture = try await OperatorFixture()
        let lease = try await fixture.journal.lease("crm")
        try await fixture.append(1...2)
        let (first, second) = (Offset(rawValue: 1), Offset(rawValue: 2))
        let start = fixture.clock.now
        func attempt(_ number: Int) -> FailedAttempt {
            FailedAttempt(
                number: number, at: start + Int64(number) * OperatorFixture.minute,
                reason: "HTTP \(500 + number % 4)",
                took: .milliseconds(number), status: 500 + number % 4)
        }
        let all = (1...1_700).map { attempt($0) }
        let kept = Array(all.prefix(10) + all.suffix(40))
        for start in stride(from: 0, to: 1_700, by: 100) {
            try await fixture.journal.settle(
                Settlement(
                    sink: "crm", epoch: lease.epoch, cursor: second,
                    attempts: all[start..<start + 100].flatMap {
                        [
                            LoggedAttempt(offset: first, attempt: $0),
                            LoggedAttempt(offset: second, attempt: $0),
                        ]
                    }))
        }
        let letters = [first, second].map { DeadLetter(offset: $0, subject: nil, failures: kept) }
        try await fixture.journal.settle(
            Settlement(sink: "crm", epoch: lease.epoch, cursor: second, deadLetters: letters))
        #expect(try await fixture.letters().map(\.failures.count) == [50, 50])
        let letter = try #require(try await fixture.inspection.deadLetter(id: 1))
        #expect(letter.failures == all && letter.attemptsLeftOut == 0)

        // The sink was moved back, and tried it again.
        let again = LoggedAttempt(
            offset: first, attempt: FailedAttempt(number: 1, at: fixture.clock.now, reason: "HTTP 503"))
        try await fixture.journal.settle(
            Settlement(sink: "crm", epoch: lease.epoch, cursor: second, attempts: [again]))
        #expect(try await fixture.inspection.deadLetter(id: 1)?.failures == all)

        // What goes with the retention of receipts is said to be gone.
        try fixture.execute("DELETE FROM attempts WHERE number <= 100")
        let answer = try await fixture.inspection.deadLetter(id: 1)
        #expect(answer?.failures.map(\.number) == Array(1...10) + Array(101...1_700))
        #expect(answer?.attemptsLeftOut == 90)
    }

    /// A sink that was moved back tries again from 1: what was logged before is another matter.
    @Test func attemptsOfBeforeASeekAreNotShownAsThese() {
        func attempts(_ numbers: some Sequence<Int>, at: Int64) -> [FailedAttempt] {
            numbers.map { FailedAttempt(number: $0, at: at, reason: "busy") }
        }
        let kept = attempts(Array(1...10) + Array(21...60), at: 2)
        let logged = attempts(1...80, at: 1) + attempts(15...60, at: 2)
        let whole = kept.completed(by: logged.reversed())
        #expect(whole.map(\.number) == Array(1...10) + Array(15...60))
        #expect(whole.allSatisfy { $0.at == 2 })
    }

    @Test func attemptsGoWithTheirSinkAndWithTheRetentionOfReceipts() async throws {
        let fixture = try await OperatorFixture()
        for sink in ["crm", "old"] {
            let lease = try await fixture.journal.lease(sink)
            let attempts = (1...12_000).map { number in
                LoggedAttempt(
                    offset: Offset(rawValue: 1),
                    attempt: FailedAttempt(number: number, at: fixture.clock.now, reason: "HTTP 503"))
            }
            try await fixture.journal.settle(
                Settlement(sink: sink, epoch: lease.epoch, cursor: lease.cursor, attempts: attempts))
        }
        let count = "SELECT count(*) FROM attempts"
        #expect(try fixture.rows(count) == [["24000"]])
        #expect(try await fixture.inspection.dropPreview("old")?.rows == 12_000)
        let dropped = try await fixture.ask("/sinks/old/drop", #"{"force":true}"#)
        #expect(dropped.status == 200, "\(dropped.json)")
        #expect(try fixture.rows(count) == [["12000"]])
        _ = try await fixture.journal.retain()
        #expect(try fixture.rows(count) == [["12000"]])
        fixture.clock.advance(by: .seconds(86_400 * 500))
        _ = try await fixture.journal.retain()
        #expect(try fixture.rows(count) == [["0"]])
    }

    // MARK: - Lists

    /// A filter that leaves little of a long log is carried on over many transactions.
    @Test func theFewOfALongLogAreFound() async throws {
        let fixture = try await OperatorFixture.long(120_000)
        try fixture.execute(
            """
            INSERT INTO routes (id, choices) VALUES (99, '[]');
            UPDATE entries SET route_id = 99 WHERE "offset" IN (5, 70000, 70001)
            """)
        let filter = EventFilter(isUnrouted: true)
        for (page, ids): (PageRequest, [Int64]) in [
            (PageRequest(), [70_001, 70_000, 5]), (PageRequest(limit: 2), [70_001, 70_000]),
            (PageRequest(before: 70_000), [5]), (PageRequest(before: 5), []), (PageRequest(before: .min), []),
        ] {
            #expect(try await fixture.inspection.events(filter, page).map(\.id) == ids)
        }
        await fixture.journal.close()
        let empty = try await OperatorFixture()
        #expect(try await empty.inspection.events(filter, PageRequest()).isEmpty)
        #expect(try await empty.inspection.receipts(ReceiptFilter(), PageRequest(before: .min)).isEmpty)
    }

    @Test func receiptsAndSettlementsAreListed() async throws {
        let fixture = try await OperatorFixture()
        for sink in ["crm", "audit"] { _ = try await fixture.journal.lease(sink) }
        let lease = try await fixture.journal.lease("crm")
        let start = fixture.clock.now
        try await fixture.append(1...3)
        let offsets = (1...3).map { Offset(rawValue: Int64($0)) }
        let removal = DeliveryReceipt.Removal(
            operation: .delete, subject: Subject(org: "okta", userID: "ada"))
        try await fixture.journal.settle(
            Settlement(
                sink: "crm", epoch: lease.epoch, cursor: offsets[1], outcomes: [.skipped: 1, .delivered: 1],
                ended: [offsets[0], offsets[1]],
                receipts: [
                    DeliveryReceipt(
                        offset: offsets[0], outcome: .skipped, detail: "no effect on a row",
                        eventID: "event-1"
                    ),
                    DeliveryReceipt(
                        offset: offsets[1], outcome: .delivered, detail: "HTTP 204", eventID: "event-2",
                        removal: removal),
                ]))
        fixture.clock.advance(by: .seconds(60))
        try await fixture.journal.settle(
            Settlement(
                sink: "crm", epoch: lease.epoch, cursor: offsets[2], outcomes: [.superseded: 1],
                ended: [offsets[2]]))
        let settlements = try await list(fixture, "settlements", "")
        #expect(settlements.map { $0["last"]?.int } == [3, 2])
        #expect(settlements[1]["first"]?.int == 1 && settlements[1]["skipped"]?.int == 1)
        #expect(settlements[1]["delivered"]?.int == 1 && settlements[1]["superseded"]?.int == 0)
        let receipts = try await list(fixture, "receipts", "")
        #expect(receipts.map { $0["eventId"]?.string } == ["event-2", "event-1"])
        #expect(receipts.map { $0["detail"]?.string } == ["HTTP 204", "no effect on a row"])
        #expect(receipts.map { $0["userId"]?.string } == ["ada", nil])
        let at = Timestamp(nanoseconds: start + 4 * OperatorFixture.minute)
        for (query, counts) in [
            ("?sink=crm", (2, 2)), ("?sink=audit", (0, 0)), ("?outcome=skipped", (1, 1)),
            ("?outcome=superseded", (1, 0)), ("?since=\(at)", (1, 0)), ("?until=\(at)", (1, 2)),
            ("?limit=1", (1, 1)), ("?before=2", (1, 1)),
        ] {
            #expect(try await list(fixture, "settlements", query).count == counts.0, "\(query)")
            #expect(try await list(fixture, "receipts", query).count == counts.1, "\(query)")
        }
        for (query, ids) in [("?event=event-1", ["event-1"]), ("?user=ada", ["event-2"]), ("?user=eve", [])] {
            #expect(
                try await list(fixture, "receipts", query).map { $0["eventId"]?.string } == ids, "\(query)")
        }
        #expect(try await fixture.ask("/settlements?user=ada", method: "GET").status == 400)
        let wrong = try await fixture.ask("/receipts?outcome=dead", method: "GET")
        #expect(wrong.status == 400)
        #expect(wrong.json["error"]?.string?.contains("delivered, superseded, skipped") == true)
        #expect(try await fixture.ask("/settlements?sink=nope", method: "GET").status == 404)
    }

    private func list(
        _ fixture: OperatorFixture, _ name: String, _ query: String
    ) async throws -> [JSONValue] {
        let answer = try await fixture.ask("/\(name)\(query)", method: "GET")
        return answer.json[name]?.elements.map { $0 } ?? []
    }
}
