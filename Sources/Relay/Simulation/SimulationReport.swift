/// What a simulated Okta saw.
public struct SimulationReport: Sendable, Equatable {
    /// What was wrong with the verification; then nothing was sent.
    public var verificationProblem: String?
    public internal(set) var envelopes = 0
    /// Events in them, repeated ones included.
    public internal(set) var events = 0
    public internal(set) var acknowledgedEnvelopes = 0
    /// The uuids of the events that were acknowledged at least once.
    public internal(set) var acknowledgedIDs: Set<String> = []
    /// Second tries.
    public internal(set) var retries = 0
    /// Answers by status; where there was none, by what happened instead.
    public internal(set) var answers: [String: Int] = [:]
    public internal(set) var elapsed: Duration = .zero
    private var latencies: [Duration] = []

    init() {}

    /// Whether the hook was verified and every envelope acknowledged.
    public var isComplete: Bool { verificationProblem == nil && acknowledgedEnvelopes == envelopes }

    /// The time below which that share (0 to 1) of all answers came; nil without any answer.
    public func latency(at share: Double) -> Duration? {
        guard !latencies.isEmpty else { return nil }
        let sorted = latencies.sorted()
        return sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]
    }

    mutating func answer(_ label: String, after latency: Duration?) {
        answers[label, default: 0] += 1
        if let latency { latencies.append(latency) }
    }

    mutating func count(_ envelope: SimulatedEnvelope, isAcknowledged: Bool) {
        envelopes += 1
        events += envelope.events.count
        guard isAcknowledged else { return }
        acknowledgedEnvelopes += 1
        acknowledgedIDs.formUnion(envelope.events.map(\.id))
    }

    mutating func add(_ other: SimulationReport) {
        envelopes += other.envelopes
        events += other.events
        acknowledgedEnvelopes += other.acknowledgedEnvelopes
        acknowledgedIDs.formUnion(other.acknowledgedIDs)
        retries += other.retries
        answers.merge(other.answers, uniquingKeysWith: +)
        latencies.append(contentsOf: other.latencies)
    }
}
