@testable import Relay
import Testing

/// What a journal may take, by numbers that nothing has measured.
@Suite struct JournalSpaceTests {
    private static let megabyte = 1 << 20

    /// Its disk is not there, so the reserve is a sixteenth of the maximum, or 64 MB.
    private func space(max: Int, used: Int, log: Int = 0, room: Int?) -> JournalSpace {
        var space = JournalSpace(
            journalPath: "/no-such-folder/journal.sqlite", sizeMax: max * Self.megabyte)
        space.note(
            pageBytes: used * Self.megabyte, logBytes: log * Self.megabyte,
            roomBytes: room.map { $0 * Self.megabyte })
        return space
    }

    private func hasRoom(_ space: JournalSpace, settled: Bool = true) -> Bool {
        space.hasRoomForReplays(areOldestSettled: settled)
    }

    /// The limit is 192 MB there, which the disk does not have.
    @Test func aReplayTakesNothingOfADiskThatOthersHaveFilled() {
        #expect(space(max: 10_240, used: 10, room: 15).limitBytes == 192 * Self.megabyte)
        // A step takes 2 MB, and the log 32.
        for settled in [false, true] {
            #expect(!hasRoom(space(max: 10_240, used: 10, room: 15), settled: settled))
            #expect(!hasRoom(space(max: 10_240, used: 10, room: 43), settled: settled))
            #expect(hasRoom(space(max: 10_240, used: 10, room: 44), settled: settled))
            #expect(hasRoom(space(max: 10_240, used: 10, room: nil), settled: settled))
        }
    }

    /// It has to be copied into the file, which takes what is free.
    @Test func aLogThatCannotBeCutIsNoRoom() {
        #expect(hasRoom(space(max: 10_240, used: 300, log: 600, room: 1_000)))
        #expect(!hasRoom(space(max: 10_240, used: 300, log: 680, room: 1_000)))
    }

    /// Where every sink has everything, room is made for a replay, or there is some.
    @Test(arguments: [64, 256, 1_024, 10_240], [200, 256, 400, 1_000, 100_000, nil])
    func noReplayWaitsWhereNothingIsBehind(max: Int, room: Int?) {
        let limit = space(max: max, used: 0, room: room).limitBytes / Self.megabyte
        for percent in 0..<100 {
            let space = space(max: max, used: limit * percent / 100, room: room)
            #expect(space.needsRelief || hasRoom(space), "\(percent) %")
            #expect(!space.needsRelief || !hasRoom(space, settled: false), "\(percent) %")
        }
    }

    /// A disk of which others have taken most: a step follows what is left.
    @Test(arguments: [48, 50, 64, 80]) func aStepFitsBetweenWhereRoomIsMadeAndTheLimit(room: Int) {
        for used in 0..<room {
            let space = space(max: 256, used: used, room: room)
            #expect(space.limitBytes == room * Self.megabyte)
            #expect(space.needsRelief || hasRoom(space), "\(used) MB")
        }
    }
}
