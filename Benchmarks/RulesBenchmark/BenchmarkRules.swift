import JSON
import Rules

/// Tables of rules of all kinds.
enum BenchmarkRules {
    /// How many of the rules match an event, or of which one kind they are.
    enum Shape: CaseIterable {
        /// Mixed rules, each with a sink of its own; one or ten among them match every event.
        case none, one, ten
        /// Of the mixed rules three in ten match, to four sinks, or each to a sink of its own.
        case crowd, crowdOfSinks
        /// Kinds that other engines, or an index of literals alone, find hard.
        case suffix, numeric, cidr, missing, noLiteral
    }

    static func make(_ count: Int, _ shape: Shape) throws -> [Rule] {
        let step = max(1, count / 10)
        return try (0..<count).map { index in
            let sink = shape == .crowd ? "sink-\(index % 4)" : "sink-\(index)"
            var rule = Rule(name: "rule-\(index)", events: [EventTypePattern("user.*")], sinks: [sink])
            switch shape {
            case .one where index == count / 2: rule.conditions = try conditions(matching[0])
            case .ten where index % step == 0 && index / step < 10:
                rule.conditions = try conditions(matching[index / step])
            case .none, .one, .ten: rule.conditions = try conditions(mixed(index))
            case .crowd, .crowdOfSinks:
                rule.conditions = try conditions(
                    index % 10 < 3
                        ? #"{"outcome":{"result":[{"anything-but":"FAILURE\#(index)"}]}}"# : mixed(index))
            case .suffix:
                rule.conditions = try conditions(
                    #"{"eventType":[{"prefix":"user."}],"target":{"alternateId":[{"suffix":"@d\#(index).org"}]}}"#
                )
            case .numeric:
                rule.conditions = try conditions(
                    #"{"securityContext":{"asNumber":[{"numeric":[">",\#(10_000 + index),"<",\#(10_002 + index)]}]}}"#
                )
            case .cidr:
                let block = "11.\(index / 250).\(index % 250).0/\(24 - index % 3)"
                rule.conditions = try conditions(#"{"client":{"ipAddress":[{"cidr":"\#(block)"}]}}"#)
            case .missing: rule.conditions = try conditions(missing(index))
            case .noLiteral: try setNoLiteral(&rule, index)
            }
            return rule
        }
    }

    private static func conditions(_ pattern: String) throws -> Rule.Conditions {
        Rule.Conditions(pattern: try Pattern(JSONDocument(pattern).root))
    }

    /// Each matches every event.
    private static let matching = [
        #"{"target":{"alternateId":[{"suffix":".example.com"}]}}"#,
        #"{"outcome":{"result":["SUCCESS"]}}"#,
        #"{"actor":{"alternateId":[{"prefix":"admin"}]}}"#,
        #"{"target":{"alternateId":[{"wildcard":"user*@dept*.example.com"}]}}"#,
        #"{"outcome":{"result":[{"anything-but":"FAILURE"}]}}"#,
        #"{"securityContext":{"asNumber":[{"numeric":[">",1000,"<",9000]}]}}"#,
        #"{"client":{"device":[{"equals-ignore-case":"computer"}]}}"#,
        #"{"client":{"ipAddress":[{"cidr":"10.0.0.0/8"}]}}"#,
        #"{"client":{"name":[{"exists":false}]}}"#,
        #"{"$or":[{"severity":["WARN"]},{"displayMessage":["Create Okta user"]}]}"#,
    ]

    /// None matches any event.
    private static func mixed(_ index: Int) -> String {
        switch index % 20 {
        case 0: #"{"target":{"alternateId":[{"wildcard":"*@dept\#(index).*.org"}]}}"#
        case 1: #"{"actor":{"alternateId":[{"anything-but":"x\#(index)"}],"id":["00uZ\#(index)"]}}"#
        case 2: #"{"target":{"displayName":["Team \#(index)"],"type":["UserGroup"]}}"#
        case 3: #"{"securityContext":{"asNumber":[{"numeric":[">",\#(100_000 + index)]}]}}"#
        case 4: #"{"target":{"id":[{"prefix":"00uQ\#(index)"}]}}"#
        case 5: #"{"target":{"alternateId":[{"wildcard":"*+test\#(index)@*"}]}}"#
        default:
            #"{"eventType":[{"prefix":"user."}],"target":{"alternateId":[{"suffix":"@dept\#(index).org"}]}}"#
        }
    }

    /// Fields that every event has.
    private static let fields = [
        #"{"uuid":["#, #"{"version":["#, #"{"severity":["#, #"{"client":{"zone":["#,
        #"{"client":{"device":["#,
        #"{"actor":{"id":["#, #"{"actor":{"type":["#, #"{"outcome":{"result":["#, #"{"target":{"id":["#,
        #"{"transaction":{"id":["#, #"{"debugContext":{"debugData":{"url":["#,
        #"{"request":{"ipChain":{"ip":["#,
    ]

    /// `{"exists": false}` over as many fields as there are rules, beside a condition where no event has the
    /// field; none matches.
    private static func missing(_ index: Int) -> String {
        let absence = #"{"exists":false}"#
        guard index % 2 == 0 else {
            return
                #"{"debugContext":{"debugData":{"field\#(index)":[\#(absence)]}},"severity":["S\#(index)"]}"#
        }
        let field = fields[index / 2 % fields.count]
        return field + absence + "]" + String(repeating: "}", count: field.count { $0 == "{" })
    }

    /// Rules that look at no text: all are about something else by hook, operation, type or what is there.
    private static func setNoLiteral(_ rule: inout Rule, _ index: Int) throws {
        switch index % 5 {
        case 0: rule.hooks = ["hook-\(index % 100)"]
        case 1: rule.operations = [.delete]
        case 2: rule.events = [EventTypePattern("group.*")]
        case 3:
            rule.conditions.none = [try Pattern(JSONDocument(#"{"uuid":[{"exists":true}]}"#).root)]
        default:
            rule.conditions.none = [
                try Pattern(JSONDocument(#"{"nowhere\#(index)":[{"exists":false}]}"#).root)
            ]
        }
    }
}
