public import Config
public import Logging
public import ServiceLifecycle

/// Brings one sink its events: the shell around the state machine, which decides everything.
///
/// One task owns the machine; what the machine asks for runs in child tasks, which report back through a
/// stream. A graceful shutdown lets deliveries in flight finish within the deadline and settles them;
/// what is
/// left stays in the journal.
public struct SinkWorker: Service {
    private let sink: any Sink
    private let journal: any Journal
    private let policy: DeliveryPolicy
    private let readAhead: ReadAheadBudget
    /// Without what is parked, which may be much, and is the machine's.
    private let lease: SinkLease
    private let parked: HandedOver<[ParkedDelivery]>
    private let clock: any RelayClock
    private let metrics: RelayMetrics
    private let board: SinkBoard
    private let stopTimeout: Duration
    private let logger: Logger
    private let inputs: AsyncStream<Input>
    private let input: AsyncStream<Input>.Continuation

    /// Why a worker's run came to its end.
    public enum End: Sendable, Equatable {
        /// It was told to, or cancelled.
        case stopped
        /// The sink's place in the journal was changed: lease it again.
        case moved
        /// The journal takes no more settlements from it.
        case shutOut(JournalError)
    }

    /// How the sink was doing when a worker ended, and what was told of that.
    struct Standing {
        var breaker: CircuitBreaker
        var reporter: SinkReporter
    }

    /// How long the worker waits before it asks the journal again for what it could not do.
    private static let journalRetry = Duration.seconds(1)

    /// - Parameters:
    ///   - lease: The sink's newest.
    ///   - stopTimeout: How long a graceful shutdown waits for deliveries in flight.
    public init(
        sink: any Sink,
        journal: any Journal,
        lease: SinkLease,
        policy: DeliveryPolicy,
        readAhead: ReadAheadBudget = ReadAheadBudget(),
        clock: any RelayClock,
        metrics: RelayMetrics,
        board: SinkBoard,
        stopTimeout: Duration,
        logger: Logger
    ) {
        self.sink = sink
        self.journal = journal
        parked = HandedOver(lease.parked)
        var lease = lease
        lease.parked = []
        self.lease = lease
        self.policy = policy
        self.readAhead = readAhead
        self.clock = clock
        self.metrics = metrics
        self.board = board
        self.stopTimeout = stopTimeout
        var logger = logger
        logger[metadataKey: "sink"] = "\(sink.name)"
        self.logger = logger
        (inputs, input) = AsyncStream.makeStream(of: Input.self)
    }

    /// Runs until a graceful shutdown, cancellation, or a newer lease on the sink; then shuts the sink down.
    public func run() async throws {
        _ = await serve()
        await sink.shutdown()
    }

    /// Runs until ``stop()`` or a graceful shutdown, until it is cancelled, or until its lease is no longer
    /// good; leaves the sink as it is.
    public func serve() async -> End { await serve(after: nil).end }

    /// The same for a worker that goes on where one with the lease before has ended.
    func serve(after last: Standing?) async -> (end: End, standing: Standing) {
        await withGracefulShutdownHandler {
            // A group that discards: one that keeps results would grow with every delivery.
            await withDiscardingTaskGroup { tasks in
                let news = journal.news()
                tasks.addTask { [input] in for await _ in news { input.yield(.news) } }
                let ended = await drive(&tasks, after: last)
                tasks.cancelAll()
                return ended
            }
        } onGracefulShutdown: {
            stop()
        }
    }

    /// Lets what is in flight finish within the deadline, then ends.
    ///
    /// May be called from anywhere, more than once, and before ``serve()``.
    public func stop() { input.yield(.stop) }

    /// The same, however long it takes: the sink stays, and what came of a request that is cut nobody knows.
    func finish() { input.yield(.finish) }

    /// What child tasks report.
    private enum Input: Sendable {
        case news, finish, stop, stopDeadline, timePassed
        case prepared(SinkError?)
        case read(Result<JournalPage, JournalError>)
        case readParked([Offset], Result<[JournalEntry], JournalError>)
        case delivered(AttemptRunner.Ended)
        /// What was recorded, which may be nothing or a part, and why no more.
        case settled(Settlement?, JournalError?)

