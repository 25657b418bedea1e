import JSON
import Relay
import Synchronization

/// Sends a simulated org's events over several connections, and keeps what was acknowledged.
///
/// Unlike Okta it never gives up: an envelope without a 200 is sent again, a little later over the same
/// connection, and where that is lost, when the relay is back. So what was committed and not acknowledged
/// comes twice, and in the end every event has been acknowledged.
final class PatientSender: Sendable {
    private struct State {
        var waiting: [SimulatedEnvelope]
        var acknowledged: Set<String> = []
        var answers: [Int: Int] = [:]
        var slowest = Duration.zero
        var milestones: [(count: Int, continuation: AsyncStream<Void>.Continuation)] = []
    }

    /// Every distinct event, by uuid.
    let events: [String: SimulatedEvent]
    private let state: Mutex<State>

    convenience init(_ options: LifecycleGenerator.Options) {
        var generator = LifecycleGenerator(options)
        var envelopes: [SimulatedEnvelope] = []
        while let envelope = generator.nextEnvelope() { envelopes.append(envelope) }
        self.init(envelopes)
    }

    init(_ envelopes: [SimulatedEnvelope]) {
        // Taken from the end.
        state = Mutex(State(waiting: envelopes.reversed()))
        events = Dictionary(envelopes.flatMap(\.events).map { ($0.id, $0) }) { first, _ in first }
    }

    /// The uuids of events that were acknowledged.
    var acknowledged: Set<String> { state.withLock { $0.acknowledged } }
    /// Answers by status.
    var answers: [Int: Int] { state.withLock { $0.answers } }
    /// How long the slowest answer took to arrive.
    var slowest: Duration { state.withLock { $0.slowest } }
    /// Whether everything has been acknowledged.
    var isDone: Bool { state.withLock { $0.waiting.isEmpty } && acknowledged.count == events.count }

    /// Returns when that many events have been acknowledged; make it before sending starts.
    func milestone(_ count: Int) -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
        state.withLock { $0.milestones.append((count, continuation)) }
        return stream
    }

    /// Sends until nothing is left, each connection until it is lost.
    func send(to target: HTTPTarget, connections: Int = 4) async {
        await withTaskGroup(of: Void.self) { tasks in
            for _ in 0..<connections { tasks.addTask { await self.sendOverOne(target) } }
        }
        // Whoever waits for a count that cannot come any more goes on.
        let left = state.withLock { state in
            defer { state.milestones = [] }
            return state.milestones
        }
        for milestone in left { milestone.continuation.finish() }
    }

    private func sendOverOne(_ target: HTTPTarget) async {
        guard let connection = try? await HTTPClientConnection(to: target, timeout: .seconds(10)) else {
            return
        }
        var refusals = (0..<600).makeIterator()
        while let envelope = state.withLock({ $0.waiting.popLast() }) {
            let request = ClientRequest(
                method: "POST", path: target.path,
                headers: [("Authorization", RelaySetup.secret), ("Content-Type", "application/json")],
                body: envelope.bytes)
            let started = ContinuousClock.now
            let answer = try? await connection.send(request, timeout: .seconds(10))
            if note(envelope, answer?.status, answer.map { $0.arrivedAt - started }) { continue }
            // A relay on a busy machine may refuse for a while; 30 s of that are no while any more.
            guard answer != nil, connection.isOpen, refusals.next() != nil else { break }
            do {
                try await SystemClock().sleep(for: .milliseconds(50))
            } catch {
                break
            }
        }
        await connection.close()
    }

    /// False where the envelope goes back, to be sent again.
    private func note(_ envelope: SimulatedEnvelope, _ status: Int?, _ elapsed: Duration?) -> Bool {
        let (isAcknowledged, reached) = state.withLock { state in
            if let status, let elapsed {
                state.answers[status, default: 0] += 1
                state.slowest = max(state.slowest, elapsed)
            }
            guard status == 200 else {
                state.waiting.append(envelope)
                return (false, [AsyncStream<Void>.Continuation]())
            }
            state.acknowledged.formUnion(envelope.events.map(\.id))
            let count = state.acknowledged.count
            let reached = state.milestones.filter { $0.count <= count }.map(\.continuation)
            state.milestones.removeAll { $0.count <= count }
            return (true, reached)
        }
        for continuation in reached { continuation.finish() }
        return isAcknowledged
    }
}
