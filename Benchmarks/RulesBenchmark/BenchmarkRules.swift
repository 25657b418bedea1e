import JSON
import Rules

/// Tables of rules of all kinds.
enum BenchmarkRules {
    /// How many of the rules match an event.
    enum Shape: CaseIterable { case none, one, many, suffix, numeric, cidr }

    /// Paths of the template that is measured.
    static let placeholders = [
        ("plain paths", "$.actor.alternateId"),
        ("filters", "$.target[?@.type=='User'].alternateId | lower"),
    ]

    static func make(_ count: Int, _ shape: Shape) throws -> [Rule] {
        try (0..<count).map { index in
            let pattern = try Pattern(JSONDocument(text(index, shape)).root)
            return Rule(
                name: "rule-\(index)", events: [EventTypePattern("user.*")],
                conditions: Rule.Conditions(pattern: pattern), sinks: ["sink-\(index % 4)"])
        }
    }

    private static func text(_ index: Int, _ shape: Shape) -> String {
        let domain = shape == .none ? "nowhere.example" : "example.com"
        let suffix =
            "{\"eventType\":[{\"prefix\":\"user.\"}],\"target\":{\"alternateId\":[{\"suffix\":\"@dept\(index).\(domain)\"}]}}"
        switch (shape, index % 20) {
        case (.suffix, _): return suffix
        case (.numeric, _):
            return
                "{\"securityContext\":{\"asNumber\":[{\"numeric\":[\">\",\(10_000 + index),\"<\",\(10_002 + index)]}]}}"
        case (.cidr, _):
            return
                "{\"client\":{\"ipAddress\":[{\"cidr\":\"10.\(index / 250).\(index % 250).0/\(24 - index % 3)\"}]}}"
        case (.many, 0...5): return "{\"outcome\":{\"result\":[{\"anything-but\":\"FAILURE\(index)\"}]}}"
        case (_, 0): return "{\"target\":{\"alternateId\":[{\"wildcard\":\"*@dept\(index).*.org\"}]}}"
        case (_, 1):
            return
                "{\"actor\":{\"alternateId\":[{\"anything-but\":\"x\(index)\"}],\"id\":[\"00uZ\(index)\"]}}"
        case (_, 2): return "{\"target\":{\"displayName\":[\"Team \(index)\"],\"type\":[\"UserGroup\"]}}"
        case (_, 3): return "{\"securityContext\":{\"asNumber\":[{\"numeric\":[\">\",\(100_000 + index)]}]}}"
        case (_, 4): return "{\"target\":{\"id\":[{\"prefix\":\"00uQ\(index)\"}]}}"
        case (_, 5): return "{\"target\":{\"alternateId\":[{\"wildcard\":\"*+test\(index)@*\"}]}}"
        default: return suffix
        }
    }
}
