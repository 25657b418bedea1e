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
        /// The sink got them by this rule, and would by another one.
        var lost = 0
        var newIDs: [String] = []
        var goneIDs: [String] = []
    }

    /// What one rule matches, where one was asked for.
    private(set) var matches: MatchComparison?
    private(set) var changes: [Pair: Change] = [:]
    private(set) var events = 0
    /// Events that cannot be compared, because their bytes are no longer kept.
    private(set) var withoutBytes = 0
    /// Events of hooks that the config no longer has.
    private(set) var ofUnknownHooks = 0

    private let table: RuleTable
    private let hooks: [String: HookConfiguration]
    /// Sinks that take part, since they are about to go live, but get nothing yet.
    private let disabled: Set<String>

    init(_ configuration: RelayConfiguration, rule: String?) {
        let disabled = configuration.sinks.filter { !$0.isEnabled }.map(\.name)
        self.init(
            RuleTable(configuration.rules), configuration.hooks, disabled: Set(disabled), rule: rule)
    }

    /// Compares by routes, and with a rule's name also what that rule matches.
    init(
        _ table: RuleTable, _ hooks: [HookConfiguration], disabled: Set<String> = [], rule: String? = nil
    ) {
        self.table = table
        self.disabled = disabled
        matches = rule.map { MatchComparison($0, in: table) }
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
        let route = route(event)
        matches?.add(event, then: stored.route, now: route)
        let now = Dictionary((route?.choices ?? []).map { ($0.sink, $0.rule) }) { first, _ in first }
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
        for (sink, rule) in then where now[sink] != rule {
            note(Pair(rule: rule, sink: sink)) { change in
                guard now[sink] == nil else { return change.lost += 1 }
                change.gone += 1
                if change.goneIDs.count < Self.examplesMax { change.goneIDs.append(stored.eventID) }
            }
        }
    }

    private mutating func note(_ pair: Pair, _ count: (inout Change) -> Void) {
        count(&changes[pair, default: Change()])
    }

    /// Where the event would go today; nil where its hook does not accept it.
    private mutating func route(_ event: Event) -> Route? {
        guard let hook = hooks[event.hook] else {
            ofUnknownHooks += 1
            return table.route(event.routingFacts, event: event.body.root)
        }
        guard hook.events?.contains(where: { $0.matches(event.type) }) ?? true else { return nil }
        return table.route(event.routingFacts, event: event.body.root)
    }

    /// By rule in the table's order, rules of the past behind them, then by sink.
    func rows() -> [(pair: Pair, change: Change)] {
        let places = Dictionary(table.rules.enumerated().map { ($1.name, $0) }) { first, _ in first }
        return changes.filter { matches == nil || $0.key.rule == matches?.rule }
            .map { (pair: $0.key, change: $0.value) }
            .sorted { left, right in
                let one = (places[left.pair.rule] ?? .max, left.pair.rule, left.pair.sink)
                return one < (places[right.pair.rule] ?? .max, right.pair.rule, right.pair.sink)
            }
    }

    // MARK: - Output

    var text: String {
        let rows = rows()
        var table = TextTable([
            .left("RULE"), .left("SINK"), .right("SAME"), .right("NEW"), .right("MOVED HERE"),
            .right("MOVED AWAY"), .right("NO LONGER"), .left("NOTE"),
        ])
        for (pair, change) in rows {
            table.add(
                pair.rule, pair.sink, "\(change.same)", "\(change.new)", "\(change.moved)", "\(change.lost)",
                "\(change.gone)", disabled.contains(pair.sink) ? "disabled: gets nothing yet" : "")
        }
        var lines = ["\(Wording.count(events, "event")) compared"]
        if withoutBytes > 0 { lines.append("\(withoutBytes) more: their bytes are no longer kept") }
        if ofUnknownHooks > 0 {
            lines.append("\(ofUnknownHooks) of them came through hooks that the config no longer has")
        }
        if let matches { lines += [""] + matches.lines }
        lines += rows.isEmpty ? ["", "no event was or would be routed"] : ["", table.text()]
        for (pair, change) in rows {
            let name = "\(pair.rule) > \(pair.sink)"
            lines += Self.examples("new, \(name)", change.newIDs, of: change.new)
            lines += Self.examples("no longer, \(name)", change.goneIDs, of: change.gone)
        }
        return lines.joined(separator: "\n")
    }

    /// The first ids, a line each, under a heading; nothing where there are none.
    static func examples(_ heading: String, _ ids: [String], of count: Int) -> [String] {
        guard !ids.isEmpty else { return [] }
        return ["", "\(heading):"] + ids.map { "  \($0)" } + (count > ids.count ? ["  …"] : [])
    }

    func write(to writer: inout JSONWriter) {
        writer.member("events", events)
        writer.member("withoutBytes", withoutBytes)
        writer.member("ofUnknownHooks", ofUnknownHooks)
        if let matches {
            writer.name("matches")
            writer.object { matches.write(to: &$0) }
        }
        writer.name("rules")
        writer.array { list in
            for (pair, change) in rows() {
                list.object { row in
                    row.member("rule", pair.rule)
                    row.member("sink", pair.sink)
                    row.member("enabled", !disabled.contains(pair.sink))
                    row.member("same", change.same)
                    row.member("new", change.new)
                    row.member("moved", change.moved)
                    row.member("movedAway", change.lost)
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
