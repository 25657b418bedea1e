import Foundation
@testable import Relay
import RelayTesting
import Rules
import Testing

/// A disk that is really full: a small file system in memory, mounted for the test.
@Suite struct JournalDiskTests {
    /// Mounting needs root, and a kernel that lets it.
    private static let canMount: Bool = {
        guard getuid() == 0, let folder = try? TemporaryFolder() else { return false }
        defer { _ = run("umount", folder.path) }
        return run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder.path)
    }()

    private static func run(_ command: String...) -> Bool {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }

    private func submission(_ number: Int) throws -> Submission {
        let event = try LogEventFixture(uuid: "event-\(number)").event()
        return Submission(events: [Submission.RoutedEvent(event: event, route: Route(choices: []))])
    }

    @Test(.enabled(if: canMount, "mounting a small tmpfs needs root"))
    func aFullDiskRefusesAndHealsByItself() async throws {
        let folder = try TemporaryFolder()
        #expect(Self.run("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder.path))
        defer { _ = Self.run("umount", folder.path) }
        let path = folder.file("journal.sqlite")
        let century = Duration.seconds(86_400 * 36_500)
        let journal = try await SQLiteJournal(path: path, retention: century, clock: SystemClock())
        let filler = folder.file("filler")
        _ = FileManager.default.createFile(atPath: filler, contents: nil)
        let handle = try #require(FileHandle(forWritingAtPath: filler))
        while (try? handle.write(contentsOf: [UInt8](repeating: 1, count: 4_096))) != nil {}
        try handle.close()
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
        try FileManager.default.removeItem(atPath: filler)
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
