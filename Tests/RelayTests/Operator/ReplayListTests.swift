import JSON
import RelayTesting
import Testing

@testable import Relay

/// Replays are many in the long run, and can be looked through.
@Suite struct ReplayListTests {
    /// Replays from old to new: one that is done, one cancelled, one that waits for its sink to be enabled,
    /// and two that are under way, one of another sink.
    private func make() async throws -> (fixture: OperatorFixture, ids: [String]) {
        let fixture = try await OperatorFixture()
        try await fixture.append(1...3, to: ["audit"])
        var ids: [String] = []
        func begin(_ sink: String) async throws {
            let answer = try await fixture.ask("/replays", #"{"sink":"\#(sink)","since":"1d"}"#)
            ids.append(try #require(answer.json["id"]?.string))
        }
        try await begin("crm")
        while try await fixture.hands.advanceReplays() {}
        fixture.clock.advance(by: .seconds(60))
        try await begin("crm")
        _ = try await fixture.ask("/replays/\(ids[1])/cancel")
        try await begin("audit")
        try await begin("crm")
        try await begin("crm")
        fixture.hands.swap(OperatorFixture.settings(sinks: ["crm": true, "audit": false]))
        return (fixture, ids)
    }

    private func list(_ fixture: OperatorFixture, _ query: String) async throws -> [String] {
        let answer = try await fixture.ask("/replays?\(query)", method: "GET").json
        return answer["replays"]?.elements.compactMap { $0["id"]?.string } ?? []
    }

    @Test func itIsFilteredBySinkAndState() async throws {
        let (fixture, ids) = try await make()
        for (query, expected) in [
            ("", [4, 3, 2, 1, 0]), ("sink=crm", [4, 3, 1, 0]), ("state=done", [0]), ("state=cancelled", [1]),
            ("state=waits", [2]), ("state=under-way", [4, 3]), ("state=under-way&sink=audit", []),
        ] {
            #expect(try await list(fixture, query) == expected.map { ids[$0] }, "\(query)")
        }
        let prospects = ReplayProspects(delivered: ["crm"])
        for state in Replay.State.allCases {
            let filter = ReplayListFilter(state: state, prospects: prospects)
            let replays = try await fixture.inspection.replays(filter, before: nil, limit: 9)
            #expect(!replays.isEmpty && replays.allSatisfy { $0.state(prospects) == state })
        }
        let full = ReplayProspects(delivered: ["crm"], hasRoom: false)
        for (state, count) in [(Replay.State.underWay, 0), (.waits, 3)] {
            let filter = ReplayListFilter(state: state, prospects: full)
            let replays = try await fixture.inspection.replays(filter, before: nil, limit: 9)
            #expect(replays.count == count && replays.allSatisfy { $0.state(full) == state })
        }
    }

    @Test func itHasPages() async throws {
        let (fixture, ids) = try await make()
        var (found, before) = ([] as [String], "")
        repeat {
            found += try await list(fixture, "limit=2\(before)")
            let page = try await fixture.ask("/replays?limit=2\(before)", method: "GET").json
            before = page["next"]?.string.map { "&before=\($0)" } ?? ""
        } while !before.isEmpty && found.count < 9
        #expect(found == ids.reversed())
        for (limit, isLast) in [(4, false), (5, true), (6, true)] {
            let page = try await fixture.ask("/replays?limit=\(limit)", method: "GET").json
            #expect(page["next"]?.isNull == isLast, "\(limit)")
        }
        #expect(try await fixture.ask("/replays?sink=nope", method: "GET").status == 404)
        #expect(try await fixture.ask("/replays?before=nope", method: "GET").status == 404)
    }

    @Test(arguments: ["/replays?snk=crm", "/replays?state=lost", "/replays?limit=0", "/replays/ID?sink=crm"])
    func whatIsNotUnderstoodIsRefused(_ path: String) async throws {
        let (fixture, ids) = try await make()
        let answer = try await fixture.ask(path.replacing("ID", with: ids[0]), method: "GET")
        #expect(answer.status == 400)
    }
}
