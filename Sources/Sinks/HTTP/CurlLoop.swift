import CCurl
import Foundation
import Synchronization

/// Runs libcurl's multi interface; everything in it happens on one thread.
///
/// A round takes new jobs, lets libcurl work, answers what is done, and sleeps in `curl_multi_poll` until a
/// socket, a timer of libcurl's or the mailbox wakes it.
final class CurlLoop {
    /// Easy handles kept for reuse; about 50 KiB each.
    private static let idleHandlesMax = 64
    /// Connections that are kept; of one server there are never more than requests at once.
    ///
    /// Without a number libcurl keeps four for each request under way, and closes others where few are: each
    /// burst would open some anew (https://curl.se/libcurl/c/CURLMOPT_MAXCONNECTS.html).
    private static let keptConnectionsMax = 1_024
    /// Milliseconds; libcurl's own timers and the mailbox wake the loop earlier.
    private static let pollTimeout: Int32 = 60_000

    private let mailbox: CurlMailbox
    private let reuse: ConnectionReuse
    private var active: [UnsafeMutableRawPointer: CurlHandle] = [:]
    private var idleHandles: [CurlHandle] = []
    /// Scheme and authority of servers that have left bytes behind on a kept connection.
    private var untidy: Set<String> = []
    /// When servers, by scheme and authority, last left a request without any answer.
    private var silentSince: [String: ContinuousClock.Instant] = [:]
    /// Seconds that a connection is kept for at most, so that a changed DNS answer is noticed.
    private static let ageMax = 300

    init(mailbox: CurlMailbox, reuse: ConnectionReuse) {
        self.mailbox = mailbox
        self.reuse = reuse
    }

    /// Returns after the client was closed.
    func run() {
        guard let multi = curl_multi_init() else { return mailbox.closed() }
        relay_curl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, Self.keptConnectionsMax)
        mailbox.open(multi: multi)
        while true {
            let post = mailbox.take()
            if post.isClosing {
                for job in post.jobs { job.continuation.resume(returning: .failure(.closed)) }
                break
            }
            for job in post.jobs { start(job, in: multi) }
            if post.isSomeCancelled { dropCancelled(in: multi) }
            var running: Int32 = 0
            curl_multi_perform(multi, &running)
            finishDone(in: multi)
            if curl_multi_poll(multi, nil, 0, Self.pollTimeout, nil) != CURLM_OK {
                // Out of memory, say: the loop's own thread rests for 10 ms and doesn't spin.
                poll(nil, 0, 10)
            }
        }
        for handle in active.values { drop(handle, in: multi, ifUnsent: .closed) }
        idleHandles = []
        mailbox.closed()
        curl_multi_cleanup(multi)
    }

    private func start(_ job: CurlJob, in multi: UnsafeMutableRawPointer) {
        guard !job.ticket.isCancelled.load(ordering: .acquiring) else {
            let failure = job.isSentAgain ? CurlFailure.cancelled : .notSent(Self.stopped)
            return job.continuation.resume(returning: .failure(failure))
        }
        guard let handle = idleHandles.popLast() ?? CurlHandle(reuse: reuse) else {
            return job.continuation.resume(returning: .failure(.notSent("out of memory")))
        }
        let ageMax = ageMax(of: job)
        let isFresh = needsConnectionOfItsOwn(job) || ageMax < 1
        guard handle.begin(job, isFresh: isFresh, ageMax: max(1, ageMax)),
            curl_multi_add_handle(multi, handle.easy) == CURLM_OK
        else {
            let failure = CurlFailure.invalidRequest("libcurl does not take the request's options")
            return job.continuation.resume(returning: .failure(failure))
        }
        active[handle.easy] = handle
    }

    private func dropCancelled(in multi: UnsafeMutableRawPointer) {
        let cancelled = active.values.filter { handle in
            handle.transfer.map { $0.job.ticket.isCancelled.load(ordering: .acquiring) } ?? false
        }
        for handle in cancelled { drop(handle, in: multi, ifUnsent: .notSent(Self.stopped)) }
    }

    private func drop(
        _ handle: CurlHandle, in multi: UnsafeMutableRawPointer, ifUnsent failure: CurlFailure
    ) {
        end(handle, in: multi, with: .failure(handle.transfer?.isSent == true ? .cancelled : failure))
    }

    private static let stopped = "stopped before it was sent"

    private func finishDone(in multi: UnsafeMutableRawPointer) {
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let easy = message.pointee.easy_handle,
                let handle = active[easy], let transfer = handle.transfer
            else { continue }
            // The message is libcurl's and goes away with the handle's removal.
            let code = relay_curl_message_result(message)
            if code == CURLE_OPERATION_TIMEDOUT, transfer.isWithoutAnswer {
                silentSince[CurlURL.authority(of: transfer.job.request.url)] = .now
            }
            guard transfer.metStrayBytes(code) else {
                end(handle, in: multi, with: transfer.result(code, easy))
                continue
            }
            untidy.insert(CurlURL.authority(of: transfer.job.request.url))
            if transfer.job.request.mayRepeat, !transfer.job.isSentAgain {
                sendAgain(handle, transfer.job, in: multi)
            } else {
                end(handle, in: multi, with: transfer.result(code, easy))
            }
        }
    }

    /// Sends a request once more, over a connection of its own and in what is left of its time.
    private func sendAgain(_ handle: CurlHandle, _ job: CurlJob, in multi: UnsafeMutableRawPointer) {
        var (job, spent) = (job, curl_off_t())
        relay_curl_get_offset(handle.easy, CURLINFO_TOTAL_TIME_T, &spent)
        job.request.timeout -= .microseconds(spent)
        job.isSentAgain = true
        release(handle, in: multi)
        start(job, in: multi)
    }

    /// Seconds since a connection was opened that a request may go over.
    ///
    /// A connection that a router has forgotten is silent, and libcurl keeps one of HTTP/2 after a timeout:
    /// each request would wait in vain over it. So after a silence none is taken that had been there before.
    private func ageMax(of job: CurlJob) -> Int {
        if silentSince.isEmpty { return Self.ageMax }
        let authority = CurlURL.authority(of: job.request.url)
        guard let since = silentSince[authority] else { return Self.ageMax }
        let age = Int((ContinuousClock.now - since).components.seconds)
        if age < Self.ageMax { return age }
        silentSince[authority] = nil
        return Self.ageMax
    }

    /// Nothing must meet what others left behind: it would go twice, or be lost.
    private func needsConnectionOfItsOwn(_ job: CurlJob) -> Bool {
        job.isSentAgain || !untidy.isEmpty && untidy.contains(CurlURL.authority(of: job.request.url))
    }

    private func end(
        _ handle: CurlHandle, in multi: UnsafeMutableRawPointer,
        with result: Result<CurlResponse, CurlFailure>
    ) {
        let continuation = handle.transfer?.job.continuation
        release(handle, in: multi)
        continuation?.resume(returning: result)
    }

    private func release(_ handle: CurlHandle, in multi: UnsafeMutableRawPointer) {
        active[handle.easy] = nil
        curl_multi_remove_handle(multi, handle.easy)
        if handle.end(), idleHandles.count < Self.idleHandlesMax { idleHandles.append(handle) }
    }
}
