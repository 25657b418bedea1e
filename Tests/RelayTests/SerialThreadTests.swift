import Relay
import Synchronization
import Testing

/// The thread that blocking C calls are made on.
@Suite("Serial thread")
struct SerialThreadTests {
    private final class Log: Sendable {
        let lines = Mutex<[Int]>([])
    }

    @Test func jobsRunOneAfterAnotherInOrder() async {
        let thread = SerialThread(name: "test")
        let log = Log()
        for number in 0..<50 {
            await thread.run { () throws(Never) in log.lines.withLock { $0.append(number) } }
        }
        #expect(log.lines.withLock { $0 } == Array(0..<50))
    }

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
