import Config
public import Relay
import Synchronization

/// Turns, and requests of which nobody knows whether they arrived, and which must not be sent twice.
extension HTTPSink {
    /// Looks at the sink's rate and the server's limit; and after a creation that got no answer, asks whether
    /// the destination answers at all before another one is risked.
    ///
    /// What makes no request needs no turn.
    public func takeTurn(_ batch: [Delivery]) async throws(SinkError) -> Deferral? {
        let permit = silence.withLock { $0.permit(at: clock.uptime) }
        guard isPaced || permit != .granted, let delivery = batch.first,
            case .send(let step) = mapping.plan(delivery)
        else { return nil }
        guard step.mustNotRepeat else { return try turn(at: step.origin).map(Deferral.everybody) }
        if delivery.isOutcomeUnknown, step.lookup == nil { return nil }
        switch permit {
        case .granted: break
        case .wait(let wait): return .itsUsers(wait)
        case .refused(let reason): throw .unavailable(reason: "\(step.origin): \(reason)")
        case .question:
            if let wait = try turn(at: step.origin) { return .everybody(wait) }
            try await checkThatItAnswers(step)
        }
        return try turn(at: step.origin).map(Deferral.everybody)
    }

    /// Delivers what must not be sent twice.
    func deliverOnce(_ step: HTTPMapping.Step, _ delivery: Delivery) async throws(SinkError) -> Receipt {
        if delivery.isOutcomeUnknown, let receipt = try await receiptOfEarlierAttempt(step, delivery) {
            return receipt
        }
        guard let ticket = silence.withLock({ $0.begin() }) else {
            // Another one has begun since the turn was taken, and has to be answered first.
            return Receipt(offset: delivery.offset, .deferred(HTTPSilence.wait), contact: .notAsked)
        }
        switch await send(step.request) {
        case .success(let response):
            let verdict = HTTPVerdict(status: response.status, removes: step.removes)
            guard !HTTPVerdict.leavesOpen(response.status) else {
                let error = unavailable(response, step)
                let reason = "HTTP \(response.status)"
                return lost(
                    reason, error, isOutage: verdict == .unavailable, ticket, delivery,
                    status: response.status)
            }
            silence.withLock { silence in
                switch verdict {
                case .unavailable, .limited: silence.notTaken(ticket)
                case .delivered, .rejected, .retry, .denied: silence.answered(ticket)
                }
            }
            return try receipt(for: response, step, delivery)
        case .failure(let failure):
            switch failure {
            case .outcomeUnknown(let reason):
                return lost(reason, sinkError(failure, step.origin), isOutage: true, ticket, delivery)
            case .badResponse(let reason):
                return lost(reason, sinkError(failure, step.origin), isOutage: false, ticket, delivery)
            case .cancelled:
                // It says nothing of the destination, which may have done it all the same.
                silence.withLock { $0.notTaken(ticket) }
                if mapping.looksUp { return stillUnknown(failure.reason, delivery, .notAsked) }
                return deadLetter(failure.reason, delivery, .notAsked)
            case .invalidRequest, .addressRefused, .notSent, .misconfigured, .closed:
                silence.withLock { $0.notTaken(ticket) }
                return try receipt(for: failure, step, delivery)
            }
        }
    }

    /// A request was sent, or may have been, and nobody knows what became of it.
    ///
    /// What that says of the sink is the same as for a request that may be repeated: no answer is an outage,
    /// a wrong one is one user's matter until a second user gets it.
    private func lost(
        _ reason: String, _ error: SinkError, isOutage: Bool, _ ticket: HTTPSilence.Ticket,
        _ delivery: Delivery, status: Int? = nil
    ) -> Receipt {
        let now = clock.uptime
        let isEverybodys = silence.withLock { $0.lost(ticket, of: who(delivery), at: now) }
        let contact = isOutage || isEverybodys ? Receipt.Contact.failed(error) : .answered
        guard !mapping.looksUp else { return stillUnknown(reason, delivery, contact, status: status) }
        return deadLetter(reason, delivery, contact, status: status)
    }

