@testable import Relay
import Rules
import Testing

/// What goes out together, and what it comes to.
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
}
