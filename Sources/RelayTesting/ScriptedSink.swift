public import Relay
import Rules
import Synchronization

/// An honest sink that does what a test tells it: it records what it is given and answers at once or
/// when asked.
public final class ScriptedSink: Sink {
    /// What the sink does with a batch.
    public enum Answer: Sendable {
        /// This outcome for each delivery.
        case each(Receipt.Outcome)
        case fails(SinkError)
        /// Nothing, until ``ScriptedSink/release()``; then `delivered`.
        case waits
    }

    private struct State {
        var answers: [Answer] = []
        var preparations: [SinkError?] = []
        var turns: [Deferral] = []
        var batches: [[Delivery]] = []
        var waiting: [CheckedContinuation<Void, Never>] = []
        var isReleased = false
        var hasShutDown = false
    }

    public let name: String
    public let limits: SinkLimits
    private let state = Mutex(State())
    private let arrivals = AsyncStream<[Delivery]>.makeStream()
    private let makeState: @Sendable (Delivery) -> FoldState?
    private let mustNotRepeat: Bool

    /// - Parameters:
    ///   - mustNotRepeat: Whether nothing may be given to it twice.
    ///   - state: The state that a receipt of a delivered event carries.
    public init(
        name: String = "sink", limits: SinkLimits, mustNotRepeat: Bool = false,
        state: @escaping @Sendable (Delivery) -> FoldState? = { _ in nil }
    ) {
        self.name = name
        self.limits = limits
        self.mustNotRepeat = mustNotRepeat
        makeState = state
    }

    /// What it answers to the next batches, one after another; after them all are delivered.
    public func answer(_ answers: Answer...) { state.withLock { $0.answers += answers } }

    /// How the next calls of ``prepare()`` end; after them all succeed.
    public func failPreparations(_ errors: SinkError...) { failPreparations(contentsOf: errors) }

    /// The same.
    public func failPreparations(contentsOf errors: [SinkError]) {
        state.withLock { $0.preparations += errors }
    }

    /// What the next askers for a turn are told; after them all have it.
    public func deferTurns(_ deferral: Deferral, times: Int = 1) {
        state.withLock { $0.turns += Array(repeating: deferral, count: times) }
    }

    /// Lets go of the batches that wait; none waits any more.
    public func release() {
        let waiting = state.withLock { state in
            defer { state.waiting = [] }
            state.isReleased = true
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Waits for the next batch and returns it; each is returned once.
    public func nextBatch() async -> [Delivery] {
        var iterator = arrivals.stream.makeAsyncIterator()
        return await iterator.next() ?? []
    }

    /// All batches so far.
    public var batches: [[Delivery]] { state.withLock(\.batches) }
    public var hasShutDown: Bool { state.withLock(\.hasShutDown) }

    public func prepare() async throws(SinkError) {
        let error = state.withLock { $0.preparations.isEmpty ? nil : $0.preparations.removeFirst() }
        if let error { throw error }
    }

    public func probe() async throws(SinkError) {}

    public func mustNotRepeat(_ delivery: Delivery) -> Bool { mustNotRepeat }

    public func takeTurn(_ batch: [Delivery]) async throws(SinkError) -> Deferral? {
        state.withLock { $0.turns.isEmpty ? nil : $0.turns.removeFirst() }
    }

    public func deliver(_ batch: [Delivery]) async throws(SinkError) -> [Receipt] {
        let answer = state.withLock { state in
            state.batches.append(batch)
            return state.answers.isEmpty ? .each(.delivered) : state.answers.removeFirst()
        }
        arrivals.continuation.yield(batch)
        switch answer {
        case .each(let outcome): return receipts(batch, outcome)
        case .fails(let error): throw error
        case .waits:
            await wait()
            if Task.isCancelled { throw .unavailable(reason: "cancelled") }
            return receipts(batch, .delivered)
        }
    }

    public func shutdown() async { state.withLock { $0.hasShutDown = true } }

    private func receipts(_ batch: [Delivery], _ outcome: Receipt.Outcome) -> [Receipt] {
        batch.map { delivery in
            Receipt(
                offset: delivery.offset, outcome,
                state: outcome == .delivered ? makeState(delivery) : nil)
        }
    }

    private func wait() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let goesOn = state.withLock { state in
                    if state.isReleased || Task.isCancelled { return true }
                    state.waiting.append(continuation)
                    return false
                }
                if goesOn { continuation.resume() }
            }
        } onCancel: {
            release()
        }
    }
}
