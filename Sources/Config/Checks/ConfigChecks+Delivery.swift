import JSON
import Rules

extension ConfigChecks {
    /// What the sinks say of how they are delivered to.
    func checkDelivery() {
        for (name, sink) in draft.sinks {
            guard let kind = sink.kind else { continue }
            let pointer = place("sinks", .name(name))
            checkSettle(sink, kind, at: pointer)
            if kind.table?.mode == .append, isSound(pointer.appending("mode")), sink.limits?.isEmpty == false
            {
                error(
                    "\"limits\" means nothing in append mode, which only adds rows; leave it out",
                    at: pointer.appending("limits"))
            }
            if case .http(let http) = kind {
                checkUnknown(http, at: pointer)
                if sink.limits == nil { checkRemovals(http, at: pointer) }
            }
        }
    }

    /// Sorting needs a sink that keeps one thing per user: others get each event as it is.
    private func checkSettle(_ sink: SinkKeys.Draft, _ kind: SinkConfiguration.Kind, at pointer: JSONPointer)
    {
        let (settle, coalesce) = (pointer.appending("settle"), pointer.appending("coalesce"))
        guard has(settle) else {
            if has(coalesce) {
                error("\"coalesce\" needs \"settle\", such as \"settle\": \"2s\"", at: coalesce)
            }
            return
        }
        if kind.table?.mode == .append, isSound(pointer.appending("mode")) {
            error("an append table gets every event as it comes; leave \"settle\" out", at: settle)
        }
        guard case .http(let http) = kind else { return }
        guard let cases = http.on else {
            return error(
                "a sink without \"on\" gets every event as it comes; give it one, or leave \"settle\" out",
                at: settle)
        }
        guard sink.settle?.coalesces == true else { return }
        let create = cases.first { $0.selector == .operation(.create) }.map(\.request) ?? http.request
        if http.unknown == .retry, create?.method == "POST" {
            warning(
                "with \"coalesce\" a creation that is sent again may be merged with newer events, under"
                    + " another Idempotency-Key, and make a second contact, unless this POST is an upsert;"
                    + " \"lookup\" or \"deadLetter\" make none",
                at: pointer.appending("unknown"))
        }
        let types = cases.compactMap { if case .eventType(let type) = $0.selector { type } else { nil } }
        for type in types.sorted() {
            error(
                "\"coalesce\" delivers the result of several events by its operation, so a request for one"
                    + " event type could be lost; leave one of the two out",
                at: pointer.appending("on").appending(type))
        }
    }

    /// Limits count operations, whatever request is made for them.
    private func checkRemovals(_ http: HTTPSinkConfiguration, at pointer: JSONPointer) {
        for case (.operation(let operation), "DELETE") in (http.on ?? []).map({
            ($0.selector, $0.request?.method)
        }) where operation != .delete && operation != .none {
            let word = operation.rawValue
            warning(
                "the standard limit counts deletions only, so nothing stops a bad import from sending this"
                    + " DELETE for everybody; say"
                    + " \"limits\": {\"delete\": \"100/h\", \"\(word)\": \"100/h\"}",
                at: pointer.appending("on").appending(word).appending("method"))
        }
    }

    private func checkUnknown(_ http: HTTPSinkConfiguration, at pointer: JSONPointer) {
        let cases = http.on?.compactMap(\.request) ?? []
        let hasPost = ([http.request] + cases).contains { $0.method == "POST" }
        for key in ["unknown", "lookup"] where !hasPost && has(pointer.appending(key)) {
            warning(
                "no request of this sink is a POST, and others may be repeated freely; leave it out",
                at: pointer.appending(key))
        }
    }
}
