import JSON
import RelayTesting
import Testing

@testable import Relay

/// What a sink will never get can be looked up, as long as receipts are kept.
@Suite struct GivenUpTests {
    /// Two sinks with six events each; one is moved on, the other dropped.
    private func make(_ clock: ManualClock = ManualClock()) async throws -> OperatorFixture {
        let fixture = try await OperatorFixture(clock: clock)
        for sink in ["crm", "old"] { _ = try await fixture.journal.lease(sink) }
        try await fixture.append(1...6, to: ["crm", "old"])
        _ = try await fixture.ask("/sinks/crm/seek", #"{"to":4,"reason":"old news"}"#)
        _ = try await fixture.ask("/sinks/old/drop", #"{"force":true}"#)
        return fixture
    }

    @Test func whatASeekAndADropGaveUpIsListedWithItsReason() async throws {
        let fixture = try await make()
        let answer = try await fixture.ask("/detached", method: "GET")
        #expect(answer.status == 200)
        let ranges = answer.json["detached"]?.elements.map { $0 } ?? []
        #expect(ranges.map { $0["sink"]?.string } == ["old", "crm"])
        #expect(ranges.map { $0["reason"]?.string } == ["the sink was dropped", "old news"])
        #expect(ranges.map { $0["entries"]?.int } == [6, 4])
        #expect(ranges.map { $0["lastOffset"]?.int } == [6, 4])
    }

    @Test func aReplayOfItsTimesBringsAllOfItAndNothingElse() async throws {
        let fixture = try await make()
        let answer = try await fixture.ask("/detached?sink=crm", method: "GET")
        let range = try #require(answer.json["detached"]?.elements.first { _ in true })
        let since = try #require(range["since"]?.string), until = try #require(range["until"]?.string)
        let begun = try await fixture.ask(
            "/replays", #"{"sink":"crm","since":"\#(since)","until":"\#(until)"}"#)
        #expect(begun.status == 202)
        let horizon = try await fixture.inspection.status().horizon
        while try await fixture.hands.advanceReplays() {}
        let again = try await fixture.entries(after: horizon).map(\.event.id)
        #expect(again == (1...4).map { "event-\($0)" })
    }

    /// The events came a minute apart; `crm` was not given 1 to 4, and `old` none of the six.
    @Test func theListIsFilteredByReasonAndTime() async throws {
        let clock = ManualClock()
        let start = clock.now
        let fixture = try await make(clock)
        func minute(_ minute: Int64) -> String {
            Timestamp(nanoseconds: start + minute * OperatorFixture.minute).description
        }
        for (query, expected) in [
            ("reason=OLD%20news", ["crm"]), ("reason=dropped&sink=crm", []), ("since=\(minute(5))", ["old"]),
            ("since=\(minute(4))", ["old", "crm"]), ("until=\(minute(1))", []),
            ("since=\(minute(2))&until=\(minute(3))&reason=old", ["crm"]),
        ] {
            let answer = try await fixture.ask("/detached?\(query)", method: "GET").json
            #expect(answer["detached"]?.elements.map { $0["sink"]?.string } == expected, "\(query)")
        }
        #expect(try await fixture.ask("/detached?since=1d&until=2d", method: "GET").status == 400)
    }

    @Test func theListHasPagesAndRefusesWhatItDoesNotKnow() async throws {
        let fixture = try await make()
        let first = try await fixture.ask("/detached?limit=1", method: "GET").json
        let next = try #require(first["next"]?.int)
        let second = try await fixture.ask("/detached?limit=1&before=\(next)", method: "GET").json
        #expect(second["detached"]?.elements.map { $0["sink"]?.string } == ["crm"])
        #expect(second["next"]?.isNull == true)
        #expect(try await fixture.ask("/detached?snk=crm", method: "GET").status == 400)
        #expect(try await fixture.ask("/detached?sink=", method: "GET").status == 400)
        #expect(try await fixture.ask("/detached?sink=nope", method: "GET").status == 404)
        // One that is gone, and of which there is something.
        #expect(try await fixture.ask("/detached?sink=old", method: "GET").status == 200)
        #expect(try await fixture.ask("/detached").status == 405)
    }
}
