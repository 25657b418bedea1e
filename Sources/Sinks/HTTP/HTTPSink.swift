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

    let mapping: HTTPMapping
    private let client: CurlClient
    private let clock: any RelayClock
    private let rate: Mutex<RateWindow?>
    private let denial = Mutex(HTTPDenial.none)
    /// Whether the last request that must not be sent twice got no answer.
    let isSilent = Mutex(false)

    /// - Parameter client: Shared by all HTTP sinks; whoever made it shuts it down, after the sinks.
    public init(
        name: String, configuration: HTTPSinkConfiguration, client: CurlClient, clock: any RelayClock
    ) {
        self.name = name
        self.client = client
        self.clock = clock
        mapping = HTTPMapping(sink: name, configuration: configuration)
        rate = Mutex(configuration.rate.map(RateWindow.init))
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
        if case .send(let step) = mapping.plan(delivery) { step.mustNotRepeat } else { false }
    }

    public func preview(_ delivery: Delivery) -> DeliveryPreview { mapping.preview(delivery) }

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
        case .send(let step):
            if delivery.isOutcomeUnknown, step.mustNotRepeat,
                let receipt = try await receiptOfEarlierAttempt(step, delivery)
            {
                return receipt
            }
            if step.mustNotRepeat { try await checkThatItAnswers(step) }
            switch try await send(step.request) {
            case .success(let response): return try receipt(for: response, step, delivery)
            case .failure(let failure): return try receipt(for: failure, step, delivery)
            }
        }
    }

    func send(_ request: CurlRequest) async throws(SinkError) -> Result<CurlResponse, CurlFailure> {
        try await waitForToken()
        do throws(CurlFailure) {
            return .success(try await client.send(request))
        } catch {
            return .failure(error)
        }
    }

    private func waitForToken() async throws(SinkError) {
        let wait = rate.withLock { $0?.reserve(at: clock.now) ?? .zero }
        guard wait > .zero else { return }
        do {
            try await clock.sleep(for: wait)
        } catch {
            throw .unavailable(reason: "stopped while it waited for its rate")
        }
    }

    private func receipt(
        for response: CurlResponse, _ step: HTTPMapping.Step, _ delivery: Delivery
    ) throws(SinkError) -> Receipt {
        let text = "HTTP \(response.status)"
        let pause = response.retryAfter.map { min($0, Self.pauseMax) }
        let verdict = HTTPVerdict(status: response.status, removes: step.removes)
        guard verdict != .denied else { return try denied(response.status, step, delivery) }
        denial.withLock { $0 = .none }
        switch verdict {
        case .delivered:
            return Receipt(
                offset: delivery.offset, .delivered, state: step.state, detail: Self.detail(of: response))
        case .retry:
            return Receipt(
                offset: delivery.offset, .retry(after: pause, reason: text), detail: text,
                status: response.status)
        case .unavailable: throw unavailable(response, step)
        case .rejected, .denied:
            return Receipt(
                offset: delivery.offset, .rejected(reason: text), detail: text, status: response.status)
        }
    }

    func unavailable(_ response: CurlResponse, _ step: HTTPMapping.Step) -> SinkError {
        .unavailable(
            reason: "\(step.origin): HTTP \(response.status)",
            retryAfter: response.retryAfter.map { min($0, Self.pauseMax) })
    }

    /// One refusal may be about one contact; a second user in a row says that the credentials are wrong.
    private func denied(
        _ status: Int, _ step: HTTPMapping.Step, _ delivery: Delivery
    ) throws(SinkError) -> Receipt {
        let text = "HTTP \(status)"
        let who = delivery.event.user?.id ?? delivery.event.id
        let isForAll = denial.withLock { $0.note(who) }
        if isForAll {
            throw .misconfigured(
                reason: "\(step.origin): \(text) for several users: check auth and its rights")
        }
        let outcome = Receipt.Outcome.retry(after: nil, reason: "\(text): access denied")
        return Receipt(offset: delivery.offset, outcome, detail: text, status: status)
    }

    private func receipt(
        for failure: CurlFailure, _ step: HTTPMapping.Step, _ delivery: Delivery
    ) throws(SinkError) -> Receipt {
        switch failure {
        case .invalidRequest(let reason): return Receipt(offset: delivery.offset, .rejected(reason: reason))
        case .outcomeUnknown(let reason) where step.mustNotRepeat,
            .badResponse(let reason) where step.mustNotRepeat:
            return unknown(reason, delivery)
        case .badResponse(let reason):
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

/// Whether refused credentials are one user's matter or everybody's.
enum HTTPDenial: Sendable, Equatable {
    case none
    case one(String)
    case all

    /// Notes a refusal; true when it is everybody's.
    ///
    /// Anything but a refusal in between sets it back to `none`.
    mutating func note(_ who: String) -> Bool {
        switch self {
        case .none: self = .one(who)
        case .one(let first) where first == who: break
        case .one, .all: self = .all
        }
        return self == .all
    }
}
