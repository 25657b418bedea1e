import CCurl
import Foundation
import Relay
import Synchronization

/// Sends HTTP requests through libcurl, on one thread of its own, keeping connections between them.
///
/// One client serves all HTTP sinks: what a request may reach is in its own policy, and a kept connection is
/// checked against that policy again. Any number of tasks may send at the same time; libcurl's multi
/// interface carries them all, so nothing blocks a thread that tasks share.
public final class CurlClient: Sendable {
    private let mailbox = CurlMailbox()

    /// Starts the thread; it ends with ``shutdown()``, or when the client goes away.
    public convenience init() { self.init(reuse: ConnectionReuse()) }

    /// The same with other bounds on kept connections.
    init(reuse: ConnectionReuse) {
        CurlLibrary.start()
        Thread.start(named: "curl") { [mailbox] in CurlLoop(mailbox: mailbox, reuse: reuse).run() }
    }

    deinit { mailbox.requestClose() }

    /// Sends one request and waits for its response.
    ///
    /// A response of any status is a response. When the task is cancelled the transfer is dropped.
    public func send(_ request: CurlRequest) async throws(CurlFailure) -> CurlResponse {
        try request.validate()
        let ticket = CurlTicket()
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                mailbox.put(CurlJob(request: request, ticket: ticket, continuation: continuation))
            }
        } onCancel: {
            ticket.isCancelled.store(true, ordering: .releasing)
            mailbox.noteCancelled()
        }
        return try result.get()
    }

    /// Drops what is in flight, closes every connection and ends the thread.
    public func shutdown() async {
        await withCheckedContinuation { mailbox.close(thenResume: $0) }
    }
}

/// How long after its last use a kept connection may be taken again, in whole seconds as libcurl counts them.
///
/// A peer that gives up on idle connections may have closed it meanwhile, 5 s being the usual shortest time.
struct ConnectionReuse: Sendable, Equatable {
    /// For requests that may be sent a second time.
    var repeatable = 60
    /// For requests that must not: only what was used a moment ago.
    var once = 2
}

/// What libcurl needs once per process.
enum CurlLibrary {
    /// `curl_global_init`, and no SIGPIPE: with `CURLOPT_NOSIGNAL` libcurl leaves that signal to the process,
    /// and OpenSSL writes to sockets that may be closed (https://curl.se/libcurl/c/CURLOPT_NOSIGNAL.html).
    static func start() { _ = isStarted }

    private static let isStarted: Bool = {
        signal(SIGPIPE, SIG_IGN)
        return curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK
    }()
}

/// Tells the loop that the task behind a job was cancelled.
final class CurlTicket: Sendable {
    let isCancelled = Atomic(false)
}

/// A request on its way to the loop, and who waits for its result.
struct CurlJob: Sendable {
    var request: CurlRequest
    /// Whether it has been sent before, by the loop itself.
    var isSentAgain = false
    let ticket: CurlTicket
    let continuation: CheckedContinuation<Result<CurlResponse, CurlFailure>, Never>
}

/// Hands jobs from any task to the loop's thread, and wakes it.
final class CurlMailbox: Sendable {
    private struct State {
        var jobs: [CurlJob] = []
        var isSomeCancelled = false
        /// The address of the loop's handle while it runs, 0 otherwise.
        ///
        /// Only `curl_multi_wakeup` may be called on it from other threads, and only under the lock, for the
        /// loop frees it after ``closed()``.
        var multi: UInt = 0
        var isClosing = false
        var isClosed = false
        var waiters: [CheckedContinuation<Void, Never>] = []

        func wake() {
            if let multi = UnsafeMutableRawPointer(bitPattern: multi) { curl_multi_wakeup(multi) }
        }
    }

    private let state = Mutex(State())

    /// Queues a job; after the end it is answered at once.
    func put(_ job: CurlJob) {
        let isTaken = state.withLock { state in
            if state.isClosed { return false }
            state.jobs.append(job)
            // The loop takes all that there is, so it has been woken for those before this one.
            if state.jobs.count == 1 { state.wake() }
            return true
        }
        if !isTaken { job.continuation.resume(returning: .failure(.closed)) }
    }

    /// A ticket says that its job was cancelled.
    func noteCancelled() {
        state.withLock { state in
            state.isSomeCancelled = true
            state.wake()
        }
    }

    func requestClose() {
        state.withLock { state in
            state.isClosing = true
            state.wake()
        }
    }

    func close(thenResume waiter: CheckedContinuation<Void, Never>) {
        let isClosed = state.withLock { state in
            if !state.isClosed {
                state.isClosing = true
                state.waiters.append(waiter)
                state.wake()
            }
            return state.isClosed
        }
        if isClosed { waiter.resume() }
    }

    // MARK: - The loop's side

    /// Called by the loop's thread before its first round.
    func open(multi: UnsafeMutableRawPointer) {
        let address = UInt(bitPattern: multi)
        state.withLock { $0.multi = address }
    }

    func take() -> (jobs: [CurlJob], isSomeCancelled: Bool, isClosing: Bool) {
        state.withLock { state in
            defer { (state.jobs, state.isSomeCancelled) = ([], false) }
            return (state.jobs, state.isSomeCancelled, state.isClosing)
        }
    }

    /// Called by the loop's thread before it frees its handle; answers who came too late and who waits.
    func closed() {
        let (jobs, waiters) = state.withLock { state in
            state.multi = 0
            state.isClosed = true
            defer { (state.jobs, state.waiters) = ([], []) }
            return (state.jobs, state.waiters)
        }
        for job in jobs { job.continuation.resume(returning: .failure(.closed)) }
        for waiter in waiters { waiter.resume() }
    }
}
