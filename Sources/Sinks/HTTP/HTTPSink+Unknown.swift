import Relay
import Synchronization

/// Requests of which nobody knows whether they arrived, and which must not be sent twice.
extension HTTPSink {
    /// What became of an earlier attempt whose answer never came; nil where it did not arrive, so that it can
    /// be sent.
    func receiptOfEarlierAttempt(
        _ step: HTTPMapping.Step, _ delivery: Delivery
    ) async throws(SinkError) -> Receipt? {
        guard let lookup = step.lookup else {
            return unknown("the relay ended while the request was on its way", delivery)
        }
        switch try await send(lookup) {
        case .success(let response):
            switch HTTPVerdict(status: response.status, removes: false) {
            case .delivered: return found(response, step, delivery)
            case .rejected where [404, 410].contains(response.status): return nil
            case .unavailable: throw unavailable(response, step)
            case .rejected, .retry, .denied:
                return stillUnknown("the lookup got HTTP \(response.status)", delivery)
            }
        case .failure(.invalidRequest(let reason)):
            return Receipt(offset: delivery.offset, .rejected(reason: "lookup: \(reason)"))
        case .failure(.badResponse(let reason)): return stillUnknown("lookup: \(reason)", delivery)
        case .failure(let failure): throw sinkError(failure, step.origin)
        }
    }

    /// After a request that must not be sent twice got no answer, the next one goes out only when the
    /// destination answers at all, whatever it says to a GET of its root.
    ///
    /// Otherwise an outage in which connections die after the request would cost one dead letter a request.
    func checkThatItAnswers(_ step: HTTPMapping.Step) async throws(SinkError) {
        guard isSilent.withLock({ $0 }) else { return }
        let question = CurlRequest(
            method: "GET", url: step.origin + "/", policy: mapping.policyOfRequests,
            timeout: min(step.request.timeout, .seconds(10)))
        switch try await send(question) {
        case .success(let response):
            let verdict = HTTPVerdict(status: response.status, removes: false)
            if verdict == .unavailable { throw unavailable(response, step) }
            isSilent.withLock { $0 = false }
        case .failure(let failure): throw sinkError(failure, step.origin)
        }
    }

    /// A request was sent, or may have been, and no answer came.
    func unknown(_ reason: String, _ delivery: Delivery) -> Receipt {
        isSilent.withLock { $0 = true }
        guard mapping.looksUp else {
            let advice =
                "outcome unknown: \(reason); look whether it is there, then discard this dead letter if it"
                + " is, and redrive it if it is not"
            return Receipt(offset: delivery.offset, .rejected(reason: advice))
        }
        return stillUnknown(reason, delivery)
    }

    private func stillUnknown(_ reason: String, _ delivery: Delivery) -> Receipt {
        let outcome = Receipt.Outcome.retry(after: nil, reason: "outcome unknown: \(reason)")
        return Receipt(offset: delivery.offset, outcome, isOutcomeUnknown: true)
    }

    private func found(_ response: CurlResponse, _ step: HTTPMapping.Step, _ delivery: Delivery) -> Receipt {
        let detail = Self.detail(of: response) + ", to the lookup"
        return Receipt(offset: delivery.offset, .delivered, state: step.state, detail: detail)
    }
}
