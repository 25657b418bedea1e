import GRDB

/// Reads entries back from disk, on a thread and a connection of its own, for sinks that are behind the tail.
final class JournalReader: Sendable {
    private let thread: SerialThread
    private let queue: DatabaseQueue
    /// Touched on the thread only.
    private let stored: Stored

    init(path: String) throws {
        queue = try JournalFile.openForReading(path)
        thread = SerialThread(name: "journal-reader")
        stored = Stored()
    }

    func read(
        _ sink: String, after offset: Offset, horizon: Int64, limit: ReadLimit
    ) async throws(JournalError) -> JournalPage {
        try await onThread { db, stored in
            try stored.entries.page(sink, after: offset, horizon: horizon, limit: limit, db)
        }
    }

    func read(_ sink: String, at offsets: [Offset]) async throws(JournalError) -> [JournalEntry] {
        try await onThread { db, stored in try stored.entries.entries(sink, at: offsets, db) }
    }

    func states(_ sink: String, of subjects: [Subject]) async throws(JournalError) -> [Subject: FoldState] {
        try await onThread { db, _ in try StoredEntries.states(sink, of: subjects, db) }
    }

    /// Reads routes anew from now on, because sinks have other names.
    func forgetRoutes() async {
        await thread.run { [stored] in stored.entries.forgetRoutes() }
    }

    func close() async {
        await thread.run { [queue] in try? queue.close() }
    }

    private func onThread<T: Sendable>(
        _ body: @escaping @Sendable (Database, Stored) throws -> T
    ) async throws(JournalError) -> T {
        let result = await thread.run { [queue, stored] in
            Result { try queue.read { try body($0, stored) } }
        }
        do {
            return try result.get()
        } catch {
            throw JournalError(error)
        }
    }

    /// `@unchecked`: only closures that run on the reader's one thread touch it.
    private final class Stored: @unchecked Sendable {
        var entries = StoredEntries()
    }
}
