import Config
import Logging
import Relay
import RelayTesting
import Rules
import ServiceLifecycle
import Testing

@Suite(.timeLimit(.minutes(1))) struct SinkFleetTests {
    private struct Fixture {
        let fleet: SinkFleet
        let journal = InMemoryJournal()
        let metrics = RelayMetrics(version: "test", startedAt: 0)
        let board = SinkBoard()
        let record = DeliveryRecord()
        let log = CapturedLog()

        init(clock: any RelayClock) {
            let log = log
            fleet = SinkFleet(
                SinkFleet.Surroundings(
                    journal: journal, clock: clock, metrics: metrics, board: board,
                    stopTimeout: .seconds(10), logger: Logger(label: "test") { _ in log }))
        }

        func sink(_ name: String, _ generation: Int = 1) -> RecordingSink {
            RecordingSink(name, generation, record: record)
        }

        /// Takes sinks in, which the journal knows by then.
        func add(_ sinks: RecordingSink..., formers: [String: String] = [:]) async {
            for sink in sinks { journal.know(sink.name) }
            await fleet.add(sinks.map { SinkFleet.Member(sink: $0) }, formers: formers)
        }

        /// Appends events of three users in turn, all routed to these sinks.
        func append(_ ids: ClosedRange<Int>, to sinks: [String]) async throws {
            let route = Route(choices: sinks.map { Route.Choice(sink: $0, rule: "r") })
            for id in ids {
                let event = try LogEventFixture(uuid: "\(id)", userID: "00u\(id % 3)").event()
                _ = try await journal.append(
                    Submission(events: [Submission.RoutedEvent(event: event, route: route)]))
            }
        }

        func isShown(_ sink: String) -> Bool {
            metrics.render(status: nil, isReady: true, now: 0).contains(#"sink="\#(sink)""#)
        }
    }

    /// Runs a fleet for as long as the body takes, then stops it gracefully.
    private func run(
        clock: any RelayClock = SystemClock(), _ body: (Fixture) async throws -> Void
    ) async throws {
        let fixture = Fixture(clock: clock)
        let group = ServiceGroup(services: [fixture.fleet], logger: .quiet)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            do {
                try await body(fixture)
            } catch {
                tasks.cancelAll()
                throw error
            }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
        #expect(fixture.record.breaches == [])
    }

    @Test func aSinkGetsWhatComesAfterItWasAdded() async throws {
        try await run { fixture in
            try await fixture.append(1...3, to: ["a", "b"])
            await fixture.add(fixture.sink("a"))
            try await fixture.append(4...6, to: ["a", "b"])
            await fixture.record.reached(3)
            #expect(Set(fixture.record.events(at: "a")) == ["4", "5", "6"])
            #expect(fixture.fleet.sinks.map(\.name) == ["a"] && fixture.fleet.delivering == ["a"])
        }
    }

    @Test func aSinkIsLeasedOnce() async throws {
        try await run { fixture in
            await fixture.add(fixture.sink("a"))
            try await fixture.append(1...1, to: ["a"])
            await fixture.record.reached(1)
            #expect(try await fixture.journal.lease("a").epoch == 2)
        }
    }

    @Test func replacingUnderTrafficLosesNothingAndKeepsTheOrder() async throws {
        try await run { fixture in
            await fixture.add(fixture.sink("a"), fixture.sink("b"))
            async let traffic: Void = fixture.append(1...300, to: ["a", "b"])
            for generation in 2...20 { await fixture.add(fixture.sink("a", generation)) }
            try await traffic
            await fixture.record.reached(600)
            for sink in ["a", "b"] {
                #expect(fixture.record.events(at: sink).compactMap { Int($0) }.sorted() == Array(1...300))
                let mine = fixture.record.lines.filter { $0.sink == sink }
                for (_, lines) in Dictionary(grouping: mine, by: \.subject) {
                    let order = lines.compactMap { Int($0.event) }
                    #expect(order == order.sorted())
                }
            }
            #expect(fixture.record.shutdowns == (1...19).map { "a/\($0)" })
            #expect(!fixture.log.lines.contains { $0.hasPrefix("error") })
        }
    }

    @Test func whatWaitsForARemovedSinkIsDeliveredWhenItIsBack() async throws {
        try await run { fixture in
            await fixture.add(fixture.sink("a"))
            try await fixture.append(1...1, to: ["a"])
            await fixture.record.reached(1)
            #expect(fixture.isShown("a"))
            await fixture.fleet.remove(["a"])
            #expect(fixture.record.shutdowns == ["a/1"] && fixture.fleet.sinks.isEmpty)
            #expect(fixture.board.snapshot.isEmpty && !fixture.isShown("a"))
            try await fixture.append(2...2, to: ["a"])
            await fixture.add(fixture.sink("a", 2))
            await fixture.record.reached(2)
            #expect(fixture.record.lines.map(\.generation) == [1, 2])
        }
    }

    @Test func aWorkerThatIsFencedTakesNobodyWithIt() async throws {
        try await run { fixture in
            let fenced = fixture.sink("a")
            await fixture.add(fenced, fixture.sink("b"))
            fenced.hold()
            try await fixture.append(1...1, to: ["a", "b"])
            await fenced.deliveryBegins()
            _ = try await fixture.journal.lease("a")
            fenced.release()
            // Whoever takes over waits for its end, also where it ends by itself; until then, news.
            try await waitUntil { !fixture.fleet.delivering.contains("a") }
            #expect(fixture.fleet.delivering == ["b"])
            try await waitUntil { fixture.board.snapshot["a"]?.reason?.contains("reload") == true }
            let shown = fixture.board.snapshot["a"]
            #expect(shown?.state == .ended && shown?.reason?.contains("another relay") == true)
            #expect(
                fixture.log.lines.contains { $0.hasPrefix("error") && $0.contains("its worker has ended") })
            try await fixture.append(2...2, to: ["a", "b"])
            await fixture.add(fixture.sink("a", 2))
            // The first event was never settled, so it comes again.
            await fixture.record.reached(5)
            #expect(fixture.record.events(at: "a") == ["1", "1", "2"])
            #expect(Set(fixture.record.events(at: "b")) == ["1", "2"])
        }
    }

    private static let pause = SinkHold(kind: .paused, reason: "the CRM moves house", since: 7)

    @Test func aPausedSinkGetsNothingUntilItIsResumed() async throws {
        try await run { fixture in
            await fixture.add(fixture.sink("a"), fixture.sink("b"))
            try await fixture.append(1...1, to: ["a", "b"])
            await fixture.record.reached(2)
            fixture.journal.hold("a", Self.pause)
            await fixture.fleet.restart(["a"])
            try await fixture.append(2...9, to: ["a", "b"])
            await fixture.record.reached(10)
            #expect(fixture.record.events(at: "a") == ["1"])
            try await waitUntil { fixture.board.snapshot["a"]?.state == .paused }
            #expect(fixture.board.snapshot["a"]?.reason == Self.pause.reason)
            #expect(fixture.board.snapshot["a"]?.since == 7)
            #expect(fixture.record.shutdowns == [] && fixture.fleet.delivering == ["a", "b"])
            fixture.journal.hold("a", nil)
            await fixture.fleet.restart(["a"])
            await fixture.record.reached(18)
            #expect(fixture.record.events(at: "a").compactMap { Int($0) }.sorted() == Array(1...9))
        }
    }

    /// A reload does more between the two, which may take its time.
    @Test func aSinkThatIsPausedWhileItIsTakenInGetsNothing() async throws {
        try await run { fixture in
            fixture.journal.know("a")
            try await fixture.append(1...3, to: ["a"])
            fixture.journal.hold("a", Self.pause)
            await fixture.fleet.restart(["a"])
            await fixture.add(fixture.sink("a"))
            try await waitUntil { fixture.board.snapshot["a"]?.state == .paused }
            #expect(fixture.record.lines.isEmpty)
            fixture.journal.hold("a", nil)
            await fixture.fleet.restart(["a"])
            await fixture.record.reached(3)
        }
    }

    @Test func aRestartLetsWhatIsInFlightFinish() async throws {
        try await run { fixture in
            let sink = try await hanging(fixture)
            async let unfinished = fixture.fleet.restart(["a", "nobody"])
            sink.release()
            #expect(await unfinished == [])
            #expect(fixture.record.events(at: "a") == ["1"])
            try await fixture.append(2...2, to: ["a"])
            await fixture.record.reached(2)
            #expect(fixture.record.events(at: "a") == ["1", "2"])
        }
    }

    /// Somebody changes the place of a sink again and again while it delivers.
    @Test func aSinkThatIsMovedGoesOnAtItsNewPlace() async throws {
        try await run { fixture in
            let sink = fixture.sink("a")
            await fixture.add(sink, fixture.sink("b"))
            sink.hold()
            try await fixture.append(1...4, to: ["a", "b"])
            await sink.deliveryBegins()
            fixture.journal.move("a", to: Offset(rawValue: 3))
            sink.release()
            try await waitUntil { fixture.record.events(at: "a").contains("4") }
            try await fixture.append(5...5, to: ["a", "b"])
            // A seek back brings again what is settled.
            try await waitUntil { try await fixture.journal.status().sinks.allSatisfy { $0.waiting == 0 } }
            #expect(fixture.record.events(at: "a").contains("5"))
            #expect(fixture.fleet.delivering == ["a", "b"] && fixture.record.shutdowns == [])
            // Back to where it was: all of it comes again, once.
            let before = fixture.record.events(at: "a").count
            fixture.journal.move("a", to: .zero)
            await fixture.fleet.restart(["a"])
            try await waitUntil { fixture.record.events(at: "a").count >= before + 5 }
            let again = fixture.record.events(at: "a").dropFirst(before)
            #expect(again.compactMap { Int($0) }.sorted() == Array(1...5))
            #expect(!fixture.log.lines.contains { $0.hasPrefix("error") })
        }
    }

    /// Nobody knows what came of a request that is cut, so a pause, a resume and a seek cut none.
    @Test func aRestartWaitsForWhatIsInFlightHoweverLong() async throws {
        let clock = ManualClock()
        try await run(clock: clock) { fixture in
            let slow = try await hanging(beside: "b", fixture)
            #expect(await fixture.fleet.restart(["b"]) == [])
            await passTime(clock) { #expect(await fixture.fleet.restart(["a"]) == ["a"]) }
            #expect(fixture.log.lines.contains { $0.contains("still finishing") })
            slow.release()
            try await fixture.append(2...2, to: ["a"])
            await fixture.record.reached(2)
            #expect(fixture.record.events(at: "a") == ["1", "2"])
        }
    }

    /// Whoever pauses it, or moves it, is told what is so.
    @Test func aRestartWaitsForASinkThatWasTakenOut() async throws {
        let clock = ManualClock()
        try await run(clock: clock) { fixture in
            let slow = try await hanging(fixture)
            await passTime(clock) {
                await fixture.fleet.remove(["a"])
                #expect(await fixture.fleet.restart(["a"]) == ["a"])
            }
            async let unfinished = fixture.fleet.restart(["a"])
            slow.release()
            #expect(await unfinished == [])
            #expect(fixture.record.shutdowns == ["a/1"])
        }
    }

    /// The sink `a`, which has been given an event and does not answer before it is released.
    private func hanging(beside other: String? = nil, _ fixture: Fixture) async throws -> RecordingSink {
        let sink = fixture.sink("a")
        await fixture.add(sink)
        if let other { await fixture.add(fixture.sink(other)) }
        sink.hold()
        try await fixture.append(1...1, to: ["a"])
        await sink.deliveryBegins()
        return sink
    }

    /// Whoever sleeps while the body runs has slept.
    private func passTime(_ clock: ManualClock, _ body: @escaping @Sendable () async -> Void) async {
        await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                await body()
                return true
            }
            group.addTask {
                while !Task.isCancelled { clock.advance(by: await clock.nextSleep()) }
                return false
            }
            while await group.next() == false {}
            group.cancelAll()
        }
    }

    @Test func manyRestartsUnderTrafficLoseNothingAndKeepTheOrder() async throws {
        try await run { fixture in
            await fixture.add(fixture.sink("a"))
            async let traffic: Void = fixture.append(1...300, to: ["a"])
            for _ in 1...30 { await fixture.fleet.restart(["a"]) }
            try await traffic
            await fixture.record.reached(300)
            for (_, lines) in Dictionary(grouping: fixture.record.lines, by: \.subject) {
                let order = lines.compactMap { Int($0.event) }
                #expect(order == order.sorted())
            }
            #expect(fixture.record.lines.count == 300 && fixture.record.shutdowns == [])
        }
    }

    @Test func aSinkThatHangsIsNotWaitedForWithoutEndAndMeetsNoSuccessorBefore() async throws {
        let clock = ManualClock()
        try await run(clock: clock) { fixture in
            let hanging = try await hanging(beside: "b", fixture)
            let second = fixture.sink("a", 2)
            await passTime(clock) { await fixture.add(second) }
            #expect(fixture.log.lines.contains { $0.contains("still finishing") })
            #expect(fixture.record.lines.isEmpty)
            hanging.release()
            await fixture.record.reached(1)
            try await fixture.append(2...2, to: ["a"])
            await second.deliveryBegins()
        }
    }

    /// The two would deliver one user's events at the same time.
    @Test func whoTakesOverFromASinkThatHangsBeginsWhenThatHasEnded() async throws {
        let clock = ManualClock()
        try await run(clock: clock) { fixture in
            let former = fixture.sink("former")
            await fixture.add(former)
            fixture.journal.know("heir")
            former.hold()
            try await fixture.append(1...1, to: ["former", "heir"])
            await former.deliveryBegins()
            let heir = fixture.sink("heir")
            await withTaskGroup(of: Bool.self) { group in
                group.addTask {
                    await fixture.fleet.remove(["former"])
                    await fixture.add(heir, formers: ["heir": "former"])
                    return true
                }
                group.addTask {
                    while !Task.isCancelled { clock.advance(by: await clock.nextSleep()) }
                    return false
                }
                while await group.next() == false {}
                group.cancelAll()
            }
            #expect(fixture.record.lines.isEmpty)
            former.release()
            await fixture.record.reached(2)
            #expect(fixture.record.lines.map(\.sink) == ["former", "heir"])
        }
    }

    @Test func aGracefulStopFinishesWhatIsInFlight() async throws {
        let fixture = Fixture(clock: SystemClock())
        let sink = fixture.sink("a")
        await fixture.add(sink)
        let group = ServiceGroup(services: [fixture.fleet], logger: .quiet)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            sink.hold()
            try await fixture.append(1...1, to: ["a"])
            await sink.deliveryBegins()
            await group.triggerGracefulShutdown()
            sink.release()
            try await tasks.waitForAll()
        }
        #expect(fixture.record.shutdowns == ["a/1"])
        #expect(!fixture.log.lines.contains { $0.hasPrefix("error") })
        let lease = try await fixture.journal.lease("a")
        #expect(lease.cursor == Offset(rawValue: 1))
        // Nothing is taken in any more, and nothing is kept open for it.
        await fixture.add(fixture.sink("late"))
        #expect(fixture.record.shutdowns == ["a/1", "late/1"])
    }
}
