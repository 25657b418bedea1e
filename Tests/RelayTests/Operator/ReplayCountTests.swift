import JSON
@testable import Relay
import RelayTesting
import Rules
import Testing

/// What a replay would do, counted in steps.
@Suite struct ReplayCountTests {
    private func body(_ members: String) -> String {
        #"{"sink":"crm","since":"1d","dryRun":true\#(members)}"#
    }

    /// What comes while it is counted is no part of it, as it is none of a replay that has begun.
    @Test func aCountEndsWhereTheLogEndedWhenItBegan() async throws {
        let fixture = try await OperatorFixture()
        let audit = Route(choices: [Route.Choice(sink: "audit", rule: "x")])
        let events = try (0..<5_000).map {
            Submission.RoutedEvent(
                event: try OperatorFixture.event($0, receivedAt: fixture.clock.now), route: audit)
        }
        _ = try await fixture.journal.append(Submission(events: events))
        var (place, counted, shares) = ("", 0, [Double]())
        for number in 6_000..<6_100 {
            let step = try await fixture.ask("/replays", body(place)).json
            counted += step["matching"]?.int ?? 0
            shares.append(step["share"]?.double ?? 0)
            guard step["after"]?.int != nil else { break }
            place = ["after", "first", "last"].map { #","\#($0)":\#(step[$0]?.int ?? -1)"# }.joined()
            try await fixture.append(number...number, to: ["audit"])
        }
        #expect(counted == 5_000)
        #expect(shares.count > 2 && shares == shares.sorted() && shares.last == 1)
        // A place that no answer had.
        let huge = Int64.max
        for (after, first, last, status) in [
            (3, 5, 9, 409), (9, 0, 3, 409), (huge, huge, huge, 200), (3, 0, huge, 200),
        ] {
            let place = #","after":\#(after),"first":\#(first),"last":\#(last)"#
            let answer = try await fixture.ask("/replays", body(place))
            #expect(answer.status == status)
            // Who follows the answers comes to an end.
            if status == 200 { #expect(answer.json["share"]?.double.map { (0...1).contains($0) } == true) }
        }
        let half = body(#","after":3"#)
        #expect(try await fixture.ask("/replays", half).status == 400)
    }
}
