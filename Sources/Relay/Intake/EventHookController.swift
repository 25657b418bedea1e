import Config
import HTTPTypes
import Hummingbird
import JSON
import Logging
import Rules

/// Answers Okta's event-hook calls: the first five of the relay's eight steps.
///
/// A request is found by its path, authenticated before a byte of its body is looked at, collected against a
/// limit, split into events, routed, and handed to the journal. 200 goes out only after the journal has
/// committed. Everything here may be called from any number of tasks at once.
struct EventHookController: Sendable {
    /// Okta waits 3 s for an answer; the rest is for the way back.
    static let answerWithin = Duration.milliseconds(2_500)

    private let live: LiveIntake
    private let appender: JournalAppender
    private let clock: any RelayClock
    private let metrics: RelayMetrics
    private let refusals: RefusalLog
    private let logger: Logger

    init(
        live: LiveIntake,
        appender: JournalAppender,
        clock: any RelayClock,
        metrics: RelayMetrics,
        logger: Logger
    ) {
        self.live = live
        self.appender = appender
        self.clock = clock
        self.metrics = metrics
        self.refusals = RefusalLog(clock: clock, logger: logger)
        self.logger = logger
    }

    /// Answers one request; it throws only where the connection itself is broken.
    func answer(_ exchange: inout Exchange) async throws -> HTTPAnswer {
        let settings = live.current
        // Whoever puts others in force can wait for those who still go by these.
        defer { withExtendedLifetime(settings) {} }
        let hook = settings.hooks[String(exchange.path)]
        let name = hook?.configuration.name
        do {
            guard let hook else { throw IntakeError.notFound }
            let answer: HTTPAnswer
            switch exchange.head.method {
            case .get: answer = try verify(exchange, hook, settings)
            case .post: answer = try await receive(&exchange, hook, settings)
            default: throw IntakeError.methodNotAllowed
            }
            metrics.request(hook: name, exchange.head.method == .get ? .verified : .accepted)
            return answer
        } catch let error as IntakeError {
            metrics.request(hook: name, error.outcome)
            return error.answer(leavesBody: exchange.hasBody)
        } catch {
            metrics.request(hook: name, .brokenOff)
            throw error
        }
    }

    // MARK: - Verification

    /// Okta asks once, when an admin presses "Verify", and wants the challenge back unchanged.
    private func verify(
        _ exchange: borrowing Exchange, _ hook: IntakeHook, _ settings: IntakeSettings
    ) throws(IntakeError) -> HTTPAnswer {
        if hook.configuration.verification == .authenticated {
            try authenticate(exchange, hook, settings)
        }
        let challenges = HTTPField.Name("X-Okta-Verification-Challenge").map {
            exchange.head.headerFields[values: $0]
        }
        guard let challenges, challenges.count == 1, let challenge = challenges.first else {
            throw .noChallenge
        }
        logger.notice("answered a verification", metadata: ["hook": .string(hook.configuration.name)])
        // A GET with a body is nothing that Okta sends; the rest of it is not worth reading.
        return .json(closesConnection: exchange.hasBody) { $0.member("verification", challenge) }
    }

    private func authenticate(
        _ exchange: borrowing Exchange, _ hook: IntakeHook, _ settings: IntakeSettings
    ) throws(IntakeError) {
        switch hook.authenticator.verdict(exchange.head.headerFields) {
        case .accepted(let secret):
            metrics.secretUsed(hook: hook.configuration.name, secret: secret, at: clock.now)
        case .refused(let refusal):
            refusals.refused(
                "refused a request without the hook's secret",
                peer: settings.proxies.client(peer: exchange.peer, exchange.head.headerFields),
                reason: refusal.rawValue,
                hook: hook.configuration.name
            )
            throw .unauthorized
        }
    }

    // MARK: - Delivery

    private func receive(
        _ exchange: inout Exchange, _ hook: IntakeHook, _ settings: IntakeSettings
    ) async throws -> HTTPAnswer {
        let receivedAt = clock.now
        try authenticate(exchange, hook, settings)
        let body: [UInt8]
        do {
            body = try await exchange.collectBody(upTo: settings.bodyBytesMax)
        } catch is BodyTooLarge {
            throw IntakeError.tooLarge(limit: settings.bodyBytesMax)
        } catch is RequestTimeout {
            throw IntakeError.timedOut
        }
        do {
            let envelope = try hook.decoder.decode(body, receivedAt: receivedAt)
            try await commit(submission(of: envelope, settings.rules), hook, receivedAt: receivedAt)
        } catch let problem as NotAnEnvelope {
            let whole = hook.decoder.quarantined(body, reason: problem.reason, receivedAt: receivedAt)
            try await commit(Submission(quarantined: [whole]), hook, receivedAt: receivedAt)
            throw IntakeError.notAnEnvelope(problem)
        }
        return HTTPAnswer(.ok)
    }

    private func submission(of envelope: DecodedEnvelope, _ table: RuleTable) -> Submission {
        let events = envelope.events.map { event in
            Submission.RoutedEvent(
                event: event, route: table.route(event.routingFacts, event: event.body.root))
        }
        return Submission(events: events, quarantined: envelope.quarantined)
    }

    /// Returns once the submission is durable.
    ///
    /// It is handed over even when Okta has stopped waiting already: what came in is worth keeping.
    private func commit(
        _ submission: Submission, _ hook: IntakeHook, receivedAt: Int64
    ) async throws(IntakeError) {
        guard !submission.events.isEmpty || !submission.quarantined.isEmpty else { return }
        // Wall time may be set back meanwhile; that must not make anybody wait longer.
        let spent = Duration.nanoseconds(max(0, clock.now - receivedAt))
        let name = hook.configuration.name
        switch await appender.append(submission, hook: name, patience: Self.answerWithin - spent) {
        case .committed: return
        case .failed(let error):
            logger.error(
                "the journal cannot commit",
                metadata: ["hook": .string(name), "reason": .string(error.reason)])
            throw .unavailable
        case .late: throw .late
        }
    }
}
