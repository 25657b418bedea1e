import Foundation
import Synchronization

/// One thread of its own that runs jobs one after another: for C calls that block.
///
/// SQLite and libpq block their thread, and a blocked thread of Swift's shared pool is lost to everybody
/// else.
/// An actor that owns such a handle is pinned here by its `unownedExecutor`; other code uses ``run(_:)``. The
/// thread ends, after the jobs it has, when the last reference to this object goes.
public final class SerialThread: SerialExecutor, Sendable {
    private let queue = JobQueue()

    /// Starts the thread.
    ///
    /// - Parameter name: What debuggers show; Linux cuts it off after 15 bytes.
    public init(name: String) {
        let queue = queue
        let thread = Thread { queue.work() }
        thread.name = name
        thread.stackSize = 2 * 1024 * 1024
        thread.start()
    }

    deinit { queue.close() }

    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let executor = asUnownedSerialExecutor()
        queue.append { job.runSynchronously(on: executor) }
    }

    public func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        UnownedSerialExecutor(ordinary: self)
    }

    /// Runs the body on the thread, behind what was asked for before.
    public func run<Value: Sendable, Failure: Error>(
        _ body: @escaping @Sendable () throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        let result: Result<Value, Failure> = await withCheckedContinuation { continuation in
            queue.append {
                do throws(Failure) {
                    continuation.resume(returning: .success(try body()))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return try result.get()
    }
}

/// The jobs that wait for the thread; it outlives the ``SerialThread`` until they are done.
private final class JobQueue: Sendable {
    private struct State {
        var jobs: [@Sendable () -> Void] = []
        var isClosed = false
    }

    private let state = Mutex(State())
    /// Counts the reasons to look at the state.
    private let signal = DispatchSemaphore(value: 0)

    func append(_ job: @escaping @Sendable () -> Void) {
        state.withLock { $0.jobs.append(job) }
        signal.signal()
    }

    func close() {
        state.withLock { $0.isClosed = true }
        signal.signal()
    }

    func work() {
        while true {
            signal.wait()
            let (jobs, isClosed) = state.withLock { state in
                let jobs = state.jobs
                state.jobs = []
                return (jobs, state.isClosed)
            }
            for job in jobs { job() }
            if isClosed, jobs.isEmpty { return }
            // Jobs that were appended before the close have their own signals, still to be waited for.
            if isClosed { signal.signal() }
        }
    }
}
