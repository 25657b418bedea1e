import Synchronization

/// Who waits for the journal's answer, each for a time of its own; one sleep serves all of them.
///
/// A sleep of its own for every request would set and clear a timer of the system's each time, and wake a
/// thread for it. Here the watcher sleeps until the first deadline that there is, then until the next; nearly
/// always nobody waits for either any more. May be used from any task and thread.
final class PendingAnswers: Sendable {
    typealias Answer = JournalAppender.Result

    private struct State {
        var nextID = 0
        var waiting: [Int: (until: Int64, continuation: CheckedContinuation<Answer, Never>)] = [:]
        var watcher: (wakesAt: Int64, task: Task<Void, Never>)?
        /// Asked for and not come, those for which nobody waits any more included.
        var outstanding = 0
        /// Who waits for `outstanding` to be 0.
        var finishers: [CheckedContinuation<Void, Never>] = []
    }

    private let clock: any RelayClock
    private let state = Mutex(State())

    init(clock: any RelayClock) { self.clock = clock }

    /// Asks, and waits for the answer or until then.
    ///
    /// - Parameters:
    ///   - deadline: Nanoseconds since 1970.
    ///   - ask: Gets the number that the answer has to be given under, in any case and once.
    func answer(until deadline: Int64, _ ask: (Int) -> Void) async -> Answer {
        await withCheckedContinuation { continuation in
            let id = state.withLock { state in
                state.nextID += 1
                state.outstanding += 1
                state.waiting[state.nextID] = (deadline, continuation)
                if state.watcher == nil || deadline < state.watcher?.wakesAt ?? 0 {
                    watch(until: deadline, &state)
                }
                return state.nextID
            }
            ask(id)
        }
    }

    /// The answer has come; whoever still waits for it goes on.
    func give(_ answer: Answer, to id: Int) {
        let (continuation, finishers) = state.withLock { state in
            state.outstanding -= 1
            defer { if state.outstanding == 0 { state.finishers = [] } }
            return (
                state.waiting.removeValue(forKey: id)?.continuation,
                state.outstanding == 0 ? state.finishers : []
            )
        }
        continuation?.resume(returning: answer)
        for finisher in finishers { finisher.resume() }
    }

    /// Waits until every answer has come; called once nobody asks any more.
    func finish() async {
        await withCheckedContinuation { continuation in
            let isDone = state.withLock { state in
                if state.outstanding > 0 { state.finishers.append(continuation) }
                return state.outstanding == 0
            }
            if isDone { continuation.resume() }
        }
        state.withLock { $0.watcher?.task.cancel() }
    }

    private func watch(until deadline: Int64, _ state: inout State) {
        state.watcher?.task.cancel()
        let duration = Duration.nanoseconds(max(0, deadline - clock.now))
        // Ends by itself when nobody waits, and by `finish()` at the latest.
        let task = Task(executorPreference: TaskThreads.shared) { [clock] in
            do { try await clock.sleep(for: duration) } catch { return }
            self.expire(upTo: deadline)
        }
        state.watcher = (deadline, task)
    }

    /// The sleep tells that the time is over, not the clock: wall time may have been set back meanwhile.
    private func expire(upTo deadline: Int64) {
        let late = state.withLock { state in
            let ids = state.waiting.filter { $0.value.until <= deadline }.keys
            let late = ids.compactMap { state.waiting.removeValue(forKey: $0)?.continuation }
            state.watcher = nil
            if let next = state.waiting.values.map(\.until).min() { watch(until: next, &state) }
            return late
        }
        for continuation in late { continuation.resume(returning: .late) }
    }
}
