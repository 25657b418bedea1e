import Config
public import Logging
import Rules
import Synchronization

/// The hands of whoever operates a relay: what commands and the admin API can change.
///
/// It works by the config that is in force, on a journal that a relay or a command has opened. May be used
/// from any task.
public final class Operator: Sendable {
    public typealias Inspection = JournalInspection & OperationsInspection

    let journal: any JournalOperations
    let inspection: any Inspection
    let clock: any RelayClock
    /// Has the workers of these sinks go on as the journal says now; nothing where none runs.
    ///
    /// It gives those that are still finishing what was in flight.
    private let restart: @Sendable ([String]) async -> [String]
    private let live: Mutex<OperatorSettings>
    private let newReplays = NewsStand()
    private let logger: Logger

    public init(
        journal: any JournalOperations, inspection: any Inspection, settings: OperatorSettings,
        clock: any RelayClock, logger: Logger, restart: @escaping @Sendable ([String]) async -> [String]
    ) {
        self.journal = journal
        self.inspection = inspection
        self.clock = clock
        self.restart = restart
        self.logger = logger
        live = Mutex(settings)
    }

    /// The settings in force now.
    var settings: OperatorSettings { live.withLock { $0 } }

    /// Puts other settings in force, for every verb from now on.
    public func swap(_ next: OperatorSettings) {
        live.withLock { $0 = next }
        newReplays.announce()
    }

    // MARK: - Sinks

    /// - Returns: Whether its worker is still finishing what was in flight.
    func pause(_ sink: String, reason: String) async throws -> Bool {
        guard try await journal.pause(sink, reason: reason) else { throw try await unknown(sink) }
        logger.notice("a person paused a sink", metadata: ["sink": "\(sink)"])
        return await !restart([sink]).isEmpty
    }

    func resume(_ sink: String) async throws -> ResumeReport {
        guard var report = try await journal.resume(sink) else { throw try await unknown(sink) }
        guard report.ended != nil else { return report }
        logger.notice("a person resumed a sink", metadata: ["sink": "\(sink)"])
        report.isFinishing = await !restart([sink]).isEmpty
        return report
    }

    func seek(_ sink: String, to target: SeekTarget, reason: String) async throws -> SeekReport {
        let offset = try await offset(of: target)
        guard var report = try await journal.seek(sink, to: offset, reason: reason) else {
            throw try await unknown(sink)
        }
        logger.notice(
            "a person moved a sink",
            metadata: [
                "sink": "\(sink)", "from": "\(report.from)", "to": "\(report.to)",
                "givenUp": "\(report.givenUp)", "repeated": "\(report.repeated)",
            ])
        report.isFinishing = await !restart([sink]).isEmpty
        return report
    }

    /// - Parameter remaining: What the call before said that is left; nil begins.
    func drop(_ sink: String, isForced: Bool, remaining: Int? = nil) async throws -> DropReport {
        try refuseConfigured(sink)
        guard var report = try await journal.drop(sink, isForced: isForced) else {
            throw try await unknown(sink)
        }
        if let deleted = report.deleted {
            // Counted once, because a count reads all of it.
            let counted = remaining == nil ? try await inspection.dropPreview(sink)?.rows : nil
            report.remaining = counted ?? max(0, (remaining ?? 0) - deleted)
            return report
        }
        guard report.isDropped else {
            throw OperatorProblem.refused(
                """
                \(report.waiting) waiting events and \(report.deadLetters) dead letters of \(sink) would be \
                lost; force it, or put the sink back into the config
                """)
        }
        logger.notice("a person dropped a sink", metadata: ["sink": "\(sink)"])
        return report
    }

    func refuseConfigured(_ sink: String) throws {
        guard settings.sinks[sink] == nil else {
            throw OperatorProblem.refused(
                "\(sink) is configured; take it out of the config and reload before it is dropped")
        }
    }

    func unknown(_ sink: String) async throws -> OperatorProblem {
        let names = try await inspection.status().sinks.map(\.name).joined(separator: ", ")
        return .notFound("the journal knows no sink \(sink); it knows \(names.isEmpty ? "none" : names)")
    }

    // MARK: - Records

    func redrive(_ filter: DeadLetterFilter, _ step: OperationStep) async throws -> StepReport {
        if step.position == nil { try await know([.sink: filter.sink, .rule: filter.rule]) }
        try await check(step, of: "dead-letters redrive")
        return try await journal.redrive(filter, step, sinks: settings.delivered)
    }

