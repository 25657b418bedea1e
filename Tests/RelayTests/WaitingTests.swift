import Dispatch
import Foundation
import RelayTesting
import Testing

/// What tests wait with.
@Suite(.timeLimit(.minutes(1))) struct WaitingTests {
    /// As a time limit cancels it.
    @Test func aWaitEndsWithItsTask() async throws {
        let clock = ManualClock()
        // All are awaited below.
        let waits = [
            Task { try await waitUntil { false } },
            Task { try await waitUntil(every: .milliseconds(1)) { false } },
            Task { try await clock.nextSleep(of: .seconds(1)) },
        ]
        for wait in waits {
            wait.cancel()
            await #expect(throws: CancellationError.self) { try await wait.value }
        }
    }

    @Test func itAsksUntilItIsSo() async throws {
        var asked = 0
        try await waitUntil {
            asked += 1
            return asked == 3
        }
        #expect(asked == 3)
    }

    /// More of them than Swift's pool has threads, and all of them wait for somebody on the pool.
    @Test func whatBlocksHoldsUpNobody() async throws {
        let gate = DispatchSemaphore(value: 0)
        let count = ProcessInfo.processInfo.activeProcessorCount * 2
        try await withThrowingTaskGroup(of: Int.self) { tasks in
            for number in 0..<count {
                tasks.addTask {
                    try await onOwnThread {
                        gate.wait()
                        return number
                    }
                }
            }
            tasks.addTask {
                for _ in 0..<count { gate.signal() }
                return count
            }
            var sum = 0
            for try await number in tasks { sum += number }
            #expect(sum == (0...count).reduce(0, +))
        }
    }
}
