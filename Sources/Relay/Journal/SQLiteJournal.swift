public import Config
public import Logging
import Synchronization

/// The journal in one SQLite file: a writer thread, two that read, and the newest entries in memory.
///
/// Durable before it answers (WAL with `synchronous=FULL`, asserted at start). One process at a time has
/// it,
/// which a lock file beside it enforces.
public final class SQLiteJournal: Journal {
    /// Of the file itself, whatever links lead to it.
    let path: String
    let committer: GroupCommitter
    private let reader: JournalReader
    /// For what single deliveries ask for: they do not wait for whole pages of a sink that is behind.
    private let lookups: JournalReader
    private let tail: JournalTail
    private let newsStand: NewsStand
    let clock: any RelayClock
    private let checkpointer: JournalCheckpointer
    /// Nil once the journal is closed.
    private let lock: Mutex<JournalLock?>

    /// Opens the file, makes or migrates it, and takes its lock.
    ///
    /// - Parameters:
    ///   - limits: The file, whose folder is made where it is missing, and how much is kept for how long.
    ///   - logger: Told of what goes wrong between commits, where no caller waits for an answer.
    ///   - retains: Whether it deletes by itself what is older than the limits say; a command that works on
    ///     the file where no relay runs leaves that to the relay.
    /// - Throws: ``JournalError/unusable(reason:)`` where another relay has the file, where a newer version
    ///   wrote it, or where it is damaged.
    public init(
        _ limits: JournalConfiguration, clock: any RelayClock,
        logger: Logger = Logger(label: "okta-relay.journal"), retains: Bool = true
    ) async throws(JournalError) {
        var limits = limits
        do {
            try JournalFile.makeFolder(of: limits.path)
        } catch {
            throw .unusable(
                reason: "cannot make the folder of \(limits.path); check the rights of the folder above")
        }
        let path = JournalFile.place(of: limits.path)
        limits.path = path
        self.path = path
        let lock = try JournalLock(journalPath: path)
        self.lock = Mutex(consume lock)
        let tail = JournalTail()
        let newsStand = NewsStand()
        let checkpointer = JournalCheckpointer(path: path)
        committer = try await GroupCommitter { [limits] in
            let writer = try JournalWriter(
                JournalFile.openForWriting(path, logger: logger),
                clock: clock,
                limits: limits,
                logger: logger,
                publish: { entries, horizon in
                    tail.publish(entries, upTo: horizon)
                    newsStand.announce()
                },
                checkpointIsDue: { checkpointer.checkpoint($0) }
            )
            writer.retainsByItself = retains
            tail.begin(at: writer.lastOffset)
            return writer
        }
        do {
            reader = try JournalReader(path: path)
            lookups = try JournalReader(path: path)
        } catch {
            throw JournalError(error)
        }
        self.checkpointer = checkpointer
        self.tail = tail
        self.newsStand = newsStand
        self.clock = clock
    }

    /// The same with the standard limits but for the retention.
    public convenience init(
        path: String, retention: Duration, clock: any RelayClock,
        logger: Logger = Logger(label: "okta-relay.journal")
    ) async throws(JournalError) {
        let limits = JournalConfiguration(
            path: path, retention: retention, receipts: max(retention, Limits.receiptsDefault))
        try await self.init(limits, clock: clock, logger: logger)
    }

    public func append(
        _ submission: Submission, answer: @escaping @Sendable (Result<AppendReceipt, JournalError>) -> Void
    ) {
        // Hashing is the callers' work, on their threads; the one writer has enough to do.
        let digests = submission.events.map { EventDigest(org: $0.event.org, eventID: $0.event.id) }
        committer.commit({ try $0.append(submission, digests: digests) }, answer: answer)
    }

    public func lease(_ sink: String) async throws(JournalError) -> SinkLease {
        while true {
            let lease = try await committer.commit { try $0.lease(sink) }
            if let whole = try await beside({ try lease.withParked(from: $0) }) { return whole }
        }
    }

    public func read(
        _ sink: String, after offset: Offset, limit: ReadLimit
    ) async throws(JournalError) -> JournalPage {
        if let page = tail.read(sink, after: offset.rawValue, limit: limit) { return page }
        return try await reader.read(sink, after: offset, horizon: tail.horizon, limit: limit)
    }

    public func read(_ sink: String, at offsets: [Offset]) async throws(JournalError) -> [JournalEntry] {
        try await lookups.read(sink, at: offsets)
    }

    public func states(
        _ sink: String, of subjects: [Subject]
    ) async throws(JournalError) -> [Subject: FoldState] {
        try await lookups.states(sink, of: subjects)
    }

    public func intend(_ sink: String, epoch: Int64, _ offsets: [Offset]) async throws(JournalError) {
        try await committer.commit { try $0.intend(sink, epoch: epoch, offsets) }
    }

    public func record(_ settlement: Settlement) async throws(JournalError) -> SettleResult {
        let now = clock.now
        return try await committer.commit { try $0.settle(settlement, at: now) }
    }

    /// Takes over what the configuration says of its sinks: which there are, how long entries wait for each,
    /// and what it was called before; all of it or nothing.
    ///
    /// Sinks that are enabled miss nothing from then on, so the rules that name them come after this.
    /// Nothing is given up before this was called once. A sink must not be leased while it is renamed: its
    /// worker has ended.
    ///
    /// - Parameter starts: What sinks begin with that the journal does not know yet; without it they begin at
    ///   the log's end.
    /// - Returns: The renames that were carried out, former names to today's.
    @discardableResult
    public func keep(
        _ policies: [SinkPolicy], starts: [ReplayRequest] = []
    ) async throws(JournalError) -> [String: String] {
        let renamed = try await committer.commit { try $0.keep(policies, starts: starts) }
        guard !renamed.names.isEmpty else { return [:] }
        tail.rename(renamed.names, upTo: renamed.last)
        await reader.forgetRoutes()
        await lookups.forgetRoutes()
        return renamed.names
    }

    /// Carries out all of retention that is due, step by step between commits; what was deleted.
    @discardableResult
    func retain() async throws(JournalError) -> JournalRetention.Counts {
        try await committer.commit { $0.beginRetentionPass() }
        while try await committer.commit({ $0.retention.isUnderWay }) { committer.wakeUp() }
        return try await committer.commit { $0.retention.deleted }
    }

    public func news() -> AsyncStream<Void> { newsStand.subscribe() }

    public func close() async {
        newsStand.close()
        await reader.close()
        await lookups.close()
        await checkpointer.close()
        await committer.close()
        lock.withLock { $0 = nil }
    }
}
