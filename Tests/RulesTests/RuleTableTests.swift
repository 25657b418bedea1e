import JSON
import Rules
import Testing

@Suite struct RuleTableTests {
    private func pattern(_ text: String) throws -> Pattern { try Pattern(JSONDocument(text).root) }

    private func route(_ rules: [Rule], _ facts: RoutingFacts, _ event: String) throws -> [String] {
        try RuleTable(rules).route(facts, event: JSONDocument(event).root).choices.map {
            "\($0.rule)>\($0.sink)"
        }
    }

    private let facts = RoutingFacts(
        hook: "main", eventType: "user.lifecycle.create", operation: .create, isEffective: true)

    @Test func firstRuleNamesTheSinkAndStopEndsTheTable() throws {
        let user = EventTypePattern("user.*")
        let rules = [
            Rule(name: "a", events: [user], sinks: ["crm"]),
            Rule(name: "b", events: [user], sinks: ["crm", "sql"], stops: true),
            Rule(name: "c", events: [user], sinks: ["chat"]),
        ]
        #expect(try route(rules, facts, "{}") == ["a>crm", "b>sql"])
    }

    /// A rule that adds no sink still ends the table.
    @Test func aRuleWhoseSinksAreTakenStillStops() throws {
        let any = EventTypePattern("*")
        let rules = [
            Rule(name: "a", events: [any], sinks: ["crm"]),
            Rule(name: "b", events: [any], sinks: ["crm"], stops: true),
            Rule(name: "c", events: [any], sinks: ["chat"]),
        ]
        #expect(try route(rules, facts, "{}") == ["a>crm"])
    }

    @Test func checksHookOperationOutcomeAndType() throws {
        let any = [EventTypePattern("*")]
        let rules = [
            Rule(name: "hook", hooks: ["other"], events: any, sinks: ["1"]),
            Rule(name: "operation", events: any, operations: [.delete], sinks: ["2"]),
            Rule(
                name: "type", events: [EventTypePattern("group.*"), EventTypePattern("user.session.start")],
                sinks: ["3"]),
            Rule(name: "effective", events: any, sinks: ["4"]),
            Rule(
                name: "all", hooks: ["main"], events: any, operations: [.create], outcome: .any,
                sinks: ["5"]),
        ]
        let failed = RoutingFacts(
            hook: "main", eventType: "user.lifecycle.create", operation: .create, isEffective: false)
        #expect(try route(rules, facts, "{}") == ["effective>4", "all>5"])
        #expect(try route(rules, failed, "{}") == ["all>5"])
        let table = RuleTable(rules)
        let event = try JSONDocument("{}").root
        #expect(table.explain(rules[0], facts, event: event) == "the hook is \"main\", wanted other")
        #expect(table.explain(rules[1], facts, event: event) == "the operation is create, wanted delete")
        #expect(table.explain(rules[3], failed, event: event)?.contains("outcome") == true)
        #expect(table.explain(rules[4], failed, event: event) == nil)
    }

