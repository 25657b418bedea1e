import Foundation
@testable import Relay
import RelayTesting
import Rules
import Testing

/// A disk that is really full: a small file system in memory, mounted for the test.
@Suite struct JournalDiskTests {
    private func submission(_ number: Int) throws -> Submission {
        let event = try LogEventFixture(uuid: "event-\(number)").event()
        return Submission(events: [Submission.RoutedEvent(event: event, route: Route(choices: []))])
    }

    @Test(.enabled(if: ScratchDisk.isAvailable, "\(ScratchDisk.whyNot)"))
    func aFullDiskRefusesAndHealsByItself() async throws {
        let disk = try ScratchDisk(megabytes: 4)
        let path = disk.file("journal.sqlite")
        let century = Duration.seconds(86_400 * 36_500)
        let journal = try await SQLiteJournal(path: path, retention: century, clock: SystemClock())
        try disk.fill()
        var acknowledged = 0
        var refusal: JournalError?
        while refusal == nil, acknowledged < 10_000 {
            do throws(JournalError) {
                let submission = try? submission(acknowledged)
                _ = try await journal.append(submission ?? Submission())
                acknowledged += 1
            } catch {
                refusal = error
            }
        }
        #expect(refusal == .cannotCommit(reason: "the disk of the journal is full; free space on it"))
        try disk.makeSpace()
        // The refused event comes again, and all that was acknowledged is known.
        let last = try submission(acknowledged)
        #expect(try await journal.append(last).accepted == 1)
        for number in 0..<acknowledged {
            let again = try submission(number)
            #expect(try await journal.append(again).duplicates == 1)
        }
        await journal.close()
        let reopened = try await SQLiteJournal(path: path, retention: century, clock: SystemClock())
        #expect(try await reopened.append(last).duplicates == 1)
        await reopened.close()
    }

