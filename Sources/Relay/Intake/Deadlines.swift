import Synchronization

/// Tells whoever waits that their time is over; one sleep serves all of them.
///
/// A sleep of its own for every request would set and clear a timer of the system's each time, and wake a
/// thread for it. Here the watcher sleeps until the first deadline that there is, then until the next; nearly
/// always nobody waits for either any more. May be used from any task.
final class Deadlines: Sendable {
    private struct State {
        var nextID = 0
        var waiting: [Int: (at: Int64, expire: @Sendable () -> Void)] = [:]
        var watcher: (wakesAt: Int64, task: Task<Void, Never>)?
    }

    private let clock: any RelayClock
    private let state = Mutex(State())

    init(clock: any RelayClock) { self.clock = clock }

    /// Calls `expire` when that time is over, unless it is removed before.
    func add(after patience: Duration, expire: @escaping @Sendable () -> Void) -> Int {
        let at = clock.now + max(0, patience.nanoseconds)
        return state.withLock { state in
            state.nextID += 1
            state.waiting[state.nextID] = (at, expire)
            if let watcher = state.watcher, watcher.wakesAt <= at { return state.nextID }
            watch(until: at, &state)
            return state.nextID
        }
    }

    func remove(_ id: Int) {
        state.withLock { _ = $0.waiting.removeValue(forKey: id) }
    }

    /// Ends the watcher; called once nobody waits.
    func stop() { state.withLock { $0.watcher?.task.cancel() } }

    private func watch(until at: Int64, _ state: inout State) {
        state.watcher?.task.cancel()
        let duration = Duration.nanoseconds(max(0, at - clock.now))
        // Ends by itself when nobody waits, and by `stop()` at the latest.
        let task = Task { [clock] in
            do { try await clock.sleep(for: duration) } catch { return }
            self.expire(upTo: at)
        }
        state.watcher = (at, task)
    }

    /// The sleep tells that the time is over, not the clock: wall time may have been set back meanwhile.
    private func expire(upTo at: Int64) {
        let expired = state.withLock { state -> [@Sendable () -> Void] in
            let ids = state.waiting.filter { $0.value.at <= at }.keys
            let expired = ids.compactMap { state.waiting.removeValue(forKey: $0)?.expire }
            state.watcher = nil
            if let next = state.waiting.values.map(\.at).min() { watch(until: next, &state) }
            return expired
        }
        for expire in expired { expire() }
    }
}
