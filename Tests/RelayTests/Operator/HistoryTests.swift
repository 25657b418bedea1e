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
                        removal: DeliveryReceipt.Removal(
                            operation: .deactivate, subject: ada, eventID: "event-1")),
                    DeliveryReceipt(
                        offset: Offset(rawValue: 4), outcome: .delivered, detail: "HTTP 201"),
                ]))
        let answer = try await fixture.ask("/history?user=ada", method: "GET")
        let records = answer.json["history"]?.elements.map { $0 } ?? []
        #expect(records.map { $0["eventId"]?.string } == ["event-3", "event-1", "event-2"])
        #expect(records.map { $0["outcome"]?.string } == ["dead letter", "delivered", "waiting"])
        #expect(records.map { $0["detail"]?.string } == ["HTTP 503", "HTTP 200", "HTTP 503"])
        #expect(records[1]["operation"]?.string == "deactivate")
        let at = records[1]["at"]?.string.flatMap { Timestamp($0) }?.nanoseconds
        #expect(at == start + OperatorFixture.minute)
        #expect(try await fixture.inspection.history(user: "ada", org: "other", limit: 9).isEmpty)
        #expect(try await fixture.inspection.history(user: "ada", org: "okta", limit: 2).count == 2)
        #expect(try await fixture.ask("/history", method: "GET").status == 400)
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
