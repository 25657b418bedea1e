import JSON
import Rules

/// The keys of an HTTP sink.
enum HTTPKeys {
    static let method = Field.defaulted(
        "method", .choice(Method.post, .put, .patch, .delete, .get), .post, standard: "POST",
        "The request's method.")
    static let url = Field.required(
        "url", Shape<Template?>.urlTemplate,
        "The request's URL; placeholders fill its path and query, percent-encoded.")
    static let headers = Field.defaulted(
        "headers", headersShape, [], standard: "none", "Headers besides those of the authentication.")
    static let body = Field.defaulted(
        "body", bodyShape, .inherited, standard: "no body",
        "The request's body, sent as JSON; `null` sends none.")
    static let on = Field.optional(
        "on", .map(.requestCase, to: caseShape, "requests"), standard: "one request for every event",
        "Requests of their own for an operation or an event type; `null` skips such events.")
    static let auth = Field.optional(
        "auth", AuthenticationKeys.shape, standard: "none", "How the relay proves itself.")
    static let concurrency = Field.defaulted(
        "concurrency", .integer(1...1_000), 8, standard: "8", "Users that are delivered to at the same time.")
    static let rate = Field.optional(
        "rate", .text(.rate), standard: "unlimited", "Requests in a second, minute or hour at most.")
    static let rateHeaders = Field.optional(
        "rateHeaders", rateHeadersShape, standard: "not read",
        "The headers in which the endpoint says how much of its own limit is left; the relay keeps to it.")
    static let timeout = Field.defaulted(
        "timeout", .text(.duration), .seconds(15), standard: "15s",
        "For one request, from connecting to the last byte.")
    static let allowPrivate = Field.defaulted(
        "allowPrivate", .bool, false, standard: "false",
        "Whether loopback, private and link-local addresses may be called.")
    static let allowHttp = Field.defaulted(
        "allowHttp", .bool, false, standard: "false", "Whether a plain http URL may be called.")

    static let unknown = Field.optional(
        "unknown", .choice(Unknown.deadLetter, .retry),
        standard: "deadLetter with `on`, retry without",
        "What becomes of a `POST` of which nobody knows whether it arrived: sent again, or a dead letter.")
    static let lookup = Field.optional(
        "lookup", lookupShape, standard: "none",
        "A `GET` that tells whether such a `POST` arrived: 2xx, it did; 404, it is sent again.")

    static let all = [
        method.description, url.description, headers.description, auth.description, body.description,
        on.description, concurrency.description, rate.description, rateHeaders.description,
        timeout.description,
        allowPrivate.description, allowHttp.description, unknown.description, lookup.description,
    ]

    /// Nil where the URL is wrong, which has been reported.
    static func read(_ reader: ObjectReader) -> HTTPSinkConfiguration? {
        let parts = (
            method: reader[method], url: reader[url], headers: reader[headers], body: reader[body],
            cases: reader[on], authentication: reader[auth], concurrency: reader[concurrency]
        )
        let settings = (
            rate: reader[rate], rateHeaders: reader[rateHeaders], timeout: reader[timeout],
            allowsPrivate: reader[allowPrivate],
            allowsHTTP: reader[allowHttp]
        )
        let (unknown, lookup) = (reader[unknown], reader[lookup])
        if unknown != nil, lookup != nil {
            reader.error("\"lookup\" decides what becomes of it; keep one of the two", at: "unknown")
        }
        guard let url = parts.url else { return nil }
        let request = HTTPRequestTemplate(
            method: parts.method.rawValue, url: url, headers: parts.headers, body: parts.body.template)
        return HTTPSinkConfiguration(
            request: request,
            on: parts.cases.map { cases in
                cases.map { HTTPRequestCase(selector: $0.name, request: $0.value?.over(request)) }
                    .sorted { $0.selector.specificity > $1.selector.specificity }
            },
            authentication: parts.authentication ?? nil,
            concurrency: parts.concurrency,
            rate: settings.rate,
            rateHeaders: settings.rateHeaders,
            timeout: settings.timeout,
            allowsPrivate: settings.allowsPrivate,
            allowsHTTP: settings.allowsHTTP,
            unknown: lookup?.request(of: request) ?? unknown?.outcome
        )
    }

