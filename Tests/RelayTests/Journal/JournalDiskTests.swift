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
        var accepted = 0
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
        for _ in 0..<40 { #expect(await append() == nil) }
        try disk.fill()
        var refusal: JournalError?
        while refusal == nil, accepted < 20_000 { refusal = await append() }
        #expect(refusal == .cannotCommit(reason: "the disk of the journal is full; free space on it"))
        #expect(!FileManager.default.fileExists(atPath: fixture.path + ".reserve"))
        #expect(fixture.isLogged("disk is full"))

        // Everything is settled, one by one, and deleted; the disk is as full as before.
        for step in 1...100 {
            try await journal.settle(lease, to: Int64(accepted * step / 100))
            lease = try await journal.lease("a")
        }
        fixture.clock.advance(by: fixture.day * 31)
        var deleted = 0
        // A step may find no room for the log, and is tried again.
        for _ in 0..<20 where deleted < accepted - 1 { deleted = try await journal.retain().entries }
        #expect(deleted == accepted - 1)
        // What that gave back the filler takes, too.
        try disk.fill()
        #expect(await append() == refusal)

        try disk.makeSpace()
        #expect(await append() == nil)
        #expect(JournalSpace.bytes(ofFile: fixture.path + ".reserve") == 3 << 20)
        #expect(fixture.isLogged("has room again"))
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
