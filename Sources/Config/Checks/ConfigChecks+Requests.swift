import JSON
import Rules

extension ConfigChecks {
    /// The requests of the HTTP sinks.
    func checkRequests() {
        for (name, sink) in draft.sinks {
            guard case .http(let http) = sink.kind else { continue }
            let pointer = place("sinks", .name(name))
            checkRequest(http.request, http, at: pointer)
            let cases = context.value(at: pointer.appending("on"))
            for (key, value) in cases?.members ?? context.document.root.members where cases != nil {
                let key = key.string ?? ""
                checkRequest(nil, http, at: pointer.appending("on").appending(key))
                checkInheritedBody(key, value, http, at: pointer.appending("on").appending(key))
            }
            if http.on != nil, has(pointer.appending("on")),
                cases?.members.contains(where: { _ in true }) == false
            {
                warning(
                    "an empty \"on\" makes the sink keep state but changes no request",
                    at: pointer.appending("on"))
            }
            checkRequest(nil, http, at: pointer.appending("lookup"))
            checkAuthentication(http, at: pointer)
        }
    }

    private func checkRequest(
        _ request: HTTPRequestTemplate?, _ sink: HTTPSinkConfiguration, at pointer: JSONPointer
    ) {
        if let url = text(at: pointer.appending("url")) {
            for problem in RequestURL(url).problems(
                allowsHTTP: sink.allowsHTTP, allowsPrivate: sink.allowsPrivate)
            {
                error(problem, at: pointer.appending("url"))
            }
        }
        checkHeaders(sink, at: pointer.appending("headers"))
        if let request, request.method == "GET", request.body != nil {
            warning(
                "most servers ignore the body of a GET; use another method", at: pointer.appending("body"))
        }
    }

    private func checkHeaders(_ sink: HTTPSinkConfiguration, at pointer: JSONPointer) {
        var seen: Set<String> = []
        for (key, _) in context.value(at: pointer)?.members ?? context.document.root.members {
            guard has(pointer), let name = key.string else { return }
            let place = pointer.appending(name)
            if !seen.insert(name.lowercased()).inserted {
                error("the same header is there in another spelling; names ignore case", at: place)
            }
            if ["host", "content-length", "transfer-encoding", "connection"].contains(name.lowercased()) {
                error("\(name) is set by the connection itself; leave it out", at: place)
            }
            if name.lowercased() == "authorization" {
                if sink.authentication != nil {
                    error("\"auth\" sets this header already; keep one of the two", at: place)
                } else if isLiteral(place) {
                    warning(
                        "a secret in the config file itself; use \"auth\" with ${env:…} or ${file:…}",
                        at: place)
                }
            }
            if let value = text(at: place), value.utf8.contains(where: { $0 == 0 || $0 == 10 || $0 == 13 }) {
                error("a header's value cannot have line breaks or NUL", at: place)
            }
        }
    }

    /// A DELETE that takes over the body of an update is hardly ever meant.
    private func checkInheritedBody(
        _ key: String, _ value: JSONValue, _ sink: HTTPSinkConfiguration, at pointer: JSONPointer
    ) {
        guard let method = value["method"]?.string, method == "DELETE" || method == "GET",
            value["body"] == nil, sink.request.body != nil
        else { return }
        warning(
            "this \(method) sends the sink's body as well; write \"body\": null to send none", at: pointer)
    }

    private func checkAuthentication(_ sink: HTTPSinkConfiguration, at pointer: JSONPointer) {
        let auth = pointer.appending("auth")
        switch sink.authentication {
        case .bearer(let token):
            checkSecret(token, at: auth.appending("bearer"), isOurs: false)
            if isSound(auth.appending("bearer")), token.revealed.lowercased().hasPrefix("bearer ") {
                error("the token alone; \"Bearer\" is put in front of it", at: auth.appending("bearer"))
            }
        case .basic(_, let password):
            checkSecret(password, at: auth.appending("basic").appending("password"), isOurs: false)
        case .header(_, let value):
            checkSecret(value, at: auth.appending("header").appending("value"), isOurs: false)
        case nil: break
        }
    }
}

/// A request's URL as the file has it, placeholders included.
struct RequestURL {
    private let text: String

    init(_ text: String) { self.text = text }

    /// What is wrong with the parts that stand before any event fills it in.
    func problems(allowsHTTP: Bool, allowsPrivate: Bool) -> [String] {
        let head = text.firstRange(of: "{{").map { text[..<$0.lowerBound] } ?? text[...]
        let scheme = head.lowercased()
        let isPlain = scheme.hasPrefix("http://")
        guard isPlain || scheme.hasPrefix("https://") else {
            return [
                head.count < text.count && !head.contains("://")
                    ? "scheme and host must be written out, such as https://host/…; placeholders fill"
                        + " only path and query"
                    : "the URL must start with https://"
            ]
        }
        let rest = head.dropFirst(isPlain ? "http://".count : "https://".count)
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        if authority.count == rest.count, head.count < text.count {
            return [
                "the host must be written out and followed by \"/\"; placeholders fill only path and query"
            ]
        }
        var problems: [String] = []
        if authority.contains("@") {
            problems.append("user and password do not belong in a URL; use \"auth\": {\"basic\": …}")
        }
        let host = Self.host(String(authority.split(separator: "@").last ?? ""))
        if host.isEmpty { problems.append("the URL has no host; write https://host/path") }
        if isPlain, !allowsHTTP {
            problems.append(
                "plain http shows users' data to the network; use https, or set \"allowHttp\": true")
        }
        if IPAddressText.isPrivate(host: host), !allowsPrivate {
            problems.append("a private or loopback address; set \"allowPrivate\": true if that is meant")
        }
        if literalText.contains("#") { problems.append("a fragment (\"#…\") is never sent; leave it out") }
        if literalText.contains(where: { $0 == " " || $0.isNewline }) {
            problems.append("a space in a URL; write %20")
        }
        return problems
    }

    private static func host(_ authority: String) -> String {
        if authority.hasPrefix("["), let end = authority.firstIndex(of: "]") {
            return String(authority[...end])
        }
        return String(authority.prefix { $0 != ":" })
    }

    /// The text without its placeholders.
    private var literalText: String {
        var result = ""
        var rest = text[...]
        while let open = rest.firstRange(of: "{{") {
            result += rest[..<open.lowerBound]
            guard let close = rest[open.upperBound...].firstRange(of: "}}") else { return result }
            rest = rest[close.upperBound...]
        }
        return result + rest
    }
}