    func discard(_ filter: DeadLetterFilter, _ step: OperationStep) async throws -> StepReport {
        if step.position == nil { try await know([.sink: filter.sink, .rule: filter.rule]) }
        try await check(step, of: "dead-letters discard")
        return try await journal.discard(filter, step)
    }

    func resubmit(_ filter: QuarantineFilter, _ step: OperationStep) async throws -> StepReport {
        if step.position == nil { try await know([.hook: filter.hook]) }
        try await check(step, of: "quarantine resubmit")
        let (settings, now) = (settings, clock.now)
        return try await journal.resubmit(filter, step) { settings.judge($0, at: now) }
    }

    /// A step that goes on goes on with what the journal notes of an operation of its kind.
    private func check(_ step: OperationStep, of command: String) async throws {
        guard let operation = step.position?.operation else { return }
        // The newest up to this id.
        let page = PageRequest(before: operation &+ 1, limit: 1)
        let noted = try await inspection.operations(OperationFilter(), page).first
        guard let noted, noted.id == operation, noted.command == command else {
            throw OperatorProblem.misled(
                "no \(command) has the operation \(operation): send all members of next as they are there")
        }
    }

    /// Refuses names that nobody knows; a step that goes on may have taken the last record of a name.
    func know(_ names: KeyValuePairs<NamedKind, String?>) async throws {
        try await settings.know(names, in: inspection)
    }

    // MARK: - Replays

    /// Notes a replay; it is carried out by ``advanceReplays()``, whoever calls that.
    func begin(_ order: ReplayOrder) async throws -> Replay {
        let (asked, span) = try await request(order)
        var request = asked
        request.isWhole = try await inspection.isWhole(span)
        // The replay makes its sink known; what that is to begin with must not be missed for it.
        if let start = settings.starts[order.sink] {
            try await enroll([order.sink: start.nanoseconds(now: clock.now)])
        }
        // What comes in meanwhile may still belong to it.
        let isPast = order.until.map { $0 <= clock.now } ?? false
        let replay = try await journal.begin(request, through: isPast ? span.last : nil)
        logger.notice(
            "a replay begins", metadata: ["id": "\(replay.id)", "sink": "\(replay.request.sink)"])
        newReplays.announce()
        return replay
    }

    /// Ends a replay where it stands.
    func cancel(replay id: String) async throws -> Replay {
        let isCancelled = try await journal.cancel(replay: id)
        guard let replay = try await inspection.replay(id: id) else {
            throw OperatorProblem.unknownReplay
        }
        guard isCancelled else {
            throw OperatorProblem.hasEnded(replay)
        }
        logger.notice("a person cancelled a replay", metadata: ["id": "\(id)"])
        newReplays.announce()
        return replay
    }

    /// What one step of a replay would do.
    ///
    /// - Parameter place: Where the step begins, in the span that the first step had; nil for that one.
    func tryOut(
        _ order: ReplayOrder, at place: (after: Offset, first: Offset, last: Offset)? = nil
    ) async throws -> (replay: Replay, step: ReplayStep) {
        guard let place else {
            let (request, span) = try await request(order)
            let replay = dryRun(of: request, after: span.after, last: span.last)
            var step = try await step(of: replay, by: settings)
            // One of the steps tells of all of them.
            step.isWhole = try await inspection.isWhole(span) && step.isWhole
            return (replay, step)
        }
        // To find the span again takes a look at all of the log, and it would have no end while events come.
        try settings.check(order)
        guard place.first <= place.after, place.after <= place.last else {
            throw OperatorProblem.refused("after, first and last are not those of an answer before")
        }
        let request = ReplayRequest(
            sink: order.sink, filter: order.filter, since: order.since, until: order.until, after: place.first
        )
        let replay = dryRun(of: request, after: place.after, last: place.last)
        return (replay, try await step(of: replay, by: settings))
    }

    private func dryRun(of request: ReplayRequest, after: Offset, last: Offset) -> Replay {
        Replay(
            id: "dry-run", request: request, startedAt: clock.now, after: after, last: last, appended: 0,
            endedAt: nil)
    }

    private func request(_ order: ReplayOrder) async throws -> (ReplayRequest, EventSpan) {
        try settings.check(order)
        let span = try await inspection.span(since: order.since, until: order.until)
        let request = ReplayRequest(
            sink: order.sink, filter: order.filter, since: order.since, until: order.until, after: span.after)
        return (request, span)
    }

