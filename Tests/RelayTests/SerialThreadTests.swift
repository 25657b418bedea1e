import Foundation
import Relay
import Synchronization
import Testing

/// The thread that blocking C calls are made on.
@Suite("Serial thread")
struct SerialThreadTests {
    @Test func jobsRunOneAfterAnotherInOrder() async {
        let thread = SerialThread(name: "test")
        final class Seen: Sendable { let counts = Mutex<[Int]>([]) }
        let seen = Seen()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<50 {
                group.addTask {
                    await thread.run { seen.counts.withLock { $0.append($0.count) } }
                }
            }
        }
        #expect(seen.counts.withLock { $0 } == Array(0..<50))
    }

    #if os(Linux)
    @Test func oneThreadMayGiveWayToOthers() async {
        let niceness: @Sendable () -> Int32 = {
            getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0)
        }
        let usual = await SerialThread(name: "test").run(niceness)
        let nice = await SerialThread(name: "test", niceness: 10).run(niceness)
        #expect(nice == min(19, usual + 10))
    }
    #endif

    @Test func anErrorComesThrough() async {
        struct Refused: Error {}
        let thread = SerialThread(name: "test")
        await #expect(throws: Refused.self) { try await thread.run { () throws(Refused) in throw Refused() } }
    }

    @Test func anActorStaysOnIt() async {
        actor Pinned {
            nonisolated let thread = SerialThread(name: "pinned")
            nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }
            private var count = 0
            func increment() -> Int {
                count += 1
                return count
            }
        }
        let pinned = Pinned()
        for expected in 1...10 { #expect(await pinned.increment() == expected) }
    }
}
