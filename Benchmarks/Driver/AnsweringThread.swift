import Dispatch
import Foundation
import Relay
import Synchronization

/// A thread that answers all requests which wait for it at once, as far apart as the journal's commits are.
final class AnsweringThread: Sendable {
    private typealias Waiting = (events: [Event], continuation: UnsafeContinuation<Bool, Never>)

    private let waiting = Mutex<[Waiting]>([])
    private let wake = DispatchSemaphore(value: 0)

    /// - Parameter makeStore: Makes, on the thread, what stores the events before they are answered.
    init(_ makeStore: @escaping @Sendable () throws -> ([Event]) throws -> Void) {
        startEssentialThread(named: "answers") { try self.run(makeStore()) }
    }

    /// Waits for the thread's answer.
    func take(_ events: [Event]) async -> Bool {
        await withUnsafeContinuation { continuation in
            let isDue = waiting.withLock { waiting in
                waiting.append((events, continuation))
                return waiting.count == 1 || waiting.count == CommitPace.enough
            }
            if isDue { wake.signal() }
        }
    }

    private func run(_ store: ([Event]) throws -> Void) throws {
        var pace = CommitPace()
        while true {
            let now = DispatchTime.now().uptimeNanoseconds
            let gathered = waiting.withLock { $0.count }
            let rest = gathered == 0 ? .max : pace.rest(gathered: gathered, at: now)
            guard rest == 0 else {
                _ = wake.wait(timeout: rest == .max ? .distantFuture : .now() + .nanoseconds(Int(rest)))
                continue
            }
            pace.begins(at: now)
            let group = waiting.withLock { waiting in
                defer { waiting = [] }
                return waiting
            }
            try store(group.flatMap(\.events))
            for waiting in group { waiting.continuation.resume(returning: true) }
        }
    }
}

/// Starts a thread without which the process is of no use: where the body fails, both end.
func startEssentialThread(
    named name: String, niceness: Int32 = 0, _ body: @escaping @Sendable () throws -> Void
) {
    Thread.start(named: name, niceness: niceness) {
        do {
            try body()
        } catch {
            say("\(error)")
            exit(1)
        }
    }
}