    /// The replays with which sinks begin that the journal does not know yet.
    ///
    /// - Parameter times: By sink, the time in nanoseconds since 1970 from which it gets events.
    public func starts(at times: [String: Int64]) async throws(JournalError) -> [ReplayRequest] {
        guard !times.isEmpty else { return [] }
        let known = Set(try await inspection.status().sinks.map(\.name))
        var starts: [ReplayRequest] = []
        for (sink, since) in times.sorted(by: { $0.key < $1.key }) where !known.contains(sink) {
            let span = try await inspection.span(since: since, until: nil)
            starts.append(
                ReplayRequest(
                    sink: sink, filter: ReplayFilter(), since: since, until: nil, after: span.after,
                    isWhole: try await inspection.isWhole(span)))
        }
        return starts
    }

    /// Makes such sinks known, each with its replay, which has no end before ``endStarts(of:onceLeft:)``.
    func enroll(_ times: [String: Int64]) async throws(JournalError) {
        for start in try await starts(at: times) { try await journal.enroll(start) }
    }

    /// Ends the replays that new sinks begin with: rules name these sinks from now on, and send them what
    /// comes.
    ///
    /// - Parameter isLeft: Returns when nobody sends events by earlier rules any more.
    public func endStarts(
        of sinks: [String], onceLeft isLeft: () async -> Void = {}
    ) async throws(JournalError) {
        let open = try await inspection.unfinishedReplays().filter(\.isOpen).map(\.request.sink)
        let ended = sinks.filter(open.contains)
        guard !ended.isEmpty else { return }
        await isLeft()
        try await journal.endStarts(of: ended)
        newReplays.announce()
    }

    /// One step of the oldest replay that can go on; false where there is none.
    ///
    /// A replay whose sink is not delivered to waits until it is. Where the journal has no room that costs
    /// nobody anything, it throws ``JournalError/cannotCommit(reason:)``, and nothing has changed.
    public func advanceReplays() async throws(JournalError) -> Bool {
        // One step goes by the rules by which its replay was chosen, whatever is swapped in meanwhile.
        let settings = settings
        let replays = try await inspection.unfinishedReplays()
        let replay = replays.first { !$0.isOpen && settings.delivered.contains($0.request.sink) }
        guard let replay else { return false }
        let step = try await step(of: replay, by: settings)
        guard try await journal.advance(replay, by: step), step.isLast else { return true }
        logger.notice(
            "a replay is done: its entries wait for their sink",
            metadata: [
                "id": "\(replay.id)", "entries": "\(replay.appended + step.events.count)",
                "isWhole": "\(replay.request.isWhole && step.isWhole)",
            ])
        return true
    }

    private func step(
        of replay: Replay, by settings: OperatorSettings
    ) async throws(JournalError) -> ReplayStep {
        let page = try await inspection.storedEvents(
            after: replay.after, through: replay.last, since: replay.request.since)
        return settings.step(replay, through: page)
    }

    /// What replays need to go on, as it is now.
    func prospects() async throws(JournalError) -> ReplayProspects {
        ReplayProspects(
            delivered: settings.delivered, hasRoom: try await inspection.hasRoomForReplays())
    }

    /// Yields at once, and whenever a replay may have something to do.
    func replayNews() -> AsyncStream<Void> { newReplays.subscribe() }
}

/// Where a sink is to go on.
public enum SeekTarget: Sendable, Equatable {
    /// Behind everything that is there.
    case end
    /// Behind this entry.
    case offset(Offset)
    /// At the first event that was received then or later; nanoseconds since 1970.
    case time(Int64)
}

/// A replay, as somebody asks for it.
public struct ReplayOrder: Sendable, Equatable {
    public var sink: String
    public var filter: ReplayFilter
    /// Nanoseconds since 1970.
    public var since: Int64
    /// Nil: up to what has come in by now.
    public var until: Int64?

    public init(sink: String, filter: ReplayFilter = ReplayFilter(), since: Int64, until: Int64? = nil) {
        self.sink = sink
        self.filter = filter
        self.since = since
        self.until = until
    }
}

/// Why an operator's wish is not carried out; for that person.
public enum OperatorProblem: Error {
    /// Something that was named is not there.
    case notFound(String)
    /// It must not be done as things are.
    case refused(String)
    /// It cannot be meant as it is said.
    case misled(String)

    static let unknownReplay = OperatorProblem.notFound(
        "no replay has this id; `okta-relay replay list` and /replays list them")

    static func hasEnded(_ replay: Replay) -> OperatorProblem {
        .refused("\(replay.id) has ended already, with \(replay.appended) events")
    }

    public var text: String {
        switch self {
        case .notFound(let text), .refused(let text), .misled(let text): text
        }
    }
}
