public import Config
import JSON
import Synchronization

/// Plays Okta against a relay: the verification GET, then a POST per envelope with Okta's patience, which is
/// three seconds and one more try after a timeout or a 5xx, and none after a 4xx.
public struct OktaSimulator: Sendable {
    /// Whom to call and how.
    public struct Options: Sendable {
        public var target: HTTPTarget
        /// The header that carries the secret.
        public var header: String
        public var secret: Secret
        /// Connections that send at the same time; at least 1.
        public var connections: Int
        /// Envelopes a second over all connections; nil sends as fast as answers come.
        public var rate: Double?
        /// Whether the verification GET comes first.
        public var verifiesHook: Bool
        public var verifiesCertificate: Bool
        /// Okta waits this long for an answer.
        public var timeout: Duration

        public init(
            target: HTTPTarget, header: String = "Authorization", secret: Secret, connections: Int = 4,
            rate: Double? = nil, verifiesHook: Bool = true, verifiesCertificate: Bool = true,
            timeout: Duration = .seconds(3)
        ) {
            self.target = target
            self.header = header
            self.secret = secret
            self.connections = connections
            self.rate = rate
            self.verifiesHook = verifiesHook
            self.verifiesCertificate = verifiesCertificate
            self.timeout = timeout
        }
    }

    private let options: Options
    private let clock: any RelayClock

    public init(_ options: Options, clock: any RelayClock = SystemClock()) {
        precondition(options.connections > 0, "a simulation without connections")
        self.options = options
        self.clock = clock
    }

    /// Asks for the verification as Okta does when an administrator presses Verify.
    ///
    /// - Returns: Nil when the relay answered as it must, otherwise what was wrong with the answer.
    public func verify(challenge: String) async -> String? {
        let request = ClientRequest(
            method: "GET",
            path: options.target.path,
            headers: [
                ("User-Agent", "Okta-Integrations"), ("Accept", "application/json"),
                ("X-Okta-Verification-Challenge", challenge), (options.header, options.secret.revealed),
            ]
        )
        do {
            let connection = try await connect()
            let answer = try await connection.send(request, timeout: options.timeout)
            await connection.close()
            guard answer.status == 200 else {
                return "the verification GET was answered with \(answer.status)"
            }
            let echo = (try? JSONDocument(answer.body))?.root["verification"]?.string
            return echo == challenge ? nil : "the verification answer does not return the challenge"
        } catch {
            return error.reason
        }
    }

    /// Verifies the hook where that is asked for, then sends all that the generator has.
    public func run(_ generator: LifecycleGenerator) async -> SimulationReport {
        let started = ContinuousClock.now
        var report = SimulationReport()
        if options.verifiesHook {
            var random = SeededGenerator(seed: 0x0C7A)
            report.verificationProblem = await verify(challenge: random.identifier(prefix: "", length: 40))
            if report.verificationProblem != nil { return report }
        }
        let source = EnvelopeSource(generator, rate: options.rate, start: clock.now)
        report = await withTaskGroup(of: SimulationReport.self) { group in
            for _ in 0..<options.connections { group.addTask { await send(from: source) } }
            return await group.reduce(into: SimulationReport()) { $0.add($1) }
        }
        report.elapsed = ContinuousClock.now - started
        return report
    }

    // MARK: - One connection

    private func send(from source: EnvelopeSource) async -> SimulationReport {
        var report = SimulationReport()
        var connection: HTTPClientConnection?
        while !Task.isCancelled, let next = source.next() {
            let wait = next.due - clock.now
            if wait > 0 { try? await clock.sleep(for: .nanoseconds(wait)) }
            let isAcknowledged = await deliver(next.envelope, over: &connection, &report)
            report.count(next.envelope, isAcknowledged: isAcknowledged)
        }
        await connection?.close()
        return report
    }

    /// One envelope and its retry; true when the relay acknowledged it.
    private func deliver(
        _ envelope: SimulatedEnvelope, over connection: inout HTTPClientConnection?,
        _ report: inout SimulationReport
    ) async -> Bool {
        for attempt in 1...2 {
            if attempt == 2 { report.retries += 1 }
            let started = ContinuousClock.now
            do {
                let answer = try await post(envelope, over: &connection)
                report.answer(String(answer.status), after: answer.arrivedAt - started)
                switch answer.status {
                case 200, 204: return true
                case 500...: continue
                default: return false
                }
            } catch {
                connection = nil
                report.answer(error.label, after: nil)
            }
        }
        return false
    }

    private func post(
        _ envelope: SimulatedEnvelope, over connection: inout HTTPClientConnection?
    ) async throws(ClientError) -> ClientAnswer {
        if connection?.isOpen != true { connection = try await connect() }
        guard let connection else { throw .closed(reason: "there is no connection") }
        let request = ClientRequest(
            method: "POST",
            path: options.target.path,
            headers: [
                ("User-Agent", "Okta Hook Service v1.0.0 - simulated"), ("Accept", "application/json"),
                ("Content-Type", "application/json"), (options.header, options.secret.revealed),
            ],
            body: envelope.bytes
        )
        return try await connection.send(request, timeout: options.timeout)
    }

    private func connect() async throws(ClientError) -> HTTPClientConnection {
        try await HTTPClientConnection(
            to: options.target, timeout: options.timeout, verifiesCertificate: options.verifiesCertificate)
    }
}

/// Hands out envelopes to several connections, each with the time at which it is due.
private final class EnvelopeSource: Sendable {
    private struct State {
        var generator: LifecycleGenerator
        var count = 0
    }

    private let state: Mutex<State>
    private let interval: Double
    private let start: Int64

    init(_ generator: LifecycleGenerator, rate: Double?, start: Int64) {
        state = Mutex(State(generator: generator))
        interval = rate.map { 1e9 / $0 } ?? 0
        self.start = start
    }

    func next() -> (envelope: SimulatedEnvelope, due: Int64)? {
        state.withLock { state in
            guard let envelope = state.generator.nextEnvelope() else { return nil }
            defer { state.count += 1 }
            return (envelope, start + Int64(Double(state.count) * interval))
        }
    }
}

extension ClientError {
    fileprivate var label: String {
        switch self {
        case .cannotConnect: "no connection"
        case .timedOut: "timeout"
        case .closed: "connection lost"
        }
    }
}
