import Config
import JSON
import Relay
import Rules

/// What today's rule table would change for events that were routed already.
///
/// Counts and a few event ids only, so its size does not depend on the number of events.
struct RouteComparison {
    /// Event ids that are kept of each kind of change.
    static let examplesMax = 5

    /// A rule and one of its sinks.
    struct Pair: Hashable {
        let rule: String
        let sink: String
    }

    /// How the events of one pair fare.
    struct Change: Equatable {
        /// The rule brought them to the sink, and would again.
        var same = 0
        /// The sink did not get them, and would by this rule.
        var new = 0
        /// The sink got them by another rule, and would by this one.
        var moved = 0
        /// The sink got them by this rule, and would no more.
        var gone = 0
        var newIDs: [String] = []
        var goneIDs: [String] = []
    }

    private(set) var changes: [Pair: Change] = [:]
    private(set) var events = 0
    /// Events that cannot be compared, because their bytes are no longer kept.
    private(set) var withoutBytes = 0
    /// Events of hooks that the config no longer has.
    private(set) var ofUnknownHooks = 0

    private let table: RuleTable
    private let hooks: [String: HookConfiguration]

    init(_ configuration: RelayConfiguration) {
        let enabled = configuration.sinks.filter(\.isEnabled).map(\.name)
        self.init(RuleTable(configuration.rules, for: enabled), configuration.hooks)
    }

    init(_ table: RuleTable, _ hooks: [HookConfiguration]) {
        self.table = table
        self.hooks = Dictionary(hooks.map { ($0.name, $0) }) { first, _ in first }
    }

    /// Compares one event's stored route with today's.
    mutating func add(_ stored: StoredEvent) {
        guard let body = stored.body, let document = try? JSONDocument(body),
            let event = try? Event(
                body: document, hook: stored.hook, org: stored.org, receivedAt: stored.receivedAt)
        else {
            withoutBytes += 1
            return
        }
        events += 1
        let now = Dictionary(route(event).choices.map { ($0.sink, $0.rule) }) { first, _ in first }
        let then = Dictionary(stored.route.map { ($0.sink, $0.rule) }) { first, _ in first }
        for (sink, rule) in now {
            note(Pair(rule: rule, sink: sink)) { change in
                switch then[sink] {
                case rule: change.same += 1
                case nil:
                    change.new += 1
                    if change.newIDs.count < Self.examplesMax { change.newIDs.append(stored.eventID) }
                default: change.moved += 1
                }
            }
        }
        for (sink, rule) in then where now[sink] == nil {
            note(Pair(rule: rule, sink: sink)) { change in
                change.gone += 1
                if change.goneIDs.count < Self.examplesMax { change.goneIDs.append(stored.eventID) }
            }
        }
    }

    private mutating func note(_ pair: Pair, _ count: (inout Change) -> Void) {
        count(&changes[pair, default: Change()])
    }

    private mutating func route(_ event: Event) -> Route {
        guard let hook = hooks[event.hook] else {
            ofUnknownHooks += 1
            return table.route(event.routingFacts, event: event.body.root)
        }
        guard hook.events?.contains(where: { $0.matches(event.type) }) ?? true else {
            return Route(choices: [])
        }
        return table.route(event.routingFacts, event: event.body.root)
    }

    /// By rule in the table's order, rules of the past behind them, then by sink.
    func rows(rule: String?) -> [(pair: Pair, change: Change)] {
        let places = Dictionary(table.rules.enumerated().map { ($1.name, $0) }) { first, _ in first }
        return changes.filter { rule == nil || $0.key.rule == rule }
            .map { (pair: $0.key, change: $0.value) }
            .sorted { left, right in
                let one = (places[left.pair.rule] ?? .max, left.pair.rule, left.pair.sink)
                return one < (places[right.pair.rule] ?? .max, right.pair.rule, right.pair.sink)
            }
    }

    // MARK: - Output

    func text(rule: String?) -> String {
        let rows = rows(rule: rule)
        var table = TextTable([
            .left("RULE"), .left("SINK"), .right("SAME"), .right("NEW"), .right("MOVED HERE"),
            .right("NO LONGER"),
        ])
        for (pair, change) in rows {
            table.add(
                pair.rule, pair.sink, "\(change.same)", "\(change.new)", "\(change.moved)", "\(change.gone)")
        }
        var lines = ["\(Wording.count(events, "event")) compared"]
        if withoutBytes > 0 { lines.append("\(withoutBytes) more: their bytes are no longer kept") }
        if ofUnknownHooks > 0 {
            lines.append("\(ofUnknownHooks) of them came through hooks that the config no longer has")
        }
        lines += rows.isEmpty ? ["", "no event was or would be routed"] : ["", table.text()]
        for (pair, change) in rows {
            if !change.newIDs.isEmpty { lines.append(examples("new", pair, change.newIDs, of: change.new)) }
            if !change.goneIDs.isEmpty {
                lines.append(examples("no longer", pair, change.goneIDs, of: change.gone))
            }
        }
        return lines.joined(separator: "\n")
    }

    private func examples(_ what: String, _ pair: Pair, _ ids: [String], of count: Int) -> String {
        let more = count > ids.count ? ", …" : ""
        return "\n\(what), \(pair.rule) > \(pair.sink):\n  " + ids.joined(separator: "\n  ") + more
    }

    func write(to writer: inout JSONWriter, rule: String?) {
        writer.member("events", events)
        writer.member("withoutBytes", withoutBytes)
        writer.member("ofUnknownHooks", ofUnknownHooks)
        writer.name("rules")
        writer.array { list in
            for (pair, change) in rows(rule: rule) {
                list.object { row in
                    row.member("rule", pair.rule)
                    row.member("sink", pair.sink)
                    row.member("same", change.same)
                    row.member("new", change.new)
                    row.member("moved", change.moved)
                    row.member("noLonger", change.gone)
                    for (name, ids) in [("newIDs", change.newIDs), ("noLongerIDs", change.goneIDs)] {
                        row.name(name)
                        row.array { array in for id in ids { array.string(id) } }
                    }
                }
            }
        }
    }
}
