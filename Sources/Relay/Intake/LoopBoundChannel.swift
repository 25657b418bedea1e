import HummingbirdCore
import Logging
import NIOCore
import Synchronization

/// A connection whose task runs on the connection's own event loop.
///
/// On threads that all tasks share each part of a request, and each answer, would change threads; here what
/// the loop has read is handled where it was read. Nothing that blocks may run in a responder.
struct LoopBoundChannel<Base: ServerChildChannel>: ServerChildChannel {
    private let base: Base
    private let executors = EventLoopExecutors()

    init(_ base: Base) { self.base = base }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Base.Value> {
        base.setup(channel: channel, logger: logger)
    }

    func handle(value: Base.Value, logger: Logger) async {
        await withTaskExecutorPreference(executors[value.channel.eventLoop]) {
            await base.handle(value: value, logger: logger)
        }
    }
}

/// One executor for all connections of a loop.
private final class EventLoopExecutors: Sendable {
    private let known = Mutex<[ObjectIdentifier: EventLoopExecutor]>([:])

    subscript(loop: any EventLoop) -> EventLoopExecutor {
        known.withLock { known in
            let id = ObjectIdentifier(loop)
            let executor = known[id] ?? EventLoopExecutor(loop: loop)
            known[id] = executor
            return executor
        }
    }
}

/// Runs tasks on an event loop; what comes before the loop gets to it, as the answers of one commit do, costs
/// the loop one task and not one each.
private final class EventLoopExecutor: TaskExecutor {
    private let loop: any EventLoop
    private let jobs = Mutex<[UnownedJob]>([])

    init(loop: any EventLoop) { self.loop = loop }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let isFirst = jobs.withLock { jobs in
            jobs.append(job)
            return jobs.count == 1
        }
        if isFirst { loop.execute { self.runJobs() } }
    }

    private func runJobs() {
        let due = jobs.withLock { jobs in
            defer { jobs = [] }
            return jobs
        }
        let executor = asUnownedTaskExecutor()
        for job in due { job.runSynchronously(on: executor) }
    }
}
