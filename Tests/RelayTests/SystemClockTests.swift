import Relay
import Testing

/// The machine's own clock, which only production sleeps by.
@Suite(.timeLimit(.minutes(1))) struct SystemClockTests {
    @Test func itSleepsForAsLongAsItIsTold() async throws {
        let start = ContinuousClock.now
        try await SystemClock().sleep(for: .milliseconds(20))
        #expect(ContinuousClock.now - start >= .milliseconds(20))
        try await SystemClock().sleep(for: .zero)
        try await SystemClock().sleep(for: .seconds(-5))
    }

    @Test(arguments: [Duration.seconds(3_600), .seconds(Int64.max)])
    func whoIsCancelledSleepsNoLonger(duration: Duration) async {
        let (started, start) = AsyncStream<Void>.makeStream()
        let sleeper = Task {
            start.finish()
            try await SystemClock().sleep(for: duration)
        }
        for await _ in started {}
        // It sleeps by then.
        try? await SystemClock().sleep(for: .milliseconds(10))
        sleeper.cancel()
        await #expect(throws: CancellationError.self) { try await sleeper.value }
        let late = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await SystemClock().sleep(for: duration)
        }
        await #expect(throws: CancellationError.self) { try await late.value }
    }
}
