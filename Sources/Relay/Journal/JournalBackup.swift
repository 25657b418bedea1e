import Foundation
import GRDB

/// Copies a journal into one file, as it is at one instant, while a relay goes on writing to it.
enum JournalBackup {
    /// Copied between two calls of `progress`: 16 MB.
    private static let pagesPerStep: CInt = 1_024

    /// Writes the copy under another name, makes it durable, and only then gives it its own.
    ///
    /// - Parameters:
    ///   - source: Of the journal's file; nothing of it is changed.
    ///   - replaces: Whether a file of that name gives way, as at an upgrade, when nobody writes.
    ///   - progress: Told the share that is done, 0 to 1.
    /// - Throws: ``JournalError``, also where there is such a file and it may not be replaced.
    static func write(
        _ source: DatabaseQueue, to path: String, replaces: Bool = false,
        progress: @escaping (Double) -> Void = { _ in }
    ) throws {
        if !replaces, FileManager.default.fileExists(atPath: path) { throw refusal(path) }
        let partial = path + ".partial"
        unlink(partial)
        let file = open(partial, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else {
            throw JournalError.unusable(
                reason: "cannot create \(partial): \(String(cString: strerror(errno))); name another place")
        }
        close(file)
        defer { unlink(partial) }
        try copy(source, to: partial, isInUse: !replaces, progress)
        try sync(partial)
        try publish(partial, as: path, replaces: replaces)
        try sync(JournalFile.folder(of: path))
    }

    private static func copy(
        _ source: DatabaseQueue, to path: String, isInUse: Bool, _ progress: @escaping (Double) -> Void
    ) throws {
        do {
            let target = try DatabaseQueue(path: path)
            try source.read { from in
                // The transaction begins with its first statement, and what it sees stays the same.
                _ = try Int.fetchOne(from, sql: "SELECT count(*) FROM sqlite_schema")
                try lookForRoom(for: from, at: path, journal: isInUse ? source.path : nil)
                try target.writeWithoutTransaction { to in
                    try to.execute(sql: "PRAGMA synchronous = OFF")
                    try from.backup(to: to, pagesPerStep: pagesPerStep) { step in
                        progress(1 - Double(step.remainingPageCount) / Double(max(1, step.totalPageCount)))
                    }
                }
            }
            // One file, without a log beside it; the relay sets its own mode again.
            try target.writeWithoutTransaction { db in
                _ = try String.fetchOne(db, sql: "PRAGMA journal_mode = DELETE")
            }
            try target.close()
        } catch let error as DatabaseError where error.resultCode == .SQLITE_FULL {
            throw JournalError.cannotCommit(
                reason: "there is not enough room for \(path); the copy takes as much as the journal")
        }
    }

    /// A copy that fills a disk would take from whoever lives on it.
    ///
    /// - Parameter journal: Of one that is in use: its log grows as long as it is copied, so on its own disk
    ///   an eighth more has to be free.
    private static func lookForRoom(for db: Database, at path: String, journal: String?) throws {
        let pages = try Int.fetchOne(db, sql: "PRAGMA page_count") ?? 0
        let bytes = try pages * (Int.fetchOne(db, sql: "PRAGMA page_size") ?? 0)
        // Some file systems tell nothing.
        guard let disk = Disk(of: JournalFile.folder(of: path)), disk.totalBytes > 0 else { return }
        let other = journal.flatMap { Disk(of: JournalFile.folder(of: $0)) }
        let needed = bytes + (disk.id != 0 && other?.id == disk.id ? bytes / 8 : 0)
        guard disk.availableBytes < needed else { return }
        throw JournalError.cannotCommit(
            reason: "there is not enough room for \(path): \(needed) bytes have to be free there")
    }

    private static func publish(_ partial: String, as path: String, replaces: Bool) throws {
        // A link never replaces a file that came meanwhile, as a rename would.
        if replaces {
            guard rename(partial, path) != 0 else { return }
        } else {
            guard link(partial, path) != 0 else { return }
            if errno == EEXIST { throw refusal(path) }
            guard rename(partial, path) != 0 else { return }
        }
        throw JournalError.unusable(
            reason: "cannot name the backup \(path): \(String(cString: strerror(errno)))")
    }

    private static func refusal(_ path: String) -> JournalError {
        .unusable(reason: "\(path) is there already, and a backup replaces no file; name another")
    }

    private static func sync(_ path: String) throws {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        defer { if file >= 0 { close(file) } }
        guard file >= 0, fsync(file) == 0 else {
            throw JournalError.cannotCommit(
                reason: "\(path) could not be made durable: \(String(cString: strerror(errno)))")
        }
    }
}
