public import Config
import JSON
public import Relay
import Synchronization

/// Delivers each event as one HTTP request, built by the mapping of the config file.
///
/// With `on` the sink stands for one contact per user and keeps a ``Relay/FoldState`` for each; without it
/// every event is sent, whatever came before. What a status means is in ``HTTPVerdict``.
public final class HTTPSink: DeliveryPreviewing {
    public let name: String
    public let limits: SinkLimits

    /// A destination that asks for a longer pause is asked again after this.
    static let pauseMax = Duration.seconds(3_600)
    /// A pause of the server's limit that is waited for without a word.
    private static let quietPauseMax = Duration.seconds(60)

    let mapping: HTTPMapping
    private let client: CurlClient
    let clock: any RelayClock
    private let rateHeaders: HTTPRateHeaders?
    /// Whether ``takeTurn(_:)`` has to look at every delivery.
    let isPaced: Bool
    private let pace: Mutex<HTTPPace>
    private let refusals = Mutex(Refusals())
    /// Requests that must not be sent twice, and got no answer.
    let silence: Mutex<HTTPSilence>

    /// Answers that are about one user, or about all.
    private struct Refusals {
        /// 401 and 403.
        var denied = TroubleScope.none
        /// Whether one of these was about more than a lookup.
        var hasDeniedRequest = false
        /// 429.
        var limited = TroubleScope.none
        /// Answers that break the protocol.
        var garbled = TroubleScope.none
        /// When another request than a lookup was answered last, by a clock that nobody sets.
        var answeredAt: Int64?
    }

    /// Who may not read may still write: a lookup that is refused so shortly after an answer says no more.
    private static let answerSpeaks = Duration.seconds(300)

    /// - Parameter client: Shared by all HTTP sinks; whoever made it shuts it down, after the sinks.
    public init(
        name: String, configuration: HTTPSinkConfiguration, client: CurlClient, clock: any RelayClock
    ) {
        self.name = name
        self.client = client
        self.clock = clock
        mapping = HTTPMapping(sink: name, configuration: configuration)
        rateHeaders = configuration.rateHeaders
        isPaced = configuration.rate != nil || configuration.rateHeaders != nil
        pace = Mutex(HTTPPace(configuration.rate))
        silence = Mutex(HTTPSilence(costsEvents: configuration.unknown == .deadLetter))
        limits = SinkLimits(
            batchEventsMax: 1,
            concurrency: max(1, configuration.concurrency),
            foldsUsers: false,
            keepsState: configuration.on != nil
        )
    }

    /// Checks what can be seen without the network: that every URL's scheme and host are constant and
    /// allowed.
    public func prepare() async throws(SinkError) {
        _ = try origins()
    }

    public func deliver(_ batch: [Delivery]) async throws(SinkError) -> [Receipt] {
        var receipts: [Receipt] = []
        for delivery in batch { receipts.append(try await deliver(delivery)) }
        return receipts
    }

    /// A `POST`, unless the config says that it may be repeated.
    public func mustNotRepeat(_ delivery: Delivery) -> Bool {
        mapping.mustNotRepeat(delivery)
    }

    public func preview(_ delivery: Delivery) -> DeliveryPreview { mapping.preview(delivery) }

    public func state(after delivery: Delivery) -> FoldState? { mapping.state(after: delivery) }

    /// Opens a connection to each host, TLS included, and closes it again; sends nothing.
    public func probe() async throws(SinkError) {
        for origin in try origins() {
            let request = CurlRequest(
                method: "GET", url: origin, policy: mapping.policyOfRequests, timeout: .seconds(10),
                connectsOnly: true)
            do {
                _ = try await client.send(request)
            } catch {
                throw sinkError(error, origin)
            }
        }
    }

    /// The client is shared, so there is nothing of its own to let go.
    public func shutdown() async {}

    // MARK: - One delivery

    private func deliver(_ delivery: Delivery) async throws(SinkError) -> Receipt {
        switch mapping.plan(delivery) {
        case .settled(let receipt): return receipt
        case .send(let step) where step.mustNotRepeat: return try await deliverOnce(step, delivery)
        case .send(let step):
            switch await send(step.request) {
            case .success(let response): return try receipt(for: response, step, delivery)
            case .failure(let failure): return try receipt(for: failure, step, delivery)
            }
        }
    }

