import Foundation

/// Threads of the relay's own for its tasks, in place of Swift's shared pool.
///
/// That pool is libdispatch's, which looks at its busy threads through files in `/proc` and ends the process
/// where it can open none. Tasks run here where a parent prefers it (`withTaskExecutorPreference`), or where
/// they begin with it (`Task(executorPreference:)`). Nothing that blocks may run here.
public final class TaskThreads: TaskExecutor {
    /// Those of the process, which never end: one a core, and two at least.
    public static let shared = TaskThreads()

    private let line = WorkLine<(job: UnownedJob, executor: UnownedTaskExecutor)>(
        threads: max(2, ProcessInfo.processInfo.activeProcessorCount), name: "tasks"
    ) { $0.job.runSynchronously(on: $0.executor) }

    private init() {}

    /// For the Swift runtime.
    public func enqueue(_ job: consuming ExecutorJob) {
        line.submit((UnownedJob(job), asUnownedTaskExecutor()))
    }
}
