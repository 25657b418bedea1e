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
        // A place that no answer had. Who follows the answers comes to an end all the same.
        for (after, first, last) in [(3, 5, 9), (9, 0, 3)] {
            let place = body(#","after":\#(after),"first":\#(first),"last":\#(last)"#)
            #expect(try await fixture.ask("/replays", place).status == 409)
        }
        for start in [3, Int.max] {
            var after = start
            for _ in 0..<50 where after >= 0 {
                let place = body(#","after":\#(after),"first":0,"last":\#(Int.max)"#)
                let step = try await fixture.ask("/replays", place).json
                #expect(step["share"]?.double.map { (0...1).contains($0) } == true)
                after = step["after"]?.int ?? -1
            }
            #expect(after == -1)
        }
        let half = body(#","after":3"#)
        #expect(try await fixture.ask("/replays", half).status == 400)
    }
}
