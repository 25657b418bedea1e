import Relay
import Synchronization

/// What happened at all sinks of a test, in order, and what should never have happened.
final class DeliveryRecord: Sendable {
    struct Line: Sendable, Equatable {
        /// The sink's name, and which of the sinks of that name it was.
        let sink: String
        let generation: Int
        let event: String
        let subject: Subject?
    }

    private struct State {
        var lines: [Line] = []
        /// The generation that serves a name, from its first delivery to its shutdown.
        var serving: [String: Int] = [:]
        var shutdowns: [String] = []
        var breaches: [String] = []
        var waiting: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
    }

    private let state = Mutex(State())

    var lines: [Line] { state.withLock(\.lines) }
    var breaches: [String] { state.withLock(\.breaches) }
    /// Each sink that was shut down, as `name/generation`.
    var shutdowns: [String] { state.withLock(\.shutdowns) }

    func events(at sink: String) -> [String] { lines.filter { $0.sink == sink }.map(\.event) }

    /// Waits until that many deliveries have been made.
    func reached(_ count: Int) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let reached = state.withLock { state in
                    state.waiting.append((count, continuation))
                    return state.lines.count
                }
                resume { $0 <= reached || Task.isCancelled }
            }
        } onCancel: {
            resume { _ in true }
        }
    }

    /// Lets those who wait for such counts go on.
    private func resume(_ isDue: (Int) -> Bool) {
        let due = state.withLock { state in
            let due = state.waiting.filter { isDue($0.count) }
            state.waiting.removeAll { isDue($0.count) }
            return due
        }
        for waiter in due { waiter.continuation.resume() }
    }

    func delivered(_ batch: [Delivery], by sink: RecordingSink) {
        let reached = state.withLock { state in
            let serving = state.serving[sink.name] ?? sink.generation
            if serving != sink.generation { state.breaches.append("\(sink.name): two at a time") }
            if state.shutdowns.contains(sink.label) { state.breaches.append("\(sink.label): delivered late") }
            state.serving[sink.name] = sink.generation
            state.lines += batch.map {
                Line(
                    sink: sink.name, generation: sink.generation, event: $0.event.id,
                    subject: $0.event.subject)
            }
            return state.lines.count
        }
        resume { $0 <= reached }
    }

    func shutDown(_ sink: RecordingSink) {
        state.withLock { state in
            if state.shutdowns.contains(sink.label) {
                state.breaches.append("\(sink.label): shut down twice")
            }
            state.shutdowns.append(sink.label)
            if state.serving[sink.name] == sink.generation { state.serving[sink.name] = nil }
        }
    }
}

/// A sink that writes into a record, and whose deliveries a test can hold up.
final class RecordingSink: Sink {
    let name: String
    let generation: Int
    let limits = SinkLimits(batchEventsMax: 4, concurrency: 2, foldsUsers: false, keepsState: false)
    private let record: DeliveryRecord
    private let gate = Mutex(Gate())
    private let arrivals = AsyncStream<Void>.makeStream()

    private struct Gate {
        var isClosed = false
        var held: [CheckedContinuation<Void, Never>] = []
    }

    init(_ name: String, _ generation: Int = 1, record: DeliveryRecord) {
        self.name = name
        self.generation = generation
        self.record = record
    }

    var label: String { "\(name)/\(generation)" }

    /// From now on deliveries begin and do not end, not even when they are cancelled.
    func hold() { gate.withLock { $0.isClosed = true } }

    func release() {
        let held = gate.withLock { gate in
            defer { gate = Gate() }
            return gate.held
        }
        for continuation in held { continuation.resume() }
    }

    /// Waits until a delivery has begun; each is told once.
    func deliveryBegins() async {
        var iterator = arrivals.stream.makeAsyncIterator()
        _ = await iterator.next()
    }

    func prepare() async throws(SinkError) {}
    func probe() async throws(SinkError) {}
    func shutdown() async { record.shutDown(self) }

    func deliver(_ batch: [Delivery]) async throws(SinkError) -> [Receipt] {
        arrivals.continuation.yield()
        await withCheckedContinuation { continuation in
            let isOpen = gate.withLock { gate in
                if gate.isClosed { gate.held.append(continuation) }
                return !gate.isClosed
            }
            if isOpen { continuation.resume() }
        }
        record.delivered(batch, by: self)
        return batch.map { Receipt(offset: $0.offset, .delivered) }
    }
}
