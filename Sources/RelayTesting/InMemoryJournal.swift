public import Relay
public import Rules
import Synchronization

/// A journal that forgets everything with its process, and that a test can make fail or wait.
///
/// It keeps every promise of ``Relay/Journal`` but durability: one value under a lock.
public final class InMemoryJournal: Journal {
    private struct Gate {
        var failure: JournalError?
        var isHolding = false
        var held: [@Sendable () -> Void] = []
        var subscribers: [AsyncStream<Void>.Continuation] = []
    }

    let log: Mutex<MemoryLog>
    private let gate = Mutex(Gate())
    private let arrivals = AsyncStream<Int>.makeStream()
    private let clock: any RelayClock

    /// - Parameter clock: Stamps dead letters.
    public init(clock: any RelayClock = SystemClock()) {
        self.clock = clock
        log = Mutex(MemoryLog())
    }

    // MARK: - What a test does to it

    /// From now on appends throw this; nil ends that.
    public func failAppends(with error: JournalError?) { gate.withLock { $0.failure = error } }

    /// From now on appends wait, not committed, for ``releaseAppends()``.
    public func holdAppends() { gate.withLock { $0.isHolding = true } }

    /// Lets the held appends commit, and no longer holds others.
    public func releaseAppends() {
        let held = gate.withLock { gate in
            defer { gate.held = [] }
            gate.isHolding = false
            return gate.held
        }
        for commit in held { commit() }
    }

    /// Waits until an append has come in, held or not, and tells how many events it has; each is told once.
    public func nextAppend() async -> Int {
        var iterator = arrivals.stream.makeAsyncIterator()
        return await iterator.next() ?? 0
    }

    /// Makes a sink known, as a config that names it does: it misses nothing from now on.
    public func know(_ sink: String) { log.withLock { $0.know(sink) } }

    /// Sets or ends a sink's hold, as an operator does; its worker sees it with its next lease.
    ///
    /// - Parameter exempting: Whether all that is there passes the sink's limits.
    public func hold(_ sink: String, _ hold: SinkHold?, exempting: Bool = false) {
        log.withLock { log in
            let horizon = log.horizon
            log.sinks[sink]?.hold = hold
            log.sinks[sink]?.isMoved = true
            if exempting { log.sinks[sink]?.exemptTo = horizon }
        }
    }

    /// Has a sink go on behind another offset, as an operator does: forward what it passes is given up,
    /// backward what had been settled comes again.
    public func move(_ sink: String, to offset: Offset) { log.withLock { $0.move(sink, to: offset) } }

    /// Every accepted event with its route, oldest first.
    public var entries: [(event: Event, route: Route)] {
        log.withLock { $0.rows.map { ($0.event, $0.route) } }
    }

    /// Everything quarantined, oldest first.
    public var quarantinedInputs: [QuarantinedInput] { log.withLock { $0.quarantined } }

    // MARK: - Journal

    public func append(
        _ submission: Submission, answer: @escaping @Sendable (Result<AppendReceipt, JournalError>) -> Void
    ) {
        let commit: @Sendable () -> Void = { answer(self.commit(submission)) }
        let isHeld = gate.withLock { gate in
            if gate.isHolding { gate.held.append(commit) }
            return gate.isHolding
        }
        if !isHeld { commit() }
        arrivals.continuation.yield(submission.events.count)
    }

    private func commit(_ submission: Submission) -> Result<AppendReceipt, JournalError> {
        if let failure = gate.withLock(\.failure) { return .failure(failure) }
        do throws(JournalError) {
            let receipt = try open { $0.append(submission) }
            for subscriber in gate.withLock(\.subscribers) { subscriber.yield() }
            return .success(receipt)
        } catch {
            return .failure(error)
        }
    }

    public func lease(_ sink: String) async throws(JournalError) -> SinkLease {
        let now = clock.now
        return try open { $0.lease(sink, at: now) }
    }

    public func read(
        _ sink: String, after offset: Offset, limit: ReadLimit
    ) async throws(JournalError) -> JournalPage {
        try open { $0.read(sink, after: offset, limit: limit) }
    }

    public func read(_ sink: String, at offsets: [Offset]) async throws(JournalError) -> [JournalEntry] {
        let wanted = Set(offsets)
        return try open { log in
            log.rows.filter { wanted.contains($0.offset) }.compactMap { $0.entry(for: sink) }
        }
    }

    public func states(
        _ sink: String, of subjects: [Subject]
    ) async throws(JournalError) -> [Subject: FoldState] {
        let wanted = Set(subjects)
        return try open { log in
            (log.sinks[sink]?.states ?? [:]).filter { wanted.contains($0.key) }
        }
    }

    public func intend(_ sink: String, epoch: Int64, _ offsets: [Offset]) async throws(JournalError) {
        if let refusal = try open({ $0.intend(sink, epoch: epoch, offsets) }) { throw refusal }
    }

    public func record(_ settlement: Settlement) async throws(JournalError) -> SettleResult {
        let now = clock.now
        return try open { $0.settle(settlement, at: now) }.get()
    }

    public func news() -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        // An entry may have come between a caller's last read and this call.
        continuation.yield()
        if log.withLock(\.isClosed) { continuation.finish() }
        gate.withLock { $0.subscribers.append(continuation) }
        return stream
    }

    public func close() async {
        releaseAppends()
        log.withLock { $0.isClosed = true }
        for subscriber in gate.withLock(\.subscribers) { subscriber.finish() }
    }

    func open<Value: Sendable>(
        _ body: (inout MemoryLog) -> sending Value
    ) throws(JournalError) -> Value {
        let value = log.withLock { log -> Value? in log.isClosed ? nil : body(&log) }
        guard let value else { throw .closed }
        return value
    }
}

extension Journal {
    /// Records a settlement, and throws ``Relay/JournalError/moved`` where the sink's place was moved.
    public func settle(_ settlement: Settlement) async throws(JournalError) {
        guard try await record(settlement) == .whole else { throw .moved }
    }
}