    enum Unknown: String, Sendable {
        case deadLetter, retry

        var outcome: UnknownOutcome { self == .retry ? .retry : .deadLetter }
    }

    enum Method: String, Sendable {
        case post = "POST"
        case put = "PUT"
        case patch = "PATCH"
        case delete = "DELETE"
        case get = "GET"
    }

    /// What a `body` key says.
    enum Body: Sendable {
        case inherited, none
        case template(Template)

        var template: Template? {
            if case .template(let template) = self { template } else { nil }
        }
    }

    // MARK: - Parts

    private static let bodyShape = Shape<Body>(
        phrase: Shape<Template?>.anyTemplate.phrase, schema: [:], standIn: .none
    ) { node, context in
        if node.value.isNull { return .none }
        return Shape<Template?>.anyTemplate.decode(node, context).map(Body.template) ?? .none
    }

    private static let headersShape = Shape<[(name: String, value: Template?)]>
        .map(.headerName, to: .headerTemplate, "headers")
        .map { headers in headers.compactMap { name, value in value.map { (name: name, value: $0) } } }

    // MARK: - rateHeaders

    private static let remaining = Field.required(
        "remaining", .text(.headerName), "The header with the number of requests that are left.")
    private static let reset = Field.required(
        "reset", .text(.headerName),
        "The header that says when they are new: in seconds from then, in seconds or milliseconds since 1970,"
            + " or as an HTTP date.")

    private static let rateHeadersShape = Shape<HTTPRateHeaders>.object([
        remaining.description, reset.description,
    ]) { reader in
        let headers = HTTPRateHeaders(remaining: reader[remaining], reset: reader[reset])
        if headers.remaining.lowercased() == headers.reset.lowercased(), !headers.reset.isEmpty {
            reader.error("it is the header of \"remaining\"; a reset has one of its own", at: "reset")
        }
        return headers
    }

    // MARK: - lookup

    struct Lookup: Sendable {
        var url: Template?
        var headers: [(name: String, value: Template)]?

        /// Nil where the URL is wrong, which has been reported.
        func request(of request: HTTPRequestTemplate) -> UnknownOutcome? {
            url.map {
                .lookUp(HTTPRequestTemplate(method: "GET", url: $0, headers: headers ?? request.headers))
            }
        }
    }

    private static let lookupURL = Field.required(
        "url", Shape<Template?>.urlTemplate, "The URL of the one thing that the `POST` would make.")
    private static let lookupHeaders = Field.optional(
        "headers", headersShape, standard: "the sink's", "The headers, instead of all of the sink's.")

    private static let lookupShape = Shape<Lookup>.object([
        lookupURL.description, lookupHeaders.description,
    ]) { reader in
        Lookup(url: reader[lookupURL], headers: reader[lookupHeaders])
    }

    // MARK: - on

    struct Override: Sendable {
        var method: Method?
        var url: Template?
        var headers: [(name: String, value: Template)]?
        var body: Body

        /// The request with this one's parts in place of its own.
        func over(_ request: HTTPRequestTemplate) -> HTTPRequestTemplate {
            var result = request
            if let method { result.method = method.rawValue }
            if let url { result.url = url }
            if let headers { result.headers = headers }
            switch body {
            case .inherited: break
            case .none: result.body = nil
            case .template(let template): result.body = template
            }
            return result
        }
    }

    private static let caseMethod = Field.optional(
        "method", .choice(Method.post, .put, .patch, .delete, .get), standard: "the sink's", "The method.")
    private static let caseURL = Field.optional(
        "url", Shape<Template?>.urlTemplate, standard: "the sink's", "The URL.")
    private static let caseHeaders = Field.optional(
        "headers", headersShape, standard: "the sink's", "The headers, instead of all of the sink's.")
    private static let caseBody = Field.defaulted(
        "body", bodyShape, .inherited, standard: "the sink's", "The body; `null` sends none.")

