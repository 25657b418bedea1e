import Dispatch
import Foundation
import Synchronization

/// A thread of its own that runs one piece of work after another: where blocking C calls belong.
///
/// Work from any task or thread runs in the order of its submission. The thread ends with the last reference
/// to it, behind all work submitted before. It serves as an actor's executor too (`DispatchSerialQueue`, the
/// usual one, is missing on Linux).
public final class SerialThread: SerialExecutor {
    private let line = Line()

    /// Starts the thread; the name shows in debuggers and in `top -H`.
    public init(name: String) {
        let thread = Thread { [line] in line.runUntilStopped() }
        thread.name = name
        thread.start()
    }

    deinit { line.stop() }

    /// Runs the closure on the thread and returns what it returns.
    public func run<T: Sendable, Failure: Error>(
        _ body: @escaping @Sendable () throws(Failure) -> T
    ) async throws(Failure) -> T {
        let result: Result<T, Failure> = await withCheckedContinuation { continuation in
            submit {
                continuation.resume(returning: Result { () throws(Failure) in try body() })
            }
        }
        return try result.get()
    }

    /// Runs the work on the thread, some time later.
    public func submit(_ work: @escaping @Sendable () -> Void) {
        line.submit(work)
    }

    /// For the Swift runtime.
    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        submit { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }
}

/// The work in line, and the loop that does it; what the thread holds on to.
private final class Line: Sendable {
    private struct State {
        var work: [@Sendable () -> Void] = []
        var isStopped = false
    }

    private let state = Mutex(State())
    private let wake = DispatchSemaphore(value: 0)

    func submit(_ work: @escaping @Sendable () -> Void) {
        let wasEmpty = state.withLock { state in
            state.work.append(work)
            return state.work.count == 1
        }
        if wasEmpty { wake.signal() }
    }

    func stop() {
        state.withLock { $0.isStopped = true }
        wake.signal()
    }

    func runUntilStopped() {
        while true {
            let (work, isStopped) = state.withLock { state in
                defer { state.work = [] }
                return (state.work, state.isStopped)
            }
            for item in work { item() }
            if work.isEmpty {
                if isStopped { return }
                wake.wait()
            }
        }
    }
}
