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
}
