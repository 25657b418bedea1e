import GRDB

/// Copies the write-ahead log into the database file on a thread and a connection of its own, so that no
/// commit, and nobody who waits for one, pays for it.
final class JournalCheckpointer: Sendable {
    private let thread = SerialThread(name: "checkpointer")
    private let connection: Connection

    /// The file is opened with the first checkpoint.
    init(path: String) { connection = Connection(path: path) }

    enum Kind {
        /// Leaves the log's file as long as it is: writing over it is cheaper to sync than making it longer.
        ///
        /// A log of more bytes begins anew at its start; the writer waits while the last frames are copied.
        case passive(bytesMax: Int)
        /// Cuts it, which the writer has to wait for; its room is given back.
        case truncate
    }

    /// Asks for a checkpoint and does not wait for it.
    func checkpoint(_ kind: Kind) {
        thread.submit { [connection] in
            // Where it fails, the log stays as it is and the next request tries again.
            try? connection.checkpoint(kind)
        }
    }

    func close() async {
        await thread.run { [connection] in connection.close() }
    }

    /// The connection, opened late.
    ///
    /// `@unchecked`: only work on the one thread above touches it.
    private final class Connection: @unchecked Sendable {
        private let path: String
        private var queue: DatabaseQueue?
        private var isClosed = false
        /// How far somebody who reads an older state, a backup say, has let the log be copied when it was to
        /// begin anew.
        private var blockedAt: Int?
        private var pageBytes = JournalFile.pageBytes

        init(path: String) { self.path = path }

        /// Does nothing once it is closed: a connection that is gone cannot be asked for anything.
        func checkpoint(_ kind: Kind) throws {
            guard !isClosed else { return }
            let queue = try queue ?? open()
            self.queue = queue
            try queue.writeWithoutTransaction { db in
                let result = try db.checkpoint(.passive)
                switch kind {
                case .truncate: try db.checkpoint(.truncate)
                case .passive(let bytesMax) where result.walFrameCount * pageBytes > bytesMax:
                    // What has come meanwhile is copied first, so that the writer waits for a few frames and
                    // for a file that has just been synced.
                    let again = try db.checkpoint(.passive)
                    try begin(db, copied: again.checkpointedFrameCount, of: again.walFrameCount)
                case .passive: break
                }
            }
        }

        /// Has the log begin anew; not while the same reader is in the way as the last time, for the writer
        /// would wait in vain.
        private func begin(_ db: Database, copied frames: Int, of all: Int) throws {
            if frames == blockedAt, frames < all { return }
            blockedAt = frames
            try db.checkpoint(.restart)
            blockedAt = nil
        }

        func close() {
            isClosed = true
            try? queue?.close()
            queue = nil
        }

        private func open() throws -> DatabaseQueue {
            var configuration = Configuration()
            configuration.label = "journal checkpoint"
            // The writer waits meanwhile; a reader that takes longer puts it off to the next checkpoint.
            configuration.busyMode = .timeout(0.1)
            let queue = try DatabaseQueue(path: path, configuration: configuration)
            pageBytes = try queue.read { try Int.fetchOne($0, sql: "PRAGMA page_size") } ?? pageBytes
            return queue
        }
    }
}