    /// What became of an earlier attempt whose answer never came; nil where it did not arrive, so that it can
    /// be sent.
    private func receiptOfEarlierAttempt(
        _ step: HTTPMapping.Step, _ delivery: Delivery
    ) async throws(SinkError) -> Receipt? {
        guard let lookup = step.lookup else {
            return deadLetter("no answer was recorded before the delivery was cut short", delivery, .notAsked)
        }
        switch await send(lookup) {
        case .success(let response):
            let verdict = HTTPVerdict(status: response.status, removes: false)
            let text = "the lookup got HTTP \(response.status)"
            switch verdict {
            case .unavailable, .limited:
                if let error = trouble(verdict, response, step, delivery) { throw error }
                return stillUnknown(text, delivery, after: pause(of: response))
            // Of one user alone it says nothing of the sink, either way.
            case .denied:
                if let error = lookupRefused(response, step, delivery) { throw error }
                return stillUnknown(text, delivery, .notAsked, status: response.status)
            case .delivered, .rejected, .retry: lookupAnswered()
            }
            // To ask again costs nothing, and who believes half an answer loses the contact or doubles it.
            if response.isCutOff { return stillUnknown("the lookup's answer was cut off", delivery) }
            if verdict == .delivered { return found(response, step, delivery) }
            guard [404, 410].contains(response.status) else { return stillUnknown(text, delivery) }
            try await waitForTurn(step)
            return nil
        case .failure(.invalidRequest(let reason)):
            return deadLetter("lookup: \(reason)", delivery, .notAsked)
        case .failure(.badResponse(let reason)): return stillUnknown("lookup: \(reason)", delivery)
        case .failure(let failure): throw sinkError(failure, step.origin)
        }
    }

    /// The turn of a delivery's second request.
    private func waitForTurn(_ step: HTTPMapping.Step) async throws(SinkError) {
        while let wait = try turn(at: step.origin) {
            do {
                try await clock.sleep(for: wait)
            } catch {
                throw .unavailable(reason: "stopped while it waited for its rate")
            }
        }
    }

    /// Whatever the destination says to a `GET` of its root, it says something.
    private func checkThatItAnswers(_ step: HTTPMapping.Step) async throws(SinkError) {
        let question = CurlRequest(
            method: "GET", url: step.origin + "/", policy: mapping.policyOfRequests,
            timeout: min(step.request.timeout, .seconds(10)))
        switch await send(question) {
        case .success(let response):
            switch HTTPVerdict(status: response.status, removes: false) {
            case .unavailable, .limited: throw unavailable(response, step)
            case .delivered, .rejected, .retry, .denied: silence.withLock { $0.heardAnything() }
            }
        case .failure(let failure): throw sinkError(failure, step.origin)
        }
    }

    private func deadLetter(
        _ reason: String, _ delivery: Delivery, _ contact: Receipt.Contact, status: Int? = nil
    ) -> Receipt {
        let advice =
            "outcome unknown: \(reason); look whether it is there, then discard this dead letter if it"
            + " is, and redrive it if it is not"
        return Receipt(
            offset: delivery.offset, .rejected(reason: advice), status: status,
            isOutcomeUnknown: contact != .notAsked, contact: contact)
    }

    private func stillUnknown(
        _ reason: String, _ delivery: Delivery, _ contact: Receipt.Contact = .answered, status: Int? = nil,
        after pause: Duration? = nil
    ) -> Receipt {
        let outcome = Receipt.Outcome.retry(after: pause, reason: "outcome unknown: \(reason)")
        return Receipt(
            offset: delivery.offset, outcome, status: status, isOutcomeUnknown: true, contact: contact)
    }

    private func found(_ response: CurlResponse, _ step: HTTPMapping.Step, _ delivery: Delivery) -> Receipt {
        let detail = Self.detail(of: response) + ", to the lookup"
        let state = Self.state(step, delivery, isThere: true)
        return Receipt(offset: delivery.offset, .delivered, state: state, detail: detail)
    }
}
