import Relay
import Rules
import Testing

/// The pure fold, where a plain newest-wins would go wrong.
@Suite("Fold state")
struct FoldStateTests {
    private func stamp(_ published: Int64, _ operation: Operation) -> Stamp {
        Stamp(published: published, rank: operation.rank, eventID: "e\(published)")
    }

    private func state(_ events: [(Int64, Operation, [String])]) -> FoldState {
        var state = FoldState()
        for (published, operation, fields) in events {
            _ = state.apply(stamp(published, operation), operation, carrying: fields)
        }
        return state
    }

    @Test func everyOrderGivesTheSameState() {
        let events: [(Int64, Operation, [String])] = [
            (1, .update, ["a"]), (2, .delete, []), (3, .create, ["b"]), (4, .delete, []), (5, .update, ["a"]),
        ]
        let expected = state(events)
        #expect(expected.isDeleted)
        #expect(expected.buried == stamp(2, .delete))
        for rotation in 0..<events.count {
            let rotated = Array(events[rotation...] + events[..<rotation])
            #expect(state(rotated) == expected)
            #expect(state(rotated.reversed()) == expected)
            #expect(state(rotated + rotated) == expected)
        }
    }

    @Test func aLateCreateBetweenTwoDeletesVoidsWhatIsOlderThanTheFirst() {
        var late = state([(1, .update, ["a"]), (4, .delete, []), (2, .delete, [])])
        let effect = late.apply(stamp(3, .create), .create, carrying: ["b"])
        #expect(effect.voided == ["a"])
        #expect(effect.life == .dead)
    }

    @Test func aDeletionsOwnWordsBelongToTheOldLife() {
        var state = state([(1, .create, ["a"]), (2, .delete, ["a", "deleted"])])
        let effect = state.apply(stamp(3, .create), .create, carrying: ["a"])
        #expect(effect.life == .revived)
        #expect(effect.voided == ["a", "deleted"])
        #expect(effect.written == ["a"])
    }

    @Test func theTextComesBack() {
        let state = state([(1, .update, ["a"]), (2, .delete, []), (3, .create, ["b"]), (9, .delete, ["c"])])
        #expect(FoldState(json: state.json) == state)
    }

    @Test func aTextOfTheFirstFormIsRead() {
        let state = state([(1, .update, ["a"]), (2, .update, ["b"])])
        let stamps = state.stamps.map { #""\#($0.key)":"\#($0.value)""# }.joined(separator: ",")
        #expect(FoldState(json: Array(#"{"stamps":{\#(stamps)}}"#.utf8)) == state)
    }

    /// Journals and tables are full of it, so it must not change by chance.
    @Test func theTextIsWhatItHasBeen() {
        let state = state([
            (7, .update, ["status", "login"]), (8, .update, ["active", "login", "displayName"]),
        ])
        let text =
            #"{"stamps":{"7:2:e7":["status"],"8:2:e8":["active","displayName","login"]}}"#
        #expect(String(decoding: state.json, as: UTF8.self) == text)
    }

    @Test(arguments: [("1:2:e", true), ("-5:0:a:b", true), ("1:2:", true), ("1:2", false), ("x:1:e", false)])
    func aStampsTextIsRead(_ text: String, _ isStamp: Bool) {
        #expect(Stamp(text)?.description == (isStamp ? text : nil))
    }

    @Test func aRepeatedEventAppliesAgain() {
        var state = state([(1, .update, ["a"]), (2, .delete, [])])
        #expect(!state.apply(stamp(2, .delete), .delete, carrying: []).isSuperseded)
        #expect(state.apply(stamp(1, .delete), .delete, carrying: []).isSuperseded)
    }
}