    private static let overrideShape = Shape<Override>.object([
        caseMethod.description, caseURL.description, caseHeaders.description, caseBody.description,
    ]) { reader in
        Override(
            method: reader[caseMethod], url: reader[caseURL] ?? nil, headers: reader[caseHeaders],
            body: reader[caseBody])
    }

    private static let caseShape = Shape<Override?>(
        phrase: "an object, or `null`",
        schema: ["if": ["not": ["type": "null"]], "then": overrideShape.schema],
        members: overrideShape.members,
        standIn: nil
    ) { node, context in
        node.value.isNull ? nil : overrideShape.decode(node, context)
    }
}

extension HTTPRequestCase.Selector {
    /// An event type says more than an operation.
    fileprivate var specificity: Int {
        switch self {
        case .eventType: 1
        case .operation: 0
        }
    }
}

extension TextFormat<HTTPRequestCase.Selector> {
    static let requestCase = TextFormat(
        phrase: "an operation or an event type",
        advice: "the operations are create, update, reactivate, deactivate, delete, none; an event type is"
            + " written out, such as \"user.lifecycle.suspend\"",
        pattern: "^(create|update|reactivate|deactivate|delete|none)$|"
            + TextFormat<String>.eventType.pattern,
        standIn: .operation(.none)
    ) { text in
        if let operation = Operation(rawValue: text) { return .operation(operation) }
        return TextFormat<String>.eventType.parse(text).map { .eventType($0) }
    }
}

/// `auth`: exactly one way.
enum AuthenticationKeys {
    static let bearer = Field.optional(
        "bearer", .text(.secret), "The token behind `Authorization: Bearer`.")
    static let basic = Field.optional(
        "basic",
        Shape<HTTPAuthentication>.object([user.description, password.description]) { reader in
            .basic(user: reader[user], password: reader[password])
        }, "User and password for HTTP Basic.")
    static let header = Field.optional(
        "header",
        Shape<HTTPAuthentication>.object([name.description, value.description]) { reader in
            .header(name: reader[name], value: reader[value])
        }, "A header of the endpoint's own, such as an API key's.")

    private static let user = Field.required("user", .text(.userName), "The user's name.")
    private static let password = Field.required("password", .text(.secret), "The user's password.")
    private static let name = Field.required("name", .text(.headerName), "The header's name.")
    private static let value = Field.required("value", .text(.secret), "The header's whole value.")

    private static let object = Shape<[HTTPAuthentication]>.object([
        bearer.description, basic.description, header.description,
    ]) { reader in
        [reader[bearer].map(HTTPAuthentication.bearer), reader[basic], reader[header]].compactMap(\.self)
    }

    static let shape = Shape<HTTPAuthentication?>(
        phrase: "an object with one of `bearer`, `basic` and `header`",
        schema: object.schema.adding([("minProperties", 1), ("maxProperties", 1)]),
        members: object.members,
        standIn: nil
    ) { node, context in
        let ways = object.decode(node, context)
        let count = node.value.members.reduce(0) { count, _ in count + 1 }
        if node.value.kind == .object, count != 1, !(count > ways.count && context.isBad(node.pointer)) {
            context.error("expected exactly one of \"bearer\", \"basic\" and \"header\"", at: node)
        }
        return ways.first
    }
}

extension TextFormat<String> {
    /// HTTP Basic separates user and password by a colon.
    static let userName = TextFormat(
        phrase: "a user's name", advice: "any text on one line without \":\"",
        pattern: #"^[^:\u0000-\u001f]+$"#, standIn: ""
    ) { text in
        !text.isEmpty && text.utf8.allSatisfy { $0 > 31 && $0 != UInt8(ascii: ":") } ? text : nil
    }
}