    @Test func conditionsUseOneElementEach() throws {
        let conditions = Rule.Conditions(
            all: [
                try pattern(#"{"target":{"type":["User"],"id":["u1"]}}"#),
                try pattern(#"{"target":{"type":["UserGroup"],"id":["g1"]}}"#),
            ],
            none: [try pattern(#"{"actor":{"id":["bot"]}}"#)])
        let rules = [
            Rule(name: "r", events: [EventTypePattern("*")], conditions: conditions, sinks: ["s"])
        ]
        let targets = #""target":[{"type":"UserGroup","id":"g1"},{"type":"User","id":"u1"}]"#
        #expect(try route(rules, facts, "{\(targets)}") == ["r>s"])
        #expect(try route(rules, facts, "{\(targets),\"actor\":{\"id\":\"bot\"}}") == [])
        #expect(try route(rules, facts, #"{"target":[{"type":"UserGroup","id":"u1"}]}"#) == [])
    }

    /// More sinks than fit one word, many rules on one field, and names written with escapes.
    @Test func routesManySinks() throws {
        let rules = try (0..<300).map { index in
            Rule(
                name: "r\(index)", events: [],
                conditions: .init(pattern: try pattern(#"{"a":[{"anything-but":"x"}]}"#)),
                sinks: ["s\(index % 100)"])
        }
        #expect(try route(rules, facts, #"{"\u0061":"y"}"#).count == 100)
        #expect(try route(rules, facts, #"{"a":"x"}"#).isEmpty)
    }

    /// Literals that differ only beyond what the index looks up, and address blocks of all sizes.
    @Test func anchorsAreNeverMoreThanAHint() throws {
        let long = String(repeating: "p", count: 70)
        var patterns = ["1", "2"].flatMap { digit in
            [
                #"{"a":[{"prefix":"\#(long)\#(digit)"}]}"#, #"{"a":[{"suffix":"\#(digit)\#(long)"}]}"#,
                #"{"a":[{"equals-ignore-case":"\#(long)\#(digit)\#(long)"}]}"#,
                #"{"a":[{"wildcard":"*\#(digit)\#(long)*"}]}"#,
            ]
        }
        patterns += (0...32).map { #"{"a":[{"cidr":"10.1.2.3/\#($0)"}]}"# }
        patterns += (0...128).map { #"{"a":[{"cidr":"2001:db8::7/\#($0)"}]}"# }
        let rules = try patterns.enumerated().map { index, text in
            let conditions = Rule.Conditions(pattern: try pattern(text))
            return Rule(name: "\(index)", events: [], conditions: conditions, sinks: ["\(index)"])
        }
        let table = RuleTable(rules)
        var matched = 0
        for text in [
            "\(long)1\(long)", "\(long)2\(long.uppercased())", "x2\(long)", "10.1.2.3", "10.1.3.0",
            "11.0.0.0",
            "2001:db8::7", "2001:db8::", "2001:db8:ffff::7", "::", "10.1.2.03", "10.1.2.3 ",
        ] {
            let event = try JSONDocument("{\"a\":\"\(text)\"}").root
            let alone = rules.filter { table.explain($0, facts, event: event) == nil }.map(\.name)
            #expect(table.route(facts, event: event).choices.map(\.rule) == alone, "\(text)")
            matched += alone.count
        }
        #expect(matched > 300)
    }

    @Test func saysWhichConditionFailed() throws {
        let mismatch = try pattern(#"{"a":["x"],"b":{"c":[{"prefix":"y"}]}}"#)
            .firstMismatch(in: JSONDocument(#"{"a":"x","b":[{"c":1},{"c":"z"}]}"#).root)
        #expect(mismatch?.description == #"b.c is 1, "z", wanted [{"prefix":"y"}]"#)
        let elements = try pattern(#"{"t":{"a":[1],"b":[2]}}"#)
            .firstMismatch(in: JSONDocument(#"{"t":[{"a":1},{"b":2}]}"#).root)
        #expect(elements?.description == "t.a, t.b hold one by one, but not in the same array element")
        let excluded = Rule(
            name: "r", events: [],
            conditions: .init(none: [
                try pattern(#"{"actor":{"id":["y"]}}"#),
                try pattern(#"{"$or":[{"a":["x"]},{"actor":{"id":["bot"]}}],"z":[{"exists":false}]}"#),
            ]), sinks: ["s"])
        let why = RuleTable([]).explain(
            excluded, facts, event: try JSONDocument(#"{"actor":{"id":"bot"}}"#).root)
        #expect(why == #"none/1 matches: actor.id is "bot", z is missing"#)
    }

    @Test func reportsAllMistakesWithTheFix() throws {
        let text =
            #"{"a":"x","b":[{"prefx":"y"}],"c":[{"numeric":["<",5,">",0]}],"#
            + #""d":{"d":[{"prefix":"a","suffix":"b"}]}}"#
        let error = try #require(throws: LanguageProblems.self) { try pattern(text) }
        #expect(
            error.problems.map(\.pointer.description) == [
                "/a", "/b/0/prefx", "/c/0/numeric", "/d/d/0",
            ])
        #expect(error.problems[0].message.contains(#"write ["x"] instead of "x""#))
        #expect(error.problems[1].message.contains(#"did you mean "prefix"?"#))
        #expect(error.problems[0].offset == 5)
        #expect(error.problems[2].message == #"the lower bound comes first: write [">",0,"<",5]"#)
    }

    @Test func namesTheOperatorsThereAre() throws {
        let error = try #require(throws: LanguageProblems.self) { try pattern(#"{"a":[{"x":"y"}]}"#) }
        #expect(error.problems[0].message.hasPrefix("unknown operator \"x\"; known: anything-but, "))
    }

    /// Only plain lengths, and only addresses as they are usually written.
    @Test func readsAddressesStrictly() throws {
        for block in [
            "10.0.0.0/08", "10.0.0.0/008", "10.0.0.0/00", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1",
            "10.0.0.0/+8", "10.0.0.0 /8", "10.0.0.0", "10.0.0/8", "10.0.0.00/8", "010.0.0.0/8",
            "0x0a.0.0.0/8",
            "::/129", "::/0128", ":::/0", "1::2::3/8", "fe80::1%eth0/64", "[::]/0", "/8",
            "::ffff:10.0.0.256/96",
        ] {
            #expect(throws: LanguageProblems.self, "\(block)") {
                try pattern("{\"a\":[{\"cidr\":\"\(block)\"}]}")
            }
        }
        let holds: [(block: String, address: String, isInside: Bool)] = [
            ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "10.01.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", false), ("0.0.0.0/0", "::ffff:10.1.2.3", false),
            ("::ffff:10.0.0.0/104", "::ffff:10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "::FFFF:0A01:0203", true),
            ("::ffff:10.0.0.0/104", "10.1.2.3", false), ("::/0", "10.1.2.3", false),
            ("::/0", "fe80::1%eth0", false),
            ("2001:DB8::/32", "2001:db8:ffff::", true), ("2001:db8::/33", "2001:db8:8000::", false),
            ("2001:db8::1/128", "2001:db8:0:0:0:0:0:1", true), ("10.1.2.3/32", "10.1.2.3", true),
            ("10.1.2.99/24", "10.1.2.3", true), ("10.0.0.0/8", "10.1.2.3/32", false),
            ("10.0.0.0/8", " 10.1.2.3", false),
        ]
        for (block, address, isInside) in holds {
            let event = try JSONDocument("{\"a\":\"\(address)\"}").root
            #expect(
                try pattern("{\"a\":[{\"cidr\":\"\(block)\"}]}").matches(event) == isInside,
                "\(block) \(address)")
        }
    }

    @Test(arguments: [
        (#"{"a":[{"numeric":["==",1]}]}"#, "did you mean \"=\"?"),
        (#"{"a":[{"anything-but":[null]}]}"#, "into \"none\""),
        (#"{"a":[{"anything-but":["x",true]}]}"#, "into \"none\""),
        (#"{"a":[{"anything-but":null}]}"#, "into \"none\""),
        (#"{"a":[{"anything-but":["x",1]}]}"#, "two patterns in \"all\""),
    ])
    func mistakesSayWhatWouldBeRight(_ pattern: String, _ advice: String) throws {
        let value = try JSONDocument(pattern).root
        let error = try #require(throws: LanguageProblems.self) { try Pattern(value) }
        #expect(error.description.contains(advice), "\(error)")
    }
}
