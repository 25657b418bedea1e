import JSON
import Relay
import Rules

/// Which stored events one rule matches today, and which it is known to have matched when they came.
///
/// The journal keeps of an event the rule that chose each sink, not every rule that matched. So a rule is
/// known to have matched where it brought the event to a sink, and an event that it matches is new where it
/// did not.
struct MatchComparison: Equatable {
    let rule: String
    /// It brought the event somewhere, and matches it.
    private(set) var same = 0
    /// It matches an event that it brought nowhere before.
    private(set) var new = 0
    /// It brought the event somewhere, and does not match it any more.
    private(set) var gone = 0
    /// Of those that it matches: rules before it take each of its sinks, or stop.
    private(set) var shadowed = 0
    private(set) var newIDs: [String] = []
    private(set) var goneIDs: [String] = []
    /// The rule by itself; nil where the config no longer has it.
    private let table: RuleTable?

    init(_ rule: String, in table: RuleTable) {
        self.rule = rule
        self.table = table.rules.first { $0.name == rule }.map { RuleTable([$0]) }
    }

    /// Compares an event that went where `then` says, and would now; nil where its hook does not accept it.
    mutating func add(_ event: Event, then: [(sink: String, rule: String)], now: Route?) {
        let matched = then.contains { $0.rule == rule }
        let matches =
            now != nil && table?.route(event.routingFacts, event: event.body.root).isUnrouted == false
        switch (matched, matches) {
        case (true, true): same += 1
        case (false, true):
            new += 1
            if newIDs.count < RouteComparison.examplesMax { newIDs.append(event.id) }
        case (true, false):
            gone += 1
            if goneIDs.count < RouteComparison.examplesMax { goneIDs.append(event.id) }
        case (false, false): break
        }
        if matches, now?.choices.contains(where: { $0.rule == rule }) == false { shadowed += 1 }
    }

    static func == (a: Self, b: Self) -> Bool {
        (a.rule, a.same, a.new, a.gone, a.shadowed) == (b.rule, b.same, b.new, b.gone, b.shadowed)
            && a.newIDs == b.newIDs && a.goneIDs == b.goneIDs
    }

    // MARK: - Output

    /// Lines for a person.
    var lines: [String] {
        var lines = [
            "\(rule) matches \(Wording.count(same + new, "event")): \(same) as before, \(new) newly; "
                + "\(gone) no longer"
        ]
        if shadowed > 0 {
            lines.append("\(shadowed) of them go nowhere by it: rules before it take its sinks, or stop")
        }
        lines += RouteComparison.examples("newly matched", newIDs, of: new)
        lines += RouteComparison.examples("no longer matched", goneIDs, of: gone)
        return lines
    }

    func write(to writer: inout JSONWriter) {
        writer.member("rule", rule)
        writer.member("same", same)
        writer.member("new", new)
        writer.member("noLonger", gone)
        writer.member("shadowed", shadowed)
        for (name, ids) in [("newIDs", newIDs), ("noLongerIDs", goneIDs)] {
            writer.name(name)
            writer.array { array in for id in ids { array.string(id) } }
        }
    }
}
