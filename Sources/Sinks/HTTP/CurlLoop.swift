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
    /// Milliseconds; libcurl's own timers and the mailbox wake the loop earlier.
    private static let pollTimeout: Int32 = 60_000

    private let mailbox: CurlMailbox
    private let reuse: ConnectionReuse
    private var active: [UnsafeMutableRawPointer: CurlTransfer] = [:]
    private var idleHandles: [UnsafeMutableRawPointer] = []

    init(mailbox: CurlMailbox, reuse: ConnectionReuse) {
        self.mailbox = mailbox
        self.reuse = reuse
    }

    /// Returns after the client was closed.
    func run() {
        guard let multi = curl_multi_init() else { return mailbox.closed() }
        mailbox.open(multi: multi)
        while true {
            let (jobs, isClosing) = mailbox.take()
            if isClosing {
                for job in jobs { job.continuation.resume(returning: .failure(.closed)) }
                break
            }
            for job in jobs { start(job, in: multi) }
            dropCancelled(in: multi)
            var running: Int32 = 0
            curl_multi_perform(multi, &running)
            finishDone(in: multi)
            if curl_multi_poll(multi, nil, 0, Self.pollTimeout, nil) != CURLM_OK {
                // Out of memory, say: the loop's own thread rests for 10 ms and doesn't spin.
                poll(nil, 0, 10)
            }
        }
        for transfer in active.values { end(transfer, in: multi, with: .failure(.closed)) }
        for easy in idleHandles { curl_easy_cleanup(easy) }
        mailbox.closed()
        curl_multi_cleanup(multi)
    }

    private func start(_ job: CurlJob, in multi: UnsafeMutableRawPointer) {
        guard !job.ticket.isCancelled.load(ordering: .acquiring) else {
            return job.continuation.resume(returning: .failure(.cancelled))
        }
        guard let easy = idleHandles.popLast() ?? curl_easy_init() else {
            return job.continuation.resume(returning: .failure(.notSent("out of memory")))
        }
        let transfer = CurlTransfer(job: job, easy: easy, reuse: reuse)
        guard transfer.configure(), curl_multi_add_handle(multi, easy) == CURLM_OK else {
            transfer.freeHeaders()
            curl_easy_cleanup(easy)
            let failure = CurlFailure.invalidRequest("libcurl does not take the request's options")
            return job.continuation.resume(returning: .failure(failure))
        }
        active[easy] = transfer
    }

    private func dropCancelled(in multi: UnsafeMutableRawPointer) {
        let cancelled = active.values.filter { $0.job.ticket.isCancelled.load(ordering: .acquiring) }
        for transfer in cancelled { end(transfer, in: multi, with: .failure(.cancelled)) }
    }

    private func finishDone(in multi: UnsafeMutableRawPointer) {
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let easy = message.pointee.easy_handle,
                let transfer = active[easy]
            else { continue }
            // The message is libcurl's and goes away with the handle's removal.
            let code = relay_curl_message_result(message)
            end(transfer, in: multi, with: transfer.result(code))
        }
    }

    private func end(
        _ transfer: CurlTransfer, in multi: UnsafeMutableRawPointer,
        with result: Result<CurlResponse, CurlFailure>
    ) {
        active[transfer.easy] = nil
        curl_multi_remove_handle(multi, transfer.easy)
        transfer.freeHeaders()
        if idleHandles.count < Self.idleHandlesMax {
            // Keeps the handle's memory; connections belong to the multi handle.
            curl_easy_reset(transfer.easy)
            idleHandles.append(transfer.easy)
        } else {
            curl_easy_cleanup(transfer.easy)
        }
        transfer.job.continuation.resume(returning: result)
    }
}
