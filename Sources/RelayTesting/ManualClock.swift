public import Relay
import Synchronization

/// A clock that stands still until a test moves it, and that tells when somebody has asked to sleep.
///
/// ``nextSleep()`` waits until the code under test sleeps, so a test never guesses; time only moves forward,
/// also where somebody sets what the clock on the wall says of it.
public final class ManualClock: RelayClock {
    private struct Sleeper {
        let id: Int
        let deadline: Int64
        let continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        /// By the clock that nobody sets.
        var now: Int64
        /// How far the wall clock is ahead of it.
        var lead: Int64 = 0
        var nextID = 0
        var sleepers: [Sleeper] = []
        var cancelled: Set<Int> = []
    }

    private let state: Mutex<State>
    private let announced = AsyncStream<Duration>.makeStream()

    /// Nanoseconds since 1970; the default is 2026-01-01T00:00:00Z.
    public init(now: Int64 = 1_767_225_600_000_000_000) {
        state = Mutex(State(now: now))
    }

    public var now: Int64 { state.withLock { $0.now + $0.lead } }

    public var uptime: Int64 { state.withLock(\.now) }

    /// How many sleep.
    public var sleepers: Int { state.withLock(\.sleepers.count) }

    public func sleep(for duration: Duration) async throws(CancellationError) {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        do {
            try await withTaskCancellationHandler {
                try await withCheckedThrowingContinuation { continuation in
                    let isDone: Result<Void, any Error>? = state.withLock { state in
                        if state.cancelled.remove(id) != nil { return .failure(CancellationError()) }
                        let deadline = state.now + duration.nanoseconds
                        if deadline <= state.now { return .success(()) }
                        state.sleepers.append(Sleeper(id: id, deadline: deadline, continuation: continuation))
                        return nil
                    }
                    if let isDone { continuation.resume(with: isDone) }
                    announced.continuation.yield(duration)
                }
            } onCancel: {
                cancel(id)
            }
        } catch {
            throw CancellationError()
        }
    }

    /// Waits until the next sleep is asked for, and tells how long it is to be; each sleep is told once.
    public func nextSleep() async -> Duration {
        var iterator = announced.stream.makeAsyncIterator()
        return await iterator.next() ?? .zero
    }

    /// Waits until a sleep of that length is asked for; those before it are passed over.
    public func nextSleep(of duration: Duration) async throws {
        try await waitUntil { await nextSleep() == duration }
    }

    /// Moves time forward and wakes whoever slept until then.
    public func advance(by duration: Duration) {
        precondition(duration >= .zero, "time moves forward only")
        let due = state.withLock { state in
            state.now += duration.nanoseconds
            let due = state.sleepers.filter { $0.deadline <= state.now }
            state.sleepers.removeAll { $0.deadline <= state.now }
            return due
        }
        for sleeper in due.sorted(by: { $0.deadline < $1.deadline }) { sleeper.continuation.resume() }
    }

    /// Sets the wall clock, forward or back; no time passes.
    public func set(by step: Duration) { state.withLock { $0.lead += step.nanoseconds } }

    private func cancel(_ id: Int) {
        let sleeper = state.withLock { state in
            guard let index = state.sleepers.firstIndex(where: { $0.id == id }) else {
                state.cancelled.insert(id)
                return nil as Sleeper?
            }
            return state.sleepers.remove(at: index)
        }
        sleeper?.continuation.resume(throwing: CancellationError())
    }
}
