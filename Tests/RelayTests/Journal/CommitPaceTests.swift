@testable import Relay
import Testing

@Suite struct CommitPaceTests {
    @Test func whoComesAloneDoesNotWait() {
        var pace = CommitPace()
        #expect(pace.rest(gathered: 1, at: 5) == 0)
        pace.begins(at: 5)
        #expect(pace.rest(gathered: 1, at: 5 + CommitPace.gap) == 0)
    }

    @Test func aCommitRightAfterAnotherWaitsForTheRestOfTheGap() {
        var pace = CommitPace()
        pace.begins(at: 1_000)
        #expect(pace.rest(gathered: 1, at: 1_000) == CommitPace.gap)
        #expect(pace.rest(gathered: 1, at: 1_400) == CommitPace.gap - 400)
    }

    @Test func whatHasGatheredEnoughDoesNotWait() {
        var pace = CommitPace()
        pace.begins(at: 1_000)
        #expect(pace.rest(gathered: CommitPace.enough - 1, at: 1_000) > 0)
        #expect(pace.rest(gathered: CommitPace.enough, at: 1_000) == 0)
    }
}
