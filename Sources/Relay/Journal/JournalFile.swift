import Foundation
import GRDB
import Logging

/// Opens the journal's SQLite file the one right way for each purpose.
enum JournalFile {
    /// Some bodies of 2 to 3 KB fit into one, and what a commit writes besides them is little; fixed when the
    /// file is made, and other in older ones.
    static let pageBytes = 8_192

    /// The write connection: WAL, an fsync for each commit, both asserted; migrated to today's schema, with a
    /// backup before, and looked over.
    static func openForWriting(_ path: String, logger: Logger) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.label = "journal"
        configuration.busyMode = .timeout(5)
        configuration.prepareDatabase { db in
            try db.execute(sql: "PRAGMA page_size = \(pageBytes)")
            try db.execute(sql: "PRAGMA auto_vacuum = INCREMENTAL")
            _ = try String.fetchOne(db, sql: "PRAGMA journal_mode = WAL")
            try db.execute(sql: "PRAGMA synchronous = FULL")
            try db.execute(sql: "PRAGMA wal_autocheckpoint = 0")
            try db.execute(sql: "PRAGMA journal_size_limit = 67108864")
            try db.execute(sql: "PRAGMA secure_delete = FAST")
            // Savepoints keep their pages in memory, not in a file that is made and removed each time.
            try db.execute(sql: "PRAGMA temp_store = MEMORY")
            try db.execute(sql: "PRAGMA cache_size = -8192")
            // A row that is replaced goes for the triggers that count, too.
            try db.execute(sql: "PRAGMA recursive_triggers = ON")
        }
        makePrivate(path)
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        try queue.writeWithoutTransaction { db in
            try refuseNewer(db)
            try assertDurable(db)
            // An upgrade that is not on it would be made once more.
            if let problem = try JournalCheck.upgradesProblem(db) { throw JournalDamage(what: problem) }
        }
        try backUpBeforeMigration(queue, path, logger)
        try JournalSchema.migrator.migrate(queue)
        try queue.read(JournalCheck.run)
        return queue
    }

    /// An upgrade cannot be undone; what it began with stays beside the journal as `<journal>.v1.backup`.
    private static func backUpBeforeMigration(
        _ queue: DatabaseQueue, _ path: String, _ logger: Logger
    ) throws {
        let version = try queue.read { try Int.fetchOne($0, sql: "PRAGMA user_version") ?? 0 }
        guard version > 0, version < JournalSchema.version else { return }
        let backup = "\(path).v\(version).backup"
        do {
            try JournalBackup.write(queue, to: backup, replaces: true)
        } catch {
            throw JournalError.unusable(
                reason: """
                    the journal has to be upgraded, and its backup could not be made: \
                    \(JournalError(error).reason)
                    """)
        }
        logger.notice(
            "the journal is upgraded; the old one is kept beside it until you remove it",
            metadata: ["backup": "\(backup)", "schema": "\(JournalSchema.version)"])
    }

    /// A connection that only reads, beside a relay that is running.
    static func openForReading(_ path: String) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.label = "journal reader"
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        return try DatabaseQueue(path: path, configuration: configuration)
    }

    /// Events name people, so only the owner reads them; SQLite gives the files beside it the same rights.
    private static func makePrivate(_ path: String) {
        // Where this fails, opening the database says why.
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        if file >= 0 { close(file) }
    }

    /// Where the file itself is, or will be: the path with every symbolic link followed.
    ///
    /// SQLite follows them, so this is the path beside which everything else of the journal lies, and whose
    /// disk it fills. Neither the file nor its folder need be there.
    static func place(of path: String) -> String {
        let (folder, name) = parts(of: path)
        if let resolved = realpath(path, nil) {
            defer { free(resolved) }
            return String(cString: resolved)
        }
        // What else is wrong with it, opening it tells.
        guard errno == ENOENT, folder != path else { return path }
        if let target = try? FileManager.default.destinationOfSymbolicLink(atPath: path) {
            let isWhole = target.hasPrefix("/")
            return place(of: isWhole ? target : (folder as NSString).appendingPathComponent(target))
        }
        return (place(of: folder) as NSString).appendingPathComponent(name)
    }

    static func folder(of path: String) -> String { parts(of: path).folder }

    /// Not by Foundation, which crashes on a path of one letter.
    private static func parts(of path: String) -> (folder: String, name: String) {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return (".", path) }
        let folder = path[..<slash]
        return (folder.isEmpty ? "/" : String(folder), String(path[path.utf8.index(after: slash)...]))
    }

    static func makeFolder(of path: String) throws {
        let folder = Self.folder(of: path)
        guard !FileManager.default.fileExists(atPath: folder) else { return }
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    private static func refuseNewer(_ db: Database) throws {
        let version = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
        guard version <= JournalSchema.version else {
            throw JournalError.unusable(
                reason: """
                    the journal was written by a newer okta-relay (schema \(version), this one knows \
                    \(JournalSchema.version)); run that version, or restore a backup from before the upgrade
                    """
            )
        }
    }

    /// What is acknowledged must survive a power cut; GRDB and SQLite have defaults that would not.
    static func assertDurable(_ db: Database) throws {
        let mode = try String.fetchOne(db, sql: "PRAGMA journal_mode")
        let synchronous = try Int.fetchOne(db, sql: "PRAGMA synchronous")
        guard mode == "wal", synchronous == 2 else {
            throw JournalError.unusable(
                reason: "the journal's disk does not support write-ahead logging; use a local file system")
        }
    }
}
