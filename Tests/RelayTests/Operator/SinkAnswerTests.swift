import JSON
import RelayTesting
import Testing

@testable import Relay

/// What whoever holds or moves a sink is answered, and asked for.
@Suite struct SinkAnswerTests {
    @Test func whoeverHoldsOrMovesASinkIsToldThatItIsStillAtWork() async throws {
        let fixture = try await OperatorFixture()
        _ = try await fixture.journal.lease("crm")
        for isFinishing in [false, true] {
            if isFinishing { fixture.restarts.hang("crm") }
            for (verb, body) in [("pause", "{}"), ("resume", "{}"), ("seek", #"{"to":"end"}"#)] {
                let answer = try await fixture.ask("/sinks/crm/\(verb)", body)
                #expect(answer.json["isFinishing"]?.bool == isFinishing, "\(verb)")
            }
        }
    }

    @Test(arguments: ["pause", "seek"]) func aReasonIsShortAndNotEmpty(_ verb: String) async throws {
        let fixture = try await OperatorFixture()
        _ = try await fixture.journal.lease("crm")
        let to = verb == "seek" ? #""to":"end","# : ""
        for (length, status) in [(0, 400), (1, 200), (1_000, 200), (1_001, 400)] {
            let reason = String(repeating: "x", count: length)
            let answer = try await fixture.ask("/sinks/crm/\(verb)", #"{\#(to)"reason":"\#(reason)"}"#)
            #expect(answer.status == status, "\(length)")
        }
    }
}
