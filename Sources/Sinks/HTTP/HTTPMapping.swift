import Config
import JSON
import Relay
import Rules

/// Turns deliveries into requests, by the config alone: which request, if any, and every byte of it.
struct HTTPMapping: Sendable {
    /// What becomes of a delivery before anything is sent.
    enum Plan {
        case settled(Receipt)
        case send(Step)
    }

    /// A request to send, and what its success means.
    struct Step {
        var request: CurlRequest
        /// `scheme://host[:port]`, safe to show.
        var origin: String
        /// Whether a thing that is not there means that the request has nothing left to do.
        var removes: Bool
        /// The state to keep once it was delivered.
        var state: FoldState?
        /// Whether the destination would do it twice, and that is not wanted.
        var mustNotRepeat = false
        /// Asks whether an earlier attempt arrived; nil where nobody needs to know, or cannot.
        var lookup: CurlRequest?
    }

    /// A request template and the digest of all that it was written as.
    private struct Form: Sendable {
        let template: HTTPRequestTemplate
        let digest: [UInt8]

        init(_ template: HTTPRequestTemplate) {
            self.template = template
            let headers = template.headers.flatMap { [$0.name, $0.value.source] }
            let texts = [template.method, template.url.source, template.body?.source ?? ""] + headers
            digest = IdempotencyKey.digest(of: texts.map { Array($0.utf8) })
        }
    }

    private let sink: String
    private let configuration: HTTPSinkConfiguration
    private let form: Form
    private let cases: [HTTPRequestCase.Selector: Form?]?
    private let policy: AddressPolicy

    init(sink: String, configuration: HTTPSinkConfiguration) {
        self.sink = sink
        self.configuration = configuration
        form = Form(configuration.request)
        cases = configuration.on.map { cases in
            Dictionary(cases.map { ($0.selector, $0.request.map(Form.init)) }) { first, _ in first }
        }
        policy = AddressPolicy(
            allowsPrivate: configuration.allowsPrivate, allowsHTTP: configuration.allowsHTTP)
    }

    var policyOfRequests: AddressPolicy { policy }

    /// Whether a request asks what became of a `POST`.
    var looksUp: Bool { if case .lookUp = configuration.unknown { true } else { false } }

    /// The header that `auth` sets; nil without `auth`.
    var authenticationHeader: String? { configuration.authentication?.headerName }

    /// Every request the mapping knows, for checks.
    var templates: [HTTPRequestTemplate] {
        let templates = [form.template] + (cases.map { $0.values.compactMap { $0?.template } } ?? [])
        guard case .lookUp(let lookup) = configuration.unknown else { return templates }
        return templates + [lookup]
    }

    func plan(_ delivery: Delivery) -> Plan {
        let event = delivery.event
        guard cases != nil else {
            return render(form, delivery, EventDocument.User(event), event.meaning.operation, state: nil)
        }
        func settled(_ outcome: Receipt.Outcome, _ state: FoldState? = nil) -> Plan {
            .settled(Receipt(offset: delivery.offset, outcome, state: state, contact: .notAsked))
        }
        // What no request is made for leaves no trace in the state.
        let events = (delivery.earlier + [event]).filter { event in
            if case .form = choice(for: event.type, event.meaning.operation) { true } else { false }
        }
        if events.isEmpty, case .skip(let reason) = choice(for: event.type, event.meaning.operation) {
            return settled(.skipped(reason))
        }
        switch HTTPUserFold.apply(events, to: delivery.state) {
        case .rejected(let reason): return settled(.rejected(reason: reason))
        case .superseded(let state): return settled(.superseded, state)
        case .send(let user, let operation, let state):
            switch choice(for: event.type, operation) {
            case .form(let form): return render(form, delivery, user, operation, state: state)
            case .skip(let reason): return settled(.skipped(reason))
            }
        }
    }

    // MARK: - Choosing

    private enum Choice {
        case form(Form)
        case skip(String)
    }

    private func choice(for type: String, _ operation: Operation) -> Choice {
        guard let cases else { return .form(form) }
        for (selector, word) in [
            (HTTPRequestCase.Selector.eventType(type), type), (.operation(operation), operation.rawValue),
        ] {
            guard let found = cases[selector] else { continue }
            return found.map { .form($0) } ?? .skip("on.\(word) is null")
        }
        return operation == .none ? .skip("the event changes no user, and there is no on.none") : .form(form)
    }