    /// The reserve is let go: what makes room goes on, and what needs room is refused.
    @Test(.enabled(if: ScratchDisk.isAvailable, "\(ScratchDisk.whyNot)"))
    func onAFullDiskSettlesAndRetentionGoOn() async throws {
        let disk = try ScratchDisk(megabytes: 48)
        let fixture = try JournalFixture(on: disk)
        let journal = try await fixture.open()
        try await journal.keep([SinkPolicy(name: "a")])
        var lease = try await journal.lease("a")
        #expect(JournalSpace.bytes(ofFile: fixture.path + ".reserve") == 3 << 20)
        let intake = SteadyIntake(journal: journal, fixture: fixture)
        for _ in 0..<40 { #expect(await intake.append() == nil) }
        try disk.fill()
        let refusal = await intake.untilRefused()
        #expect(refusal == .cannotCommit(reason: "the disk of the journal is full; free space on it"))
        #expect(!FileManager.default.fileExists(atPath: fixture.path + ".reserve"))
        #expect(fixture.isLogged("disk is full"))

        // Everything is settled, one by one, and deleted; the others' file stays where it is.
        for step in 1...100 {
            try await journal.settle(lease, to: Int64(intake.accepted * step / 100))
            lease = try await journal.lease("a")
        }
        #expect(try await recovers(intake))
        #expect(try await fixture.sink("a")?.detached == 0)
        try disk.makeSpace()
        #expect(await intake.append() == nil)
        #expect(try await fixture.verify().problems == [])
        await journal.close()
    }

    /// Whether events are taken in after a while, and the reserve is there again.
    private func recovers(_ intake: SteadyIntake) async throws -> Bool {
        let (journal, fixture) = (intake.journal, intake.fixture)
        for _ in 0..<200 {
            if await intake.append() == nil {
                let size = JournalSpace.bytes(ofFile: fixture.path + ".reserve")
                return size > 0 && fixture.isLogged("has room again")
            }
            // A step that found no room is tried again after a few seconds.
            fixture.clock.advance(by: .seconds(6))
            _ = try await journal.retain()
        }
        return false
    }

    /// Nothing waits for a person, nor for another start.
    @Test(.enabled(if: ScratchDisk.isAvailable, "\(ScratchDisk.whyNot)"))
    func aReserveThatHadNoRoomAtTheStartIsMadeWhenItHas() async throws {
        let disk = try ScratchDisk(megabytes: 48)
        try disk.fill(leaving: 5 << 20)
        let fixture = try JournalFixture(on: disk)
        let journal = try await fixture.open()
        #expect(fixture.isLogged("no room for the reserve"))
        _ = try await journal.append(try fixture.submission(0..<10, to: []))
        #expect(JournalSpace.bytes(ofFile: fixture.path + ".reserve") == 0)
        try disk.makeSpace()
        _ = try await journal.retain()
        #expect(JournalSpace.bytes(ofFile: fixture.path + ".reserve") == 3 << 20)
        await journal.close()
    }

    /// The disk ends long before `maxSize`, and one sink is paused: that stops nobody, also where a link
    /// leads to that disk from another, which has room.
    @Test(.enabled(if: ScratchDisk.isAvailable, "\(ScratchDisk.whyNot)"), arguments: [false, true])
    func aSinkThatStaysBehindFillsNoDisk(isLinked: Bool) async throws {
        let disk = try ScratchDisk(megabytes: 32)
        let fixture = try JournalFixture(on: disk, isLinked: isLinked)
        #expect(SQLiteJournal.roomBytes(path: fixture.path).map { $0 <= 32 << 20 } == true)
        let journal = try await fixture.open()
        try await journal.keep([SinkPolicy(name: "fast"), SinkPolicy(name: "paused")])
        var fast = try await journal.lease("fast")
        _ = try await journal.lease("paused")
        for round in 0..<90 {
            fixture.clock.advance(by: .seconds(60))
            let ids = round * 100..<round * 100 + 100
            _ = try await journal.append(try fixture.submission(ids, to: ["fast", "paused"], bytes: 4_000))
            try await journal.settle(fast, to: Int64(ids.upperBound))
            fast = try await journal.lease("fast")
        }
        let paused = try #require(try await fixture.sink("paused"))
        #expect(paused.detached > 1_000 && paused.waiting > 1_000)
        #expect(paused.detached + paused.waiting == 9_000)
        #expect(try await fixture.sink("fast")?.detached == 0)
        #expect(try await fixture.detached("paused").first?.reason == "the journal's disk was nearly full")
        #expect(fixture.isLogged("70 % of what its disk has for it"))
        #expect(JournalSpace.bytes(ofFile: disk.file("journal.sqlite.reserve")) == 2 << 20)
        let status = try await SQLiteJournalInspection(path: fixture.path, sizeMax: 1 << 40).status()
        #expect(status.sizeMaxBytes.map { $0 < 32 << 20 } == true)
        #expect(try await fixture.verify().problems == [])
        await journal.close()
    }

    /// Nothing is old enough to go, and the disk is full of the journal itself.
    @Test(.enabled(if: ScratchDisk.isAvailable, "\(ScratchDisk.whyNot)"))
    func whatIsSettledMakesRoomOnAFullDisk() async throws {
        let fixture = try JournalFixture(on: try ScratchDisk(megabytes: 24))
        let journal = try await fixture.open()
        let lease = try await journal.lease("a")
        let intake = SteadyIntake(journal: journal, fixture: fixture)
        let refusal = await intake.untilRefused()
        #expect(refusal == .cannotCommit(reason: "the disk of the journal is full; free space on it"))
        // Without policies nothing is given up.
        fixture.clock.advance(by: fixture.day)
        _ = try await journal.retain()
        try await journal.settle(lease, to: Int64(intake.accepted))
        #expect(try await recovers(intake))
        #expect(try await fixture.sink("a")?.detached == 0)
        #expect(try await fixture.verify().problems == [])
        await journal.close()
    }

    /// A log that has just been cut is no room that lasts: patience does not begin anew for it.
    @Test func aShortageDoesNotEndWithTheLog() {
        let folder = FileManager.default.temporaryDirectory.path
        var space = JournalSpace(journalPath: "\(folder)/none.sqlite", sizeMax: 1 << 40)
        let log = 2 * space.logBytesMax
        let room = 4 * log
        func look(pages: Double, log: Int) -> DiskShortage.Look {
            space.note(pageBytes: Int(pages * Double(room)), logBytes: log, roomBytes: room)
            return space.shortage
        }
        #expect(look(pages: 0.7, log: log) == .short)
        #expect(look(pages: 0.7, log: 0) == .short && !space.needsRelief)
        #expect(look(pages: 0.62, log: 0) == .nearlyShort)
        #expect(look(pages: 0.55, log: log) == .ended)
    }

    /// Somebody else's file fills the disk for a moment: what waits is not given up, however old it is.
    @Test(.enabled(if: ScratchDisk.isAvailable, "\(ScratchDisk.whyNot)"))
    func aDiskThatIsFullForAMomentCostsNoSinkItsEvents() async throws {
        let disk = try ScratchDisk(megabytes: 48)
        let fixture = try JournalFixture(on: disk)
        let journal = try await fixture.open()
        try await journal.keep([SinkPolicy(name: "a")])
        _ = try await journal.lease("a")
        _ = try await journal.append(try fixture.submission(0..<3_000, to: ["a"], bytes: 4_000))
        for _ in 0..<2 {
            fixture.clock.advance(by: fixture.day)
            try disk.fill()
            _ = try await journal.retain()
            fixture.clock.advance(by: .seconds(20))
            _ = try await journal.retain()
            #expect(try await fixture.sink("a")?.waiting == 3_000)
            try disk.makeSpace()
            fixture.clock.advance(by: fixture.day)
            _ = try await journal.retain()
            #expect(try await fixture.sink("a")?.waiting == 3_000)
        }
        await journal.close()
    }

    @Test func nothingMoreIsGivenUpWhereOthersTakeWhatTheDiskGains() {
        var shortage = DiskShortage()
        let room = 100 << 20
        func mayGiveUp(_ second: Int64, room: Int?, megabytes: Int) -> Bool {
            shortage.mayGiveUp(
                at: second * 1_000_000_000, roomBytes: room, givenBack: megabytes << 20)
        }
        #expect(!mayGiveUp(0, room: room, megabytes: 0))
        shortage.look(.short, at: 0)
        shortage.look(.short, at: 30_000_000_000)
        #expect(!mayGiveUp(39, room: room, megabytes: 0))
        #expect(mayGiveUp(40, room: room, megabytes: 0))
        shortage.gaveUp(at: 40_000_000_000, roomBytes: room, givenBack: 0)
        #expect(mayGiveUp(41, room: room - 16_384, megabytes: 1))
        shortage.gaveUp(at: 41_000_000_000, roomBytes: room, givenBack: 1 << 20)
        // Not told, or nothing was given back yet.
        #expect(mayGiveUp(42, room: nil, megabytes: 2) && mayGiveUp(42, room: 0, megabytes: 1))
        #expect(!mayGiveUp(42, room: room - (1 << 20), megabytes: 2))
        // A little room for a moment makes the pause no shorter.
        shortage.look(.nearlyShort, at: 400_000_000_000)
        shortage.look(.short, at: 401_000_000_000)
        #expect(!mayGiveUp(641, room: room, megabytes: 2))
        #expect(mayGiveUp(642, room: room, megabytes: 2))
        shortage.look(.ended, at: 642_000_000_000)
        #expect(!mayGiveUp(9_999, room: room, megabytes: 2))
    }

    /// Making room ends where the disk is nearly short still, and that may last for months.
    @Test func aDiskThatIsShortAgainLaterIsWaitedForAnew() {
        var shortage = DiskShortage()
        func look(_ look: DiskShortage.Look, _ second: Int64) {
            shortage.look(look, at: second * 1_000_000_000)
        }
        func mayGiveUp(_ second: Int64) -> Bool {
            shortage.mayGiveUp(at: second * 1_000_000_000, roomBytes: nil, givenBack: 0)
        }
        look(.short, 0)
        #expect(mayGiveUp(40))
        shortage.gaveUp(at: 40_000_000_000, roomBytes: nil, givenBack: 0)
        // A journal that fills the disk by itself is short again soon.
        look(.nearlyShort, 41)
        look(.short, 60)
        #expect(mayGiveUp(60))
        look(.nearlyShort, 61)
        look(.short, 9_000_000)
        #expect(!mayGiveUp(9_000_039))
        #expect(mayGiveUp(9_000_040))
        // A clock that was set back makes nobody wait for longer.
        look(.short, 100)
        #expect(!mayGiveUp(139) && mayGiveUp(140))
    }

    @Test func whatMustStayForNowIsLookedThroughOnceAMinute() {
        let second: Int64 = 1_000_000_000
        var relief = JournalRelief()
        (relief.after, relief.firstPinned) = (4_000, 7)
        relief.looked(at: 0)
        relief.wait(at: 0)
        #expect(relief.isResting(at: 4 * second) && !relief.isResting(at: 5 * second))
        #expect(relief.after == 4_000 && relief.firstPinned == 7)
        relief.looked(at: 5 * second)
        #expect(!relief.isOutdated(at: 59 * second) && relief.isOutdated(at: 60 * second))
        relief.rest(at: 0)
        #expect(!relief.isOutdated(at: 60 * second) && relief.after == 0)
    }

    /// Its pages never go back, so nothing that is given up gives the disk any room.
    @Test(.enabled(if: ScratchDisk.isAvailable, "\(ScratchDisk.whyNot)"))
    func aFileThatCannotShrinkGivesNothingUpForItsDisk() async throws {
        let disk = try ScratchDisk(megabytes: 32)
        let fixture = try JournalFixture(on: disk)
        // As restored from a dump, say.
        try fixture.edit("PRAGMA page_size = \(JournalFile.pageBytes); CREATE TABLE restored (id INTEGER)")
        let journal = try await fixture.open()
        try await journal.keep([SinkPolicy(name: "a")])
        _ = try await journal.lease("a")
        let intake = SteadyIntake(journal: journal, fixture: fixture)
        for _ in 0..<40 { #expect(await intake.append() == nil) }
        try disk.fill()
        #expect(await intake.untilRefused() != nil)
        for _ in 0..<3 {
            fixture.clock.advance(by: fixture.day)
            _ = try await journal.retain()
        }
        #expect(try #require(try await fixture.sink("a")).waiting > intake.accepted / 2)
        try disk.makeSpace()
        #expect(try await recovers(intake))
        #expect(try await fixture.verify().problems == [])
        await journal.close()
    }

    @Test(.enabled(if: ScratchDisk.isAvailable, "\(ScratchDisk.whyNot)"))
    func aBackupThatDoesNotFitLeavesNothingBehind() async throws {
        let disk = try ScratchDisk(megabytes: 1)
        let fixture = try JournalFixture()
        let journal = try await fixture.open()
        _ = try await journal.append(try fixture.submission(0..<500, to: [], bytes: 4_000))
        let error = await #expect(throws: JournalError.self) {
            try await SQLiteJournalInspection(path: fixture.path).backup(to: disk.file("copy")) { _ in }
        }
        #expect(error?.reason.contains("not enough room") == true)
        #expect(try FileManager.default.contentsOfDirectory(atPath: disk.path).isEmpty)
        await journal.close()
    }
}

/// Fifty large events at a time for the sink `a`.
private final class SteadyIntake {
    let journal: SQLiteJournal
    let fixture: JournalFixture
    private(set) var accepted = 0

    init(journal: SQLiteJournal, fixture: JournalFixture) {
        self.journal = journal
        self.fixture = fixture
    }

    /// Why the next ones were not taken in; nil where they were.
    func append() async -> JournalError? {
        do throws(JournalError) {
            let ids = accepted..<accepted + 50
            let submission = try? fixture.submission(ids, to: ["a"], bytes: 4_000)
            _ = try await journal.append(submission ?? Submission())
            accepted += 50
            return nil
        } catch {
            return error
        }
    }

    /// Goes on until some are refused, or there are 20,000.
    func untilRefused() async -> JournalError? {
        var refusal: JournalError?
        while refusal == nil, accepted < 20_000 { refusal = await append() }
        return refusal
    }
}
