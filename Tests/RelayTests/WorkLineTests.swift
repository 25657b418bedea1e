import Dispatch
@testable import Relay
import Synchronization
import Testing

/// Work in line, and the threads that do it.
@Suite(.timeLimit(.minutes(1))) struct WorkLineTests {
    @Test(arguments: [1, 2, 5]) func allWorkIsDoneOnce(threads: Int) async {
        let counts = Counts(20_000)
        let line = WorkLine<Int>(threads: threads, name: "test") { counts.add($0) }
        await withTaskGroup(of: Void.self) { group in
            for start in 0..<4 {
                group.addTask { for work in stride(from: start, to: 20_000, by: 4) { line.submit(work) } }
            }
        }
        for await _ in counts.done {}
        line.stop()
        #expect(counts.each.withLock { $0.allSatisfy { $0 == 1 } })
    }

    @Test func aThreadThatIsBusyKeepsNothingWaiting() async {
        let line = WorkLine<@Sendable () -> Void>(threads: 2, name: "test") { $0() }
        let next = DispatchSemaphore(value: 0)
        await withCheckedContinuation { done in
            line.submit {
                next.wait()
                done.resume()
            }
            line.submit { next.signal() }
        }
        line.stop()
    }

    /// Also where there is always more in line.
    @Test func whatWasDoneIsLetGo() async {
        let line = WorkLine<@Sendable () -> Void>(name: "test") { $0() }
        let isGone = DispatchSemaphore(value: 0)
        await withCheckedContinuation { done in
            line.submit { [held = Held { isGone.signal() }] in _ = held }
            line.submit {
                isGone.wait()
                done.resume()
            }
        }
        line.stop()
    }

    @Test func itsThreadsEndBehindAllWork() async {
        let (ended, end) = AsyncStream<Void>.makeStream()
        let counts = Counts(100)
        do {
            let held = Held { end.finish() }
            let line = WorkLine<Int>(threads: 3, name: "test") { work in
                withExtendedLifetime(held) { counts.add(work) }
            }
            for work in 0..<100 { line.submit(work) }
            line.stop()
        }
        for await _ in ended {}
        #expect(counts.each.withLock { $0.allSatisfy { $0 == 1 } })
    }
}

/// How often each piece of work was done.
private final class Counts: Sendable {
    let each: Mutex<[Int]>
    /// Ends when as much was done as there is.
    let done: AsyncStream<Void>
    private let finished: AsyncStream<Void>.Continuation
    private let left: Atomic<Int>

    init(_ count: Int) {
        each = Mutex([Int](repeating: 0, count: count))
        left = Atomic(count)
        (done, finished) = AsyncStream<Void>.makeStream()
    }

    func add(_ work: Int) {
        each.withLock { $0[work] += 1 }
        if left.subtract(1, ordering: .relaxed).newValue == 0 { finished.finish() }
    }
}

/// Tells when nobody holds on to it any more.
private final class Held: Sendable {
    private let end: @Sendable () -> Void
    init(_ end: @escaping @Sendable () -> Void) { self.end = end }
    deinit { end() }
}
