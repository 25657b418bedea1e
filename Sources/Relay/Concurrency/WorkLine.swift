import Dispatch
import Foundation
import Synchronization

/// Work in line, and the threads that do it in the order in which it came.
///
/// The threads hold on to the line and not to its owner, whose end is to stop them; each ends behind all work
/// that came before that.
final class WorkLine<Work: Sendable>: Sendable {
    private struct State {
        /// Nil where it was taken, which is before ``next``.
        var work: [Work?] = []
        var next = 0
        /// Threads that wait, and have not been woken yet.
        var idleCount = 0
        var isStopped = false

        /// The first in line; where there is none, the thread that asks is idle.
        mutating func take() -> Work? {
            guard next < work.count else {
                work.removeAll(keepingCapacity: true)
                next = 0
                idleCount += isStopped ? 0 : 1
                return nil
            }
            // A line that is never empty must not grow for ever.
            if next > 1_024, next > work.count / 2 {
                work.removeFirst(next)
                next = 0
            }
            defer { next += 1 }
            return work[next].take()
        }
    }

    private let state = Mutex(State())
    private let wake = DispatchSemaphore(value: 0)
    private let perform: @Sendable (Work) -> Void

    /// Starts the threads.
    init(
        threads count: Int = 1, name: String, niceness: Int32 = 0, perform: @escaping @Sendable (Work) -> Void
    ) {
        self.perform = perform
        for _ in 0..<count { Thread.start(named: name, niceness: niceness) { self.run() } }
    }

    func submit(_ work: Work) {
        let wakes = state.withLock { state in
            state.work.append(work)
            guard state.idleCount > 0 else { return false }
            state.idleCount -= 1
            return true
        }
        if wakes { wake.signal() }
    }

    func stop() {
        let idleCount = state.withLock { state in
            state.isStopped = true
            defer { state.idleCount = 0 }
            return state.idleCount
        }
        for _ in 0..<idleCount { wake.signal() }
    }

    private func run() {
        while true {
            let (work, isStopped) = state.withLock { ($0.take(), $0.isStopped) }
            if let work {
                perform(work)
            } else if isStopped {
                return
            } else {
                wake.wait()
            }
        }
    }
}