        /// The end that it means, where the journal has said that this lease is no longer good.
        var end: End? {
            switch journalError {
            case .moved: .moved
            case .fenced?, .closed?: journalError.map(End.shutOut)
            case .cannotCommit, .unusable, nil: nil
            }
        }

        private var journalError: JournalError? {
            switch self {
            case .read(.failure(let error)), .readParked(_, .failure(let error)), .settled(_, let error?):
                error
            case .delivered(let ended): ended.journalError
            default: nil
            }
        }
    }

    private typealias Machine = DeliveryStateMachine<SystemRandomNumberGenerator>

    // MARK: - The loop

    private func drive(
        _ tasks: inout DiscardingTaskGroup, after last: Standing?
    ) async -> (end: End, standing: Standing) {
        var lease = lease
        lease.parked = parked.take() ?? []
        var machine = Machine(
            lease: lease, limits: sink.limits, policy: policy, generator: SystemRandomNumberGenerator(),
            bounds: DeliveryBounds(readAhead: readAhead), after: last?.breaker,
            operation: sink.operation(of:), userOperation: sink.userOperation(of:))
        var reporter =
            last?.reporter
            ?? SinkReporter(sink: sink.name, metrics: metrics, board: board, logger: logger)
        reporter.hold = self.lease.hold
        var means = Means(alarm: WorkerAlarm(clock) { [input] in input.yield(.timePassed) })
        var watch = ClockWatch(clock)
        var end = End.stopped
        var isHurried = false
        act(&machine, &tasks, &means)
        loop: for await event in inputs {
            if case (let now, let step?) = watch.read() { machine.clockWasSet(by: step, to: now) }
            switch (event, event.end) {
            case (_, .shutOut(let error)):
                reporter.isShutOut(error, now: clock.now)
                end = .shutOut(error)
                break loop
            case (_, .moved):
                // Nothing more begins; what is in flight ends by itself, and is settled like what has ended.
                end = .moved
                finish(&machine, means)
                take(event, &machine, &reporter)
            case (.finish, _): finish(&machine, means)
            case (.stop, _):
                finish(&machine, means)
                if !isHurried { setDeadline(&tasks) }
                isHurried = true
            case (.stopDeadline, _):
                logger.warning(
                    "the stop waits no longer for what is with the sink; that is delivered again later",
                    metadata: ["deliveries": "\(machine.inFlight)"])
                break loop
            default: take(event, &machine, &reporter)
            }
            if case .delivered(let ended) = event, ended.isFailure { means.calls.open() }
            act(&machine, &tasks, &means)
            reporter.isAt(machine.breaker, inFlight: machine.inFlight, now: clock.now)
            if machine.isStopped { break }
        }
        return (end, Standing(breaker: machine.breaker, reporter: reporter))
    }

    /// Nothing begins any more, nor goes to the sink from the line.
    private func finish(_ machine: inout Machine, _ means: borrowing Means) {
        means.calls.close()
        if !machine.isStopping { machine.stop(at: clock.now) }
    }

    private func setDeadline(_ tasks: inout DiscardingTaskGroup) {
        tasks.addTask { [clock, input, stopTimeout] in
            try? await clock.sleep(for: stopTimeout)
            input.yield(.stopDeadline)
        }
    }

    /// Tells the machine what happened.
    private func take(
        _ event: Input, _ machine: inout Machine, _ reporter: inout SinkReporter
    ) {
        let now = clock.now
        switch event {
        case .news: machine.newsArrived()
        case .finish, .stop, .stopDeadline: break
        case .timePassed: machine.wokeUp()
        case .prepared(nil): machine.prepared()
        case .prepared(let error?): machine.prepareFailed(error, at: now)
        case .read(.success(let page)): machine.pageRead(page)
        case .readParked(let offsets, .success(let entries)):
            machine.parkedRead(entries, of: offsets, at: now)
        case .read(.failure(let error)):
            logger.error("the journal could not be read", metadata: ["reason": "\(error.reason)"])
            machine.readFailed()
        case .readParked(_, .failure(let error)):
            logger.error("the journal could not be read", metadata: ["reason": "\(error.reason)"])
            machine.readParkedFailed()
        case .delivered(let ended) where ended.journalError == .moved:
            // Nothing of it was sent.
            machine.attemptDeferred(ended.attempt, .everybody(.zero), at: now)
        case .delivered(let ended):
            switch ended.result {
            case .receipts(let receipts):
                machine.receiptsArrived(
                    receipts, attempt: ended.attempt, intended: ended.intended, took: ended.took, at: now)
            case .failed(let error):
                machine.attemptFailed(
                    error, attempt: ended.attempt, intended: ended.intended, took: ended.took, at: now)
            case .refused(let error):
                machine.attemptFailed(error, attempt: ended.attempt, isSent: false, at: now)
            case .deferred(let deferral): machine.attemptDeferred(ended.attempt, deferral, at: now)
            }
        case .settled(let recorded, nil), .settled(let recorded, .moved?):
            machine.settleSucceeded()
            if let recorded { reporter.settled(recorded) }
        case .settled(_, let error?):
            logger.error("deliveries could not be settled", metadata: ["reason": "\(error.reason)"])
            machine.settleFailed()
        }
    }