    /// Sends a request whose turn has been taken.
    func send(_ request: CurlRequest) async -> Result<CurlResponse, CurlFailure> {
        pace.withLock { $0.sent() }
        let result: Result<CurlResponse, CurlFailure>
        do throws(CurlFailure) {
            result = .success(try await client.send(request))
        } catch {
            result = .failure(error)
        }
        let (now, uptime) = (clock.now, clock.uptime)
        pace.withLock { pace in
            pace.ended()
            guard let rateHeaders, case .success(let response) = result,
                let report = HTTPRateReport(response, rateHeaders, at: now)
            else { return }
            pace.heard(report, at: uptime)
        }
        return result
    }

    /// Takes what the sink's rate and the server's limit leave for one request; nil where it may go now, else
    /// how long to wait before asking again.
    ///
    /// A long pause of the server's is an outage: it is shown, and no retry's time runs.
    func turn(at origin: String) throws(SinkError) -> Duration? {
        let (pause, wait) = pace.withLock { pace in
            let now = clock.uptime
            return (pace.pause(at: now), pace.take(at: now))
        }
        guard let pause, pause > Self.quietPauseMax else { return wait }
        throw .unavailable(reason: "\(origin): its rate limit is used up", retryAfter: pause)
    }

    func receipt(
        for response: CurlResponse, _ step: HTTPMapping.Step, _ delivery: Delivery
    ) throws(SinkError) -> Receipt {
        let text = "HTTP \(response.status)"
        let verdict = HTTPVerdict(status: response.status, removes: step.removes)
        if let error = trouble(verdict, response, step, delivery) { throw error }
        switch verdict {
        case .delivered:
            // Whatever a `DELETE` of the contact is answered, it is not there any more.
            let isThere = (200...299).contains(response.status) && step.request.method != "DELETE"
            return Receipt(
                offset: delivery.offset, .delivered, state: Self.state(step, delivery, isThere: isThere),
                detail: Self.detail(of: response))
        case .denied:
            let outcome = Receipt.Outcome.retry(after: nil, reason: "\(text): access denied")
            return Receipt(offset: delivery.offset, outcome, detail: text, status: response.status)
        case .limited, .retry, .unavailable:
            let outcome = Receipt.Outcome.retry(after: pause(of: response), reason: text)
            return Receipt(offset: delivery.offset, outcome, detail: text, status: response.status)
        case .rejected:
            return Receipt(
                offset: delivery.offset, .rejected(reason: text), detail: text, status: response.status)
        }
    }

    /// What an answer says of the sink as a whole; nil where it is about one user.
    ///
    /// One refusal may be about one contact; a second user in a row says that it is about all.
    func trouble(
        _ verdict: HTTPVerdict, _ response: CurlResponse, _ step: HTTPMapping.Step, _ delivery: Delivery
    ) -> SinkError? {
        let isEverybodys = refusals.withLock { refusals in
            switch verdict {
            case .unavailable: return true
            case .denied:
                (refusals.limited, refusals.garbled) = (.none, .none)
                refusals.hasDeniedRequest = true
                return refusals.denied.met(who(delivery))
            case .limited:
                (refusals.denied, refusals.garbled) = (.none, .none)
                refusals.hasDeniedRequest = false
                return refusals.limited.met(who(delivery))
            case .delivered, .rejected, .retry:
                refusals = Refusals(answeredAt: clock.uptime)
                return false
            }
        }
        guard isEverybodys else { return nil }
        return verdict == .denied ? denied(response, step) : unavailable(response, step)
    }

    /// A lookup was refused for want of rights; nil where that is about one user, or only about lookups.
    func lookupRefused(
        _ response: CurlResponse, _ step: HTTPMapping.Step, _ delivery: Delivery
    ) -> SinkError? {
        let now = clock.uptime
        let isEverybodys = refusals.withLock { refusals in
            let mayWrite = refusals.answeredAt.map { now - $0 <= Self.answerSpeaks.nanoseconds } ?? false
            return !mayWrite && refusals.denied.met(who(delivery))
        }
        return isEverybodys ? denied(response, step, "at last to a lookup") : nil
    }

