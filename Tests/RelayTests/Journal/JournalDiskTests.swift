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
        let filler = try fill(folder)
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

    /// Fills what is left of the disk, and tells the file to remove.
    private func fill(_ folder: TemporaryFolder, _ name: String = "filler") throws -> String {
        let filler = folder.file(name)
        _ = FileManager.default.createFile(atPath: filler, contents: nil)
        let handle = try #require(FileHandle(forWritingAtPath: filler))
        while (try? handle.write(contentsOf: [UInt8](repeating: 1, count: 4_096))) != nil {}
        try handle.close()
        return filler
    }

    /// The reserve is let go: what makes room goes on, and what needs room is refused.
    @Test(.enabled(if: canMount, "mounting a small tmpfs needs root"))
    func onAFullDiskSettlesAndRetentionGoOn() async throws {
        let folder = try TemporaryFolder()
        #expect(Self.run("mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", folder.path))
        defer { _ = Self.run("umount", folder.path) }
        let fixture = JournalFixture(in: folder)
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
        let filler = try fill(folder)
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
        #expect(try await journal.retain().entries == accepted - 1)
        // What that gave back the filler takes, too.
        let second = try fill(folder, "filler-2")
        #expect(await append() == refusal)

        for file in [filler, second] { try FileManager.default.removeItem(atPath: file) }
        #expect(await append() == nil)
        #expect(JournalSpace.bytes(ofFile: fixture.path + ".reserve") == 3 << 20)
        #expect(fixture.isLogged("has room again"))
        #expect(try await fixture.verify().problems == [])
        await journal.close()
    }

    @Test(.enabled(if: canMount, "mounting a small tmpfs needs root"))
    func aBackupThatDoesNotFitLeavesNothingBehind() async throws {
        let (place, disk) = (try TemporaryFolder(), try TemporaryFolder())
        #expect(Self.run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk.path))
        defer { _ = Self.run("umount", disk.path) }
        let fixture = JournalFixture(in: place)
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
