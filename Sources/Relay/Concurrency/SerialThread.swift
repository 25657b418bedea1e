/// A thread of its own that runs one piece of work after another: where blocking C calls belong.
///
/// Work from any task or thread runs in the order of its submission. The thread ends with the last reference
/// to it, behind all work submitted before. It serves as an actor's executor too (`DispatchSerialQueue`, the
/// usual one, is missing on Linux).
public final class SerialThread: SerialExecutor {
    private let line: WorkLine<@Sendable () -> Void>

    /// Starts the thread; see ``Foundation/Thread/start(named:niceness:_:)``.
    public init(name: String, niceness: Int32 = 0) {
        line = WorkLine(name: name, niceness: niceness) { $0() }
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
