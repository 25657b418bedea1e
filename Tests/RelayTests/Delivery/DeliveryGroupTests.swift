import Config
@testable import Relay
import RelayTesting
import Rules
import Testing

/// What goes out together, what it comes to, and how it counts.
@Suite struct DeliveryGroupTests {
    private func member(_ offset: Int64, _ operation: Operation, at time: Int64?) -> GroupMember {
        GroupMember(
            offset: Offset(rawValue: offset),
            stamp: time.map { Stamp(published: $0, rank: operation.rank, eventID: "\(offset)") },
            operation: operation)
    }

    private func first(_ members: [GroupMember], merging: Bool = true) -> [Int64]? {
        GroupMember.first(of: members, merging: merging)?.offsets.map(\.rawValue)
    }

    @Test func theOldestGoesFirstWhateverTheOrderOfArrival() {
        let members = [
            member(1, .reactivate, at: 30), member(2, .create, at: 10), member(3, .update, at: 20),
        ]
        #expect(first(members, merging: false) == [2])
        #expect(first(members) == [2, 3, 1])
        #expect(first([]) == nil)
    }

    @Test func eventsOfOneInstantGoByTheirRank() {
        let members = [
            member(1, .delete, at: 5), member(2, .reactivate, at: 5), member(3, .create, at: 5),
        ]
        #expect(first(members) == [3, 2, 1])
    }

    @Test func whatChangesNoUserOrHasNoTimeGoesAlone() {
        let other = member(2, .none, at: 20)
        #expect(first([member(1, .create, at: 10), other, member(3, .update, at: 30)]) == [1])
        #expect(first([other, member(3, .update, at: 30)]) == [2])
        #expect(first([member(3, .update, at: 30), member(4, .update, at: nil)]) == [4])
    }

    @Test func anotherLifeIsAnotherDelivery() {
        let members = [
            member(1, .update, at: 1), member(2, .delete, at: 2), member(3, .update, at: 3),
            member(4, .create, at: 4),
        ]
        #expect(first(members) == [1, 2, 3])
    }

    @Test(
        arguments: [
            ([.create, .update, .reactivate], .create), ([.create, .deactivate], .create),
            ([.create, .update, .delete], .delete), ([.update, .delete, .update], .delete),
            ([.update, .update], .update), ([.deactivate, .update], .deactivate),
            ([.deactivate, .reactivate, .update], .reactivate), ([.delete, .create, .update], .create),
            ([.none], .none), ([], .none),
        ] as [([Rules.Operation], Rules.Operation)])
    func severalOperationsComeToOne(operations: [Rules.Operation], result: Rules.Operation) {
        #expect(Operation.result(of: operations) == result)
    }

    // MARK: - How it counts

    /// A table of memberships: each removal takes a row, whoever's it is; a user's deletion takes them all.
    @Test func removalsThatAreNoDeletionOfTheirUserCountOneByOne() {
        let limit = RateLimit(count: 3, period: .seconds(3_600))
        let bench = DeliveryBench(
            DeliveryBench.sql, users: [], policy: DeliveryPolicy(limits: [.delete: limit]),
            operation: { $0.type == "group.user_membership.remove" ? .delete : $0.meaning.operation })
        func append(_ type: String, _ user: String) {
            bench.append([EventSample(type: type, user: user, second: Int64(bench.log.count)).event])
            bench.news()
            bench.answerAll()
        }
        for type in ["user.lifecycle.delete.initiated", "user.lifecycle.delete.completed"] {
            append(type, "gone")
        }
        for _ in 0..<2 { append("group.user_membership.remove", "in many groups") }
        #expect(bench.delivered == 4)
        append("group.user_membership.remove", "in many groups")
        #expect(bench.delivered == 4)
        guard case .held(let hold) = bench.breaker.state else {
            Issue.record("\(bench.breaker.state)")
            return
        }
        #expect(hold.reason.hasPrefix("3 of operation delete"))
    }

    private func coalescing(_ deactivations: Int) -> DeliveryBench {
        let limit = RateLimit(count: deactivations, period: .seconds(3_600))
        let settle = SettleWindow(duration: .seconds(2), coalesces: true)
        return DeliveryBench(
            DeliveryBench.http, users: [],
            policy: DeliveryPolicy(limits: [.deactivate: limit], settle: settle))
    }

    /// Each attempt at a deactivation fails like this, and an update of the user arrives behind it.
    @Test(arguments: [500, nil] as [Int?])
    func whatIsTriedAgainWithMoreThatIsMergedCountsOnce(_ status: Int?) {
        let bench = coalescing(2)
        bench.append(("lifecycle.deactivate", 1))
        bench.advance(by: .milliseconds(2_001))
        for attempt in Int64(1)...4 {
            #expect(bench.withSink == [Array(1...attempt)])
            if let status {
                let again = Receipt.Outcome.retry(after: nil, reason: "HTTP \(status)")
                let receipt = Receipt(offset: Offset(rawValue: attempt), again, status: status)
                bench.answer(1, receipts: [receipt])
            } else {
                bench.fail(1)
            }
            bench.append(("account.update_profile", attempt + 1))
            bench.advance(by: .seconds(60))
        }
        bench.answer(1)
        #expect(bench.delivered == 1)
        let counts = bench.settlements.compactMap(\.limitCounts).last ?? ""
        #expect(counts.split(separator: "=").count == 2 && counts.hasSuffix("=1"), "\(counts)")
    }

    /// Eight updates may have been done when a deletion was, and the next worker merges deletions with them.
    @Test func whatWasParkedAsSomethingElseCountsWithWhatItIsMergedWith() {
        let start: Int64 = 1_767_225_600_000_000_000
        let users = (1...8).map { "u\($0)" }
        let failure = FailedAttempt(number: 1, at: start, reason: "HTTP 500", status: 500)
        let parked = users.enumerated().map { index, user in
            ParkedDelivery(
                offset: Offset(rawValue: Int64(index + 1)), subject: Subject(org: "acme", userID: user),
                failures: [failure], notBefore: start + Duration.seconds(5).nanoseconds)
        }
        let limit = RateLimit(count: 2, period: .seconds(3_600))
        let settle = SettleWindow(duration: .seconds(2), coalesces: true)
        let bench = DeliveryBench(
            DeliveryBench.http, users: users,
            policy: DeliveryPolicy(limits: [.delete: limit], settle: settle), parked: parked,
            limitCounts: "0;delete:\(start)=1")
        bench.append(
            users.map { EventSample(type: "user.lifecycle.delete.initiated", user: $0, second: 1).event })
        bench.news()
        bench.advance(by: .seconds(10))
        #expect(bench.withSink.first?.count == 2)
        bench.answerAll()
        #expect(bench.answered == 1)
        guard case .held(let hold) = bench.breaker.state else {
            Issue.record("\(bench.breaker.state)")
            return
        }
        #expect(hold.reason.hasPrefix("2 of operation delete"))
    }

    /// What may be there already is not merged again: the deactivation goes, and then the update.
    @Test func whatIsTriedAgainAloneCountsOnce() {
        let bench = coalescing(1)
        bench.append(("lifecycle.deactivate", 1), ("account.update_profile", 2))
        bench.advance(by: .milliseconds(2_001))
        let lost = Receipt.Outcome.retry(after: nil, reason: "no answer")
        let receipt = Receipt(offset: Offset(rawValue: 2), lost, isOutcomeUnknown: true)
        bench.answer(1, receipts: [receipt])
        bench.advance(by: .seconds(60))
        #expect(bench.withSink == [[1]])
        bench.answerAll()
        #expect(bench.delivered == 2)
    }
}
