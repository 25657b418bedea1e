/// Tells a worker that a time has come: one time, the one that was set last.
struct WorkerAlarm: ~Copyable {
    private let clock: any RelayClock
    private let ring: @Sendable () -> Void
    private var sleeper: Task<Void, Never>?

    init(_ clock: any RelayClock, ring: @escaping @Sendable () -> Void) {
        self.clock = clock
        self.ring = ring
    }

    deinit { sleeper?.cancel() }

    /// - Parameter time: In nanoseconds since 1970.
    mutating func set(to time: Int64) {
        sleeper?.cancel()
        // Nobody awaits it: it ends when it has slept, and says nothing where it was cancelled before.
        sleeper = Task(executorPreference: TaskThreads.shared) { [clock, ring] in
            do {
                try await clock.sleep(for: .nanoseconds(max(0, time - clock.now)))
            } catch {
                return
            }
            ring()
        }
    }
}
