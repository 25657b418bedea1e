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
        /// The user's state once it was delivered; nil where it says nothing of their contact.
        var state: FoldState?
        /// Whether the destination would do it twice, and that is not wanted.
        var mustNotRepeat = false
        /// Asks whether an earlier attempt arrived; nil where nobody needs to know, or cannot.
        var lookup: CurlRequest?
    }

    /// A request template, whom it talks to, and the digest of all that it was written as.
    private struct Form: Sendable {
        let template: HTTPRequestTemplate
        /// What ``HTTPOrigin`` says; nothing is delivered where that is an error.
        let origin: String
        let digest: [UInt8]

        init(_ template: HTTPRequestTemplate, policy: AddressPolicy) {
            self.template = template
            origin = (try? HTTPOrigin.of(template.url, policy: policy)) ?? "url"
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
        let policy = AddressPolicy(
            allowsPrivate: configuration.allowsPrivate, allowsHTTP: configuration.allowsHTTP)
        self.policy = policy
        form = Form(configuration.request, policy: policy)
        cases = configuration.on.map { cases in
            Dictionary(cases.map { ($0.selector, $0.request.map { Form($0, policy: policy) }) }) {
                first, _ in first
            }
        }
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
        switch draft(delivery) {
        case .settled(let receipt): .settled(receipt)
        case .form(let form, let user, let operation, let state):
            render(form, delivery, user, operation, state: state)
        }
    }

    /// Whether the request of a delivery, if there is one, must not be sent twice; renders nothing.
    func mustNotRepeat(_ delivery: Delivery) -> Bool {
        guard configuration.unknown != .retry, case .form(let form, _, _, _) = draft(delivery) else {
            return false
        }
        return mustNotRepeat(form)
    }

    private func mustNotRepeat(_ form: Form) -> Bool {
        form.template.method == "POST" && configuration.unknown != .retry
    }

    // MARK: - Choosing

    /// What becomes of a delivery, up to the writing of its request.
    private enum Draft {
        case settled(Receipt)
        case form(Form, EventDocument.User?, Operation, FoldState?)
    }

    private func draft(_ delivery: Delivery) -> Draft {
        let event = delivery.event
        guard cases != nil else {
            return .form(form, EventDocument.User(event), event.meaning.operation, nil)
        }
        func settled(_ outcome: Receipt.Outcome, _ state: FoldState? = nil) -> Draft {
            .settled(Receipt(offset: delivery.offset, outcome, state: state, contact: .notAsked))
        }
        // What no request is made for leaves no trace in the state.
        let events = (delivery.earlier + [event]).filter { event in
            choice(for: event.type, event.meaning.operation).isForm
        }
        if events.isEmpty, case .skip(let reason) = choice(for: event.type, event.meaning.operation) {
            return settled(.skipped(reason))
        }
        let hasUpdate = choice(for: nil, .update).isForm
        switch HTTPUserFold.apply(events, to: delivery.state, hasUpdate: hasUpdate) {
        case .rejected(let reason): return settled(.rejected(reason: reason))
        case .superseded(let state): return settled(.superseded, state)
        case .send(let user, let operation, let state):
            // What is sent as another operation than its own is no longer what its type says.
            let type = events.last { $0.meaning.operation == operation }?.type
            switch choice(for: type, operation) {
            case .form(let form):
                return .form(form, user, operation, operation == .none ? nil : state ?? delivery.state)
            case .skip(let reason): return settled(.skipped(reason))
            }
        }
    }

    private enum Choice {
        case form(Form)
        case skip(String)

        var isForm: Bool { if case .form = self { true } else { false } }
    }

    /// - Parameter type: Nil where no event of a type of its own is sent.
    private func choice(for type: String?, _ operation: Operation) -> Choice {
        guard let cases else { return .form(form) }
        let selectors: [(HTTPRequestCase.Selector, String)] =
            (type.map { [(.eventType($0), $0)] } ?? []) + [(.operation(operation), operation.rawValue)]
        for (selector, word) in selectors {
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
            var step = Step(request: request, origin: form.origin, removes: removes, state: state)
            step.mustNotRepeat = mustNotRepeat(form)
            if step.mustNotRepeat, delivery.isOutcomeUnknown, case .lookUp(let lookup) = configuration.unknown
            {
                step.lookup = try self.request(lookup, over: document, key: key, at: "lookup.")
            }
            return .send(step)
        } catch {
            let prefix = delivery.isOutcomeUnknown ? "outcome unknown: " : ""
            let outcome = Receipt.Outcome.rejected(reason: prefix + error.reason)
            return .settled(Receipt(offset: delivery.offset, outcome, contact: .notAsked))
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
