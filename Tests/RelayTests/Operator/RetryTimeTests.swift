@testable import Relay
import RelayTesting
import Rules
import Testing

/// What the journal knows of the time in which a sink's retries were not tried.
@Suite struct RetryTimeTests {
    @Test func noHoldsTimeCountsTowardsGivingUp() async throws {
        let fixture = try await OperatorFixture()
        let lease = try await fixture.journal.lease("crm")
        try await fixture.append(1...2)
        let giveUpAt = fixture.clock.now + 24 * 60 * OperatorFixture.minute
        let parked = ParkedDelivery(
            offset: Offset(rawValue: 1), subject: nil, failures: [], notBefore: 0, giveUpAt: giveUpAt)
        try await fixture.journal.settle(
            Settlement(
                sink: "crm", epoch: lease.epoch, cursor: Offset(rawValue: 1), parked: [parked],
                hold: SinkHold(kind: .tripped, reason: "too many", since: fixture.clock.now)))
        // Tripped on Friday, paused on Monday, resumed an hour later.
        fixture.clock.advance(by: .seconds(3 * 86_400))
        _ = try await fixture.ask("/sinks/crm/pause")
        fixture.clock.advance(by: .seconds(3_600))
        _ = try await fixture.ask("/sinks/crm/resume")
        let held = 73 * 60 * OperatorFixture.minute
        let last = try await fixture.journal.lease("crm")
        #expect(last.parked == [parked] && last.stoodStill == held)
    }

    /// Its worker may have died meanwhile, and nobody else knows since when it was away.
    @Test func theTimeThatASinkWasAwayDoesNotCountTowardsGivingUp() async throws {
        let fixture = try await OperatorFixture()
        let hour = 60 * OperatorFixture.minute
        func away(_ lease: SinkLease) async throws {
            try await fixture.journal.settle(
                Settlement(
                    sink: "crm", epoch: lease.epoch, cursor: lease.cursor, awaySince: fixture.clock.now))
            fixture.clock.advance(by: .seconds(3_600))
        }
        try await away(fixture.journal.lease("crm"))
        #expect(try await fixture.journal.lease("crm").stoodStill == hour)
        #expect(try await fixture.journal.lease("crm").stoodStill == hour)
        // What was counted till then has been told.
        let lease = try await fixture.journal.lease("crm")
        try await away(lease)
        try await fixture.journal.settle(
            Settlement(sink: "crm", epoch: lease.epoch, cursor: lease.cursor, stoodStill: hour))
        fixture.clock.advance(by: .seconds(3_600))
        #expect(try await fixture.journal.lease("crm").stoodStill == 2 * hour)
        // Away, and then paused: that begins where the other ends.
        try await away(fixture.journal.lease("crm"))
        _ = try await fixture.ask("/sinks/crm/pause")
        fixture.clock.advance(by: .seconds(3_600))
        #expect(try await fixture.journal.lease("crm").stoodStill == 3 * hour)
        _ = try await fixture.ask("/sinks/crm/resume")
        fixture.clock.advance(by: .seconds(3_600))
        #expect(try await fixture.journal.lease("crm").stoodStill == 4 * hour)
        // The same with nobody there who leases it in between.
        try await away(fixture.journal.lease("crm"))
        for verb in ["pause", "resume", "pause"] {
            _ = try await fixture.ask("/sinks/crm/\(verb)")
            fixture.clock.advance(by: .seconds(3_600))
        }
        _ = try await fixture.ask("/sinks/crm/resume")
        #expect(try await fixture.journal.lease("crm").stoodStill == 8 * hour)
    }
}