    private func denied(
        _ response: CurlResponse, _ step: HTTPMapping.Step, _ what: String? = nil
    ) -> SinkError {
        let text = "HTTP \(response.status) for several users" + (what.map { ", \($0)" } ?? "")
        return .misconfigured(reason: "\(step.origin): \(text): check auth and its rights")
    }

    /// A lookup got an answer, so that its credentials are good for reading.
    func lookupAnswered() {
        refusals.withLock { refusals in
            if !refusals.hasDeniedRequest { refusals.denied = .none }
        }
    }

    func who(_ delivery: Delivery) -> String { delivery.event.user?.id ?? delivery.event.id }

    func unavailable(_ response: CurlResponse, _ step: HTTPMapping.Step) -> SinkError {
        .unavailable(
            reason: "\(step.origin): HTTP \(response.status)", retryAfter: pause(of: response),
            status: response.status)
    }

    /// How long the server wants to be left alone; after a 429 that does not say so, until its limit begins
    /// anew.
    func pause(of response: CurlResponse) -> Duration? {
        if let pause = response.retryAfter { return min(pause, Self.pauseMax) }
        guard response.status == 429, let text = rateHeaders.flatMap({ response.header($0.reset) }),
            let wait = HTTPRateReport.wait(until: text, at: clock.now), wait > .zero
        else { return nil }
        return min(wait, Self.pauseMax)
    }

    func receipt(
        for failure: CurlFailure, _ step: HTTPMapping.Step, _ delivery: Delivery
    ) throws(SinkError) -> Receipt {
        switch failure {
        case .invalidRequest(let reason):
            return Receipt(offset: delivery.offset, .rejected(reason: reason), contact: .notAsked)
        case .badResponse(let reason):
            if refusals.withLock({ $0.garbled.met(who(delivery)) }) { throw sinkError(failure, step.origin) }
            let prefix = step.request.mayRepeat ? "" : "outcome unknown: "
            return Receipt(offset: delivery.offset, .retry(after: nil, reason: prefix + reason))
        default: throw sinkError(failure, step.origin)
        }
    }

    func sinkError(_ failure: CurlFailure, _ origin: String) -> SinkError {
        switch failure {
        case .invalidRequest(let reason), .misconfigured(let reason):
            .misconfigured(reason: "\(origin): \(reason)")
        case .addressRefused:
            .misconfigured(
                reason:
                    "\(origin): its address is private, loopback or reserved; \"allowPrivate\": true (for "
                    + "loopback \"allowHttp\": true as well) would allow it")
        case .notSent(let reason), .outcomeUnknown(let reason), .badResponse(let reason):
            .unavailable(reason: "\(origin): \(reason)")
        case .cancelled, .closed: .unavailable(reason: "stopped while a request was in flight")
        }
    }

    // MARK: - Small matters

    /// The origins of all URLs in the mapping, each once.
    private func origins() throws(SinkError) -> [String] {
        var origins: [String] = []
        for template in mapping.templates {
            let origin = try HTTPOrigin.of(template.url, policy: mapping.policyOfRequests)
            if !origins.contains(origin) { origins.append(origin) }
        }
        return origins
    }

    /// The state to keep of the user of a delivery that was answered, where it has changed.
    static func state(_ step: HTTPMapping.Step, _ delivery: Delivery, isThere: Bool) -> FoldState? {
        let state = step.state.map { HTTPUserFold.state($0, isThere: isThere) }
        return state == delivery.state ? nil : state
    }

    /// What a receipt keeps of an answer.
    static func detail(of response: CurlResponse) -> String {
        "HTTP \(response.status)" + (remoteID(in: response).map { ", id \($0)" } ?? "")
    }

    /// The `id` of a JSON object that came back, where it looks like one: for the receipt, so that a person
    /// finds the contact.
    private static func remoteID(in response: CurlResponse) -> String? {
        guard response.isBodyComplete, response.body.first == UInt8(ascii: "{"),
            let id = try? JSONDocument(response.body).root["id"], let text = id.string ?? id.numberText,
            (1...64).contains(text.utf8.count),
            text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "@") })
        else { return nil }
        return text
    }
}
