import Foundation
import GRDB
import Relay
import Synchronization

/// One SQLite file's write connection, shared by all sinks on the file, and the thread that it is used on.
///
/// SQLite has one writer per file; two connections of one process would only wait for each other's locks.
/// Commits are durable: WAL with `synchronous=FULL` (https://sqlite.org/pragma.html#pragma_synchronous).
final class SQLiteFile: Sendable {
    let path: String
    /// Every use of the connection is on this thread.
    let thread: SerialThread
    private let state = Mutex(State())

    private struct State {
        var opened: Opened?
        /// The log that a file left at its place when it was taken away, and that file.
        var left: (log: FileLook, file: FileLook?)?
        var users = 0
    }

    /// The connection, and the files that it writes.
    private struct Opened {
        let queue: DatabaseQueue
        /// Looked at before it was opened: where it was exchanged in between, that shows.
        let file: FileLook?
        let log: FileLook?
    }

    /// Who waits for an acknowledgement goes first; what is to be written is stored already.
    ///
    /// The thread shares no lock with the intake that it holds for longer than an allocation takes.
    private static let niceness: Int32 = 10
    /// How long a commit waits for another process that has the file locked.
    private static let busyTimeout: TimeInterval = 5

    init(path: String) {
        self.path = path
        thread = SerialThread(name: "sqlite sink", niceness: Self.niceness)
    }

    /// Counts a sink in; each ``release()`` counts one out.
    func retain() { state.withLock { $0.users += 1 } }

    /// The last sink closes the connection.
    func release() {
        let queue = state.withLock { state -> DatabaseQueue? in
            state.users -= 1
            guard state.users == 0 else { return nil }
            defer { state.opened = nil }
            return state.opened?.queue
        }
        // A failure leaves the file to SQLite's own recovery at the next open; nothing uncommitted is in it.
        try? queue?.close()
    }

    /// The connection, where there is one and the path still leads to its file; else it is let go.
    ///
    /// A file that was removed or exchanged lives on for whoever has it open, and takes what nobody will see.
    ///
    /// Blocks.
    var open: DatabaseQueue? {
        guard let opened = state.withLock(\.opened) else { return nil }
        if let file = opened.file, FileLook(path)?.isSameFile(as: file) == true { return opened.queue }
        // What is in the log belongs to the file, wherever that is now: closing would leave it in a log that
        // nobody finds, for SQLite sees that the file has moved. A failure is met by `refuseLeftLog`.
        _ = try? opened.queue.writeWithoutTransaction { try $0.checkpoint(.truncate) }
        discardConnection()
        if let log = FileLook(logPath), let own = opened.log, log.isSameFile(as: own) {
            state.withLock { $0.left = (log, opened.file) }
        }
        return nil
    }

    /// The connection, opened where it isn't yet.
    ///
    /// Blocks.
    func connection(createsMissing: Bool) throws(TableFailure) -> DatabaseQueue {
        if let open { return open }
        try refuseLeftLog()
        if createsMissing {
            let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
            // Where this fails, opening the file does too, with SQLite's reason.
            try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            // Rows name people: a file that is new is its owner's. One that is there keeps the rights it has.
            let file = Foundation.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
            if file >= 0 { close(file) }
        } else if !FileManager.default.fileExists(atPath: path) {
            throw .sink(.misconfigured(reason: "\(path) does not exist, and \"create\" is false"))
        }
        do {
            let file = FileLook(path)
            let queue = try Self.open(path)
            let opened = Opened(queue: queue, file: file, log: FileLook(logPath))
            state.withLock { $0.opened = opened }
            return queue
        } catch {
            throw TableFailure(sqlite: error, path: path)
        }
    }

    /// Lets the connection be opened anew, after an error that may be the connection's.
    func discardConnection() {
        let queue = state.withLock { state -> DatabaseQueue? in
            defer { state.opened = nil }
            return state.opened?.queue
        }
        try? queue?.close()
    }

    private var logPath: String { path + "-wal" }

    /// Throws where a file that took another one's place stands beside that one's log: SQLite would take the
    /// log for the new file's and write the old pages into it
    /// (https://sqlite.org/howtocorrupt.html#_unlinking_or_renaming_a_database_file_while_in_use).
    func refuseLeftLog() throws(TableFailure) {
        // SQLite removes the log of a file that is empty by itself.
        guard let left = state.withLock(\.left), left.log.size > 0, FileLook(logPath) == left.log,
            let file = FileLook(path), file.size > 0, left.file?.isSameFile(as: file) != true
        else { return }
        throw .sink(
            .misconfigured(
                reason:
                    "\(path) was exchanged, and the log of the file before it was left behind: remove "
                    + "\(logPath) and \(path)-shm"))
    }

    private static func open(_ path: String) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.busyMode = .timeout(busyTimeout)
        configuration.label = "sqlite sink"
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        // After GRDB's own set-up, which would otherwise lower `synchronous`.
        try queue.writeWithoutTransaction { database in
            let mode = try String.fetchOne(database, sql: "PRAGMA journal_mode=WAL")
            try database.execute(sql: "PRAGMA synchronous=FULL")
            // A batch of many users touches a page for nearly each of them.
            try database.execute(sql: "PRAGMA cache_size=-8192")
            try database.execute(sql: "PRAGMA wal_autocheckpoint=4000")
            // The first look into the file makes its log.
            _ = try Int.fetchOne(database, sql: "SELECT count(*) FROM sqlite_schema")
            let synchronous = try Int.fetchOne(database, sql: "PRAGMA synchronous")
            guard mode == "wal", synchronous == 2 else {
                throw SQLiteFileError("\(path) cannot use a write-ahead log; is it on a network file system?")
            }
        }
        return queue
    }
}

/// What a file is not able to do.
struct SQLiteFileError: Error {
    let description: String
    init(_ description: String) { self.description = description }
}

/// The open files of one relay, by path, so that sinks on one file share it.
final class SQLiteFiles: Sendable {
    private let files = Mutex<[String: Box]>([:])

    private struct Box: Sendable { weak let file: SQLiteFile? }

    func file(_ path: String) -> SQLiteFile {
        let path = URL(fileURLWithPath: path).standardizedFileURL.resolvingSymlinksInPath().path
        return files.withLock { files in
            if let file = files[path]?.file { return file }
            let file = SQLiteFile(path: path)
            files = files.filter { $0.value.file != nil }
            files[path] = Box(file: file)
            return file
        }
    }
}
