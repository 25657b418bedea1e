import JSON
import Relay
import RelayTesting

/// Which sinks an event of the simulated org is for, said twice: as rules for the relay, and as a plain
/// function of what was sent, by which its work is judged.
///
/// Joiners, leavers, profiles and suspensions go different ways, contractors' others again, and some go
/// nowhere: an event that took another's route would be missed at one sink, or be too many at another.
enum MixedRoutes {
    static let sinks = ["users", "audit", "warehouse", "ledger", "crm", "feed"]

    static let rules = """
        { "name": "joiners", "events": ["user.lifecycle.create", "user.lifecycle.activate"],
          "sinks": ["users", "audit", "warehouse", "crm", "feed"] },
        { "name": "leavers", "events": ["user.lifecycle.deactivate", "user.lifecycle.delete.*"],
          "sinks": ["users", "warehouse", "ledger", "crm"] },
        { "name": "profiles", "events": ["user.account.*"], "sinks": ["users", "crm", "feed"] },
        { "name": "contractors", "events": ["user.*"],
          "where": { "target": { "alternateId": [ { "suffix": "@contractors.example.net" } ] } },
          "sinks": ["audit", "ledger", "feed"] }
        """

    /// The sinks of one event; none where no rule names it.
    static func sinks(of event: SimulatedEvent) throws -> Set<String> {
        var sinks: Set<String> =
            switch event.type {
            case .create, .activate: ["users", "audit", "warehouse", "crm", "feed"]
            case .deactivate, .deleteInitiated: ["users", "warehouse", "ledger", "crm"]
            case .updateProfile: ["users", "crm", "feed"]
            case .suspend, .unsuspend: []
            }
        let targets = try JSONDocument(event.bytes).root["target"]
        let user = targets?.elements.first { $0["type"]?.isString("User") == true }
        if user?["alternateId"]?.string?.hasSuffix("@contractors.example.net") == true {
            sinks.formUnion(["audit", "ledger", "feed"])
        }
        return sinks
    }

    /// What was sent and is for one sink.
    static func events(of sender: PatientSender, for sink: String) throws -> [SimulatedEvent] {
        try sender.events.values.filter { try sinks(of: $0).contains(sink) }
    }

    /// How many of what was sent are for no sink.
    static func unrouted(of sender: PatientSender) throws -> Int {
        try sender.events.values.count { try sinks(of: $0).isEmpty }
    }
}
