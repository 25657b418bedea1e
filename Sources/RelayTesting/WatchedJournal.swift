import JSON
public import Relay
import Synchronization

/// A journal that knows how many of the bodies that a sink's worker has read are still in memory.
///
/// It gives that worker copies that nobody else has, so what the journal behind it keeps of its newest
/// entries does not count.
public final class WatchedJournal: Journal {
    private struct Copy {
        weak var body: JSONDocument?
    }

    private struct State {
        var copies: [Copy] = []
        var heldMax = 0

        mutating func held() -> Int {
            copies.removeAll { $0.body == nil }
            return copies.count
        }
    }

    private let journal: any Journal
    private let watched: String
    private let state = Mutex(State())

    /// - Parameter sink: The one whose worker is watched.
    public init(_ journal: any Journal, watching sink: String) {
        self.journal = journal
        watched = sink
    }

    /// Bodies that the sink's worker has in memory now.
    public var held: Int { state.withLock { $0.held() } }

    /// The most that it had when it had read a page, since this was asked last.
    public func takeHeldMax() -> Int {
        state.withLock { state in
            defer { state.heldMax = 0 }
            return state.heldMax
        }
    }

    private func watch(_ entries: [JournalEntry], of sink: String) -> [JournalEntry] {
        guard sink == watched else { return entries }
        let copies = entries.map(\.copy)
        state.withLock { state in
            for entry in copies { state.copies.append(Copy(body: entry.event.body)) }
            state.heldMax = max(state.heldMax, state.held())
        }
        return copies
    }

    // MARK: - Journal

    public func append(
        _ submission: Submission, answer: @escaping @Sendable (Result<AppendReceipt, JournalError>) -> Void
    ) {
        journal.append(submission, answer: answer)
    }

    public func lease(_ sink: String) async throws(JournalError) -> SinkLease {
        try await journal.lease(sink)
    }

    public func read(
        _ sink: String, after offset: Offset, limit: ReadLimit
    ) async throws(JournalError) -> JournalPage {
        let page = try await journal.read(sink, after: offset, limit: limit)
        return JournalPage(
            entries: watch(page.entries, of: sink), end: page.end, isAtHorizon: page.isAtHorizon)
    }

    public func read(_ sink: String, at offsets: [Offset]) async throws(JournalError) -> [JournalEntry] {
        watch(try await journal.read(sink, at: offsets), of: sink)
    }

    public func states(
        _ sink: String, of subjects: [Subject]
    ) async throws(JournalError) -> [Subject: FoldState] {
        try await journal.states(sink, of: subjects)
    }

    public func intend(_ sink: String, epoch: Int64, _ offsets: [Offset]) async throws(JournalError) {
        try await journal.intend(sink, epoch: epoch, offsets)
    }

    public func record(_ settlement: Settlement) async throws(JournalError) -> SettleResult {
        try await journal.record(settlement)
    }

    public func news() -> AsyncStream<Void> { journal.news() }

    public func close() async { await journal.close() }
}

extension JournalEntry {
    /// The same with a body of its own.
    fileprivate var copy: JournalEntry {
        do {
            let event = try Event(
                body: JSONDocument(event.body.root), hook: event.hook, org: event.org,
                receivedAt: event.receivedAt, envelopeID: event.envelopeID)
            return JournalEntry(offset: offset, event: event, rule: rule, replay: replay)
        } catch {
            preconditionFailure("an event is none any more: \(error)")
        }
    }
}