    // MARK: - Actions

    /// What carries out the machine's actions, besides child tasks.
    private struct Means: ~Copyable {
        var alarm: WorkerAlarm
        var calls = CallLine()
    }

    private var runner: AttemptRunner {
        AttemptRunner(sink: sink, journal: journal, epoch: lease.epoch, clock: clock)
    }

    /// Carries out everything that the machine wants done now.
    private func act(
        _ machine: inout Machine, _ tasks: inout DiscardingTaskGroup, _ means: inout Means
    ) {
        while let action = machine.nextAction(at: clock.now) {
            switch action {
            case .deliver(let attempt):
                let entries = attempt.offsets.compactMap { machine.entry($0) }
                let call = sink.limits.readiesNextBatch ? means.calls.join() : nil
                tasks.addTask { [runner] in
                    await make(call) {
                        await runner.run(attempt, entries)
                    } without: {
                        AttemptRunner.Ended(attempt: attempt.id, result: .deferred(.everybody(.zero)))
                    }
                }
            case .wake(let time): means.alarm.set(to: time)
            default:
                tasks.addTask { [input] in await input.yield(perform(action)) }
            }
        }
    }

    /// Makes a call when it comes, and reports how it ended; where the line is closed by then it is not made.
    private func make(
        _ call: CallLine.Place?, _ body: () async -> AttemptRunner.Ended,
        without: () -> AttemptRunner.Ended
    ) async {
        let isOpen = await call?.comes() ?? true
        // Whoever was cancelled in line tells nobody, for nobody listens any more.
        if call != nil, Task.isCancelled {
            call?.ended(isFailure: false)
            return
        }
        let ended = isOpen ? await body() : without()
        input.yield(.delivered(ended))
        call?.ended(isFailure: ended.isFailure)
    }

    private func perform(_ action: Machine.Action) async -> Input {
        switch action {
        case .prepare:
            return .prepared(await failure { () async throws(SinkError) in try await sink.prepare() })
        case .read(let offset, let limit):
            return .read(
                await patiently { () async throws(JournalError) in
                    try await journal.read(sink.name, after: offset, limit: limit)
                }
            )
        case .readParked(let offsets):
            return .readParked(
                offsets,
                await patiently { () async throws(JournalError) in
                    try await journal.read(sink.name, at: offsets)
                }
            )
        case .settle(let settlement):
            let result = await patiently { () async throws(JournalError) in
                try await journal.record(settlement)
            }
            switch result {
            case .success(.whole): return .settled(settlement, nil)
            case .success(.held(let held)): return .settled(held, .moved)
            case .failure(let error): return .settled(nil, error)
            }
        case .deliver, .wake: return .timePassed
        }
    }

    private func failure(_ body: () async throws(SinkError) -> Void) async -> SinkError? {
        do throws(SinkError) {
            try await body()
            return nil
        } catch {
            return error
        }
    }

    /// Answers a failure only after a pause, so that whoever tries again does not spin.
    private func patiently<T>(
        _ body: () async throws(JournalError) -> T
    ) async -> Result<T, JournalError> {
        do throws(JournalError) {
            return .success(try await body())
        } catch {
            if error != .fenced, error != .moved, error != .closed {
                try? await clock.sleep(for: Self.journalRetry)
            }
            return .failure(error)
        }
    }
}
