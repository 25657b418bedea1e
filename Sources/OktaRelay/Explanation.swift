import Config
import JSON
import Relay
import Rules

/// What becomes of one event.
struct Explanation {
    /// One rule's verdict.
    struct Verdict: Equatable {
        let rule: String
        /// Nil where it matches.
        let mismatch: String?
        let sinks: [String]
    }

    let event: Event
    let isAccepted: Bool
    let verdicts: [Verdict]
    let route: Route
    /// The sinks of the route that are disabled, which get nothing.
    let disabled: Set<String>
    /// What each sink of the route would get, in its order; nil where a sink cannot tell.
    let previews: [SinkPreviews.Answer?]

    init(
        _ event: Event, hook: HookConfiguration, table: RuleTable, disabled: Set<String> = [],
        previews: SinkPreviews = SinkPreviews()
    ) {
        self.disabled = disabled
        self.event = event
        isAccepted = hook.events?.contains { $0.matches(event.type) } ?? true
        let facts = event.routingFacts
        var stop: String?
        verdicts = table.rules.map { rule in
            let mismatch =
                stop.map { "not read: the rule \"\($0)\" before it stops" }
                ?? table.explain(rule, facts, event: event.body.root).map(previews.mask.masked)
            if rule.stops, mismatch == nil { stop = rule.name }
            return Verdict(rule: rule.name, mismatch: mismatch, sinks: rule.sinks)
        }
        route = isAccepted ? table.route(facts, event: event.body.root) : Route(choices: [])
        self.previews = route.choices.map { previews.answer(event, $0) }
    }

    var text: String {
        let meaning = event.meaning
        var lines = [
            "event      \(event.id), \(event.type)",
            "user       \(event.user?.id ?? "none")",
            "operation  \(meaning.operation.rawValue)"
                + (meaning.isEffective ? "" : " (with this outcome it has no effect)"),
            "",
        ]
        if !isAccepted { lines.append("quarantined: the hook does not accept this event type") }
        var rules = TextTable([.left("RULE"), .left("MATCHES"), .left("WHY NOT")])
        for verdict in verdicts {
            rules.add(verdict.rule, verdict.mismatch == nil ? "yes" : "no", verdict.mismatch ?? "")
        }
        lines.append(rules.text())
        lines.append("")
        if route.isUnrouted {
            lines.append("goes nowhere: it would be kept as unrouted")
        } else {
            var sinks = TextTable([.left("SINK"), .left("BY RULE"), .left("NOTE")])
            for choice in route.choices {
                sinks.add(
                    choice.sink, choice.rule, disabled.contains(choice.sink) ? "disabled: gets nothing" : "")
            }
            lines.append(sinks.text())
            for (choice, preview) in zip(route.choices, previews) {
                if let preview { lines += ["", PreviewText(sink: choice.sink, preview).text] }
            }
        }
        return lines.joined(separator: "\n")
    }

    func write(to writer: inout JSONWriter) {
        writer.member("id", event.id)
        writer.member("eventType", event.type)
        writer.member("userID", event.user?.id)
        writer.member("operation", event.meaning.operation.rawValue)
        writer.member("accepted", isAccepted)
        writer.name("rules")
        writer.array { list in
            for verdict in verdicts {
                list.object { rule in
                    rule.member("rule", verdict.rule)
                    rule.member("matches", verdict.mismatch == nil)
                    if let mismatch = verdict.mismatch { rule.member("why", mismatch) }
                }
            }
        }
        writer.name("sinks")
        writer.array { list in
            for (choice, preview) in zip(route.choices, previews) {
                list.object { sink in
                    sink.member("sink", choice.sink)
                    sink.member("rule", choice.rule)
                    sink.member("enabled", !disabled.contains(choice.sink))
                    if let preview { PreviewJSON.write(preview, to: &sink) }
                }
            }
        }
    }
}