    // MARK: - Rendering

    private func render(
        _ form: Form, _ delivery: Delivery, _ user: EventDocument.User?, _ operation: Operation,
        state: FoldState?
    ) -> Plan {
        let key = IdempotencyKey.make(
            event: delivery.event, sink: sink, replay: delivery.replay, mapping: form.digest)
        let context = EventDocument.Context(
            sink: sink, rule: delivery.rule, attempt: delivery.attempt, idempotencyKey: key,
            operation: operation)
        let document = EventDocument.make(delivery.event, user: user, context).root
        let removes = form.template.method == "DELETE" || operation == .delete || operation == .deactivate
        do throws(HTTPRenderingError) {
            let request = try request(form.template, over: document, key: key)
            let origin = try origin(of: request.url)
            var step = Step(request: request, origin: origin, removes: removes, state: state)
            step.mustNotRepeat = request.method == "POST" && configuration.unknown != .retry
            if step.mustNotRepeat, delivery.isOutcomeUnknown, case .lookUp(let lookup) = configuration.unknown
            {
                step.lookup = try self.request(lookup, over: document, key: key, at: "lookup.")
            }
            return .send(step)
        } catch {
            return .settled(
                Receipt(offset: delivery.offset, .rejected(reason: error.reason), contact: .notAsked))
        }
    }

    private func request(
        _ template: HTTPRequestTemplate, over document: JSONValue, key: String, at place: String = ""
    ) throws(HTTPRenderingError) -> CurlRequest {
        let url = try text(template.url, over: document, at: "\(place)url")
        guard let url, !url.isEmpty else {
            throw HTTPRenderingError(reason: "\(place)url: it yields nothing")
        }
        var headers = HTTPHeaderList()
        for (name, value) in template.headers {
            let value = try text(value, over: document, at: "\(place)header \(name)")
            if let value { headers.set(name, value) }
        }
        let body = try body(template.body, over: document, isJSON: headers.allowsJSONBody)
        if body != nil { headers.setDefault("Content-Type", "application/json") }
        headers.setDefault("Idempotency-Key", key)
        headers.setDefault("User-Agent", "okta-relay")
        headers.authenticate(configuration.authentication)
        return CurlRequest(
            method: template.method,
            url: url,
            headers: headers.entries,
            body: body,
            policy: policy,
            timeout: configuration.timeout
        )
    }

    private func origin(of url: String) throws(HTTPRenderingError) -> String {
        do {
            return try CurlURL(url, policy: policy).origin
        } catch {
            throw HTTPRenderingError(reason: error.reason)
        }
    }

    /// A text for a URL or a header; nil where the template yields nothing.
    private func text(
        _ template: Template, over document: JSONValue, at place: String
    ) throws(HTTPRenderingError) -> String? {
        switch try rendered(template, over: document, at: place) {
        case .missing, .null: nil
        case .bool(let value): value ? "true" : "false"
        case .number(let text), .string(let text): text
        case .json(let bytes): String(decoding: bytes, as: UTF8.self)
        }
    }

    /// A body's bytes; a text is sent bare where the mapping names a content type other than JSON.
    private func body(
        _ template: Template?, over document: JSONValue, isJSON: Bool
    ) throws(HTTPRenderingError) -> [UInt8]? {
        guard let template else { return nil }
        switch try rendered(template, over: document, at: "body") {
        case .missing: return nil
        case .null: return Array("null".utf8)
        case .bool(let value): return Array((value ? "true" : "false").utf8)
        case .number(let text): return Array(text.utf8)
        case .json(let bytes): return bytes
        case .string(let text):
            guard isJSON else { return Array(text.utf8) }
            var writer = JSONWriter()
            writer.string(text)
            return writer.bytes
        }
    }

    private func rendered(
        _ template: Template, over document: JSONValue, at place: String
    ) throws(HTTPRenderingError) -> RenderedValue {
        do {
            return try template.render(document)
        } catch {
            throw HTTPRenderingError(reason: "\(place): \(error.description)")
        }
    }
}

/// Why an event makes no request; names paths and never values.
struct HTTPRenderingError: Error {
    let reason: String
}
