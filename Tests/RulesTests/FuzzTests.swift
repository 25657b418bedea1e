import JSON
import Rules
import Testing

/// Whatever comes in: an error or an answer, in bounded time.
@Suite struct FuzzTests {
    private static let seeds = [
        #"{"a":[{"prefix":"x"},{"numeric":[">",1,"<=",2]}],"$or":[{"b":["\ud83d\ude00"]},"#
            + #"{"c":[{"cidr":"::/0"}]}]}"#,
        #"{"a":"{{ $.a[?@.b=='c' && match(@.d,'a*')] | first | map({\"x\":1}) | default('y') }}"}"#,
        #"[1e400,-0.0,123456789012345678901234567890,"\ud800","é",{"a":1,"a":2},[[[]]],null,true]"#,
        #"{"a":[{"wildcard":"*\\*a*b*"},{"anything-but":{"suffix":["q","é"]}},{"exists":false}]}"#,
    ]

    @Test(arguments: [1, 2, 3] as [UInt64])
    func survivesBrokenTexts(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<700 {
            var bytes = Array(generator.pick(Self.seeds).utf8)
            for _ in 0..<generator.count(1...4) {
                let place = generator.count(0...(bytes.count - 1))
                switch generator.count(0...4) {
                case 0: bytes[place] = UInt8(truncatingIfNeeded: generator.next())
                case 1: bytes.remove(at: place)
                case 2: bytes.insert(generator.pick(Array(#"{}[]",:\*$.|"#.utf8)), at: place)
                case 3: bytes.insert(contentsOf: bytes[place...].prefix(9), at: place)
                default: bytes = Array(bytes.prefix(place + 1))
                }
                if bytes.isEmpty { bytes = [0x30] }
            }
            exercise(bytes)
        }
    }

    @Test(arguments: [5, 6] as [UInt64])
    func survivesBrokenPaths(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let document = try JSONDocument(Self.seeds[0]).root
        let pieces = [
            "$", "@", ".", "..", "[", "]", "?", "(", ")", "*", "'a'", "\"", "\\u", ":", "1", "-", "==", "&&",
            "!",
            "length(", "match(", "a", "é", "||", " ", ",", "e9", "'(a|b)*{2,3}'", "\u{0}",
        ]
        for _ in 0..<2_000 {
            let text = "$" + (0..<generator.count(1...9)).map { _ in generator.pick(pieces) }.joined()
            if let path = try? JSONPath(text) { _ = try? path.nodes(in: document) }
            _ = PlaceholderProbe.compile(text)
        }
    }

    @Test func boundsDeepAndLargeTexts() throws {
        let deepFilter = "$" + String(repeating: "[?@", count: 5_000)
        #expect(throws: LanguageProblem.self) { try JSONPath(deepFilter) }
        #expect(throws: LanguageProblem.self) { try JSONPath("$[?" + String(repeating: "(", count: 100_000)) }
        let large = #expect(throws: LanguageProblem.self) {
            try JSONPath("$[?match(@,'((a{999}){999}){9}')]")
        }
        #expect(large?.message.contains("more than 10000 states") == true)
        #expect(throws: LanguageProblem.self) {
            try JSONPath("$[?match(@,'\(String(repeating: "(", count: 500))')]")
        }
        // Nothing, ten thousand times, ten thousand times over: once is enough.
        #expect(throws: Never.self) { try JSONPath("$[?match(@,'((((){9999}){9999}){9999}){9999}')]") }
        exercise(Array(String(repeating: "[", count: 200_000).utf8))
        exercise(Array("{\"a\":[\(String(repeating: "9", count: 200_000))]}".utf8))
        exercise(Array("{\"a\":[1e\(String(repeating: "9", count: 200_000))]}".utf8))
        let alternatives = "{\"$or\":[{\"a\":[1]},{\"a\":[2],\"b\":[1]}]}"
        let many = (0..<30).map { _ in alternatives }.joined(separator: ",")
        let nested = (0..<30).map { _ in "{\"$or\":[\(alternatives),\(alternatives)]}" }
        exercise(Array("{\"$or\":[\(many)]}".utf8))
        exercise(Array("{\"$or\":[\(nested.joined(separator: ","))]}".utf8))
    }

    /// What a pattern takes to compile grows with its length, and not with its square.
    @Test(.timeLimit(.minutes(1))) func compilesWidePatterns() throws {
        let fields = (0..<12_000).map { "\"f\($0)\":[\($0)]" }.joined(separator: ",")
        for text in ["{\(fields)}", "{\"a\":{\(fields)}}"] {
            let pattern = try Pattern(JSONDocument(text).root)
            #expect(!pattern.matches(try JSONDocument(#"{"a":{"f0":0},"f0":0}"#).root))
        }
    }

    /// However many conditions a pattern has, each asks the event once for what is missing.
    @Test func looksOnceForWhatIsMissing() throws {
        let absent = (0..<100).map { "\"f\($0)\":[{\"exists\":false}]" }.joined(separator: ",")
        let pattern = try Pattern(JSONDocument("{\"t\":{\(absent),\"z\":[\"nope\"]}}").root)
        let elements = Array(repeating: "{}", count: 2_000).joined(separator: ",")
        #expect(!pattern.matches(try JSONDocument("{\"t\":[\(elements)]}").root))
    }

    /// The classic expression that makes backtracking matchers hang, and wildcards of the same kind.
    @Test func neverBacktracks() throws {
        let text = String(repeating: "a", count: 20_000)
        let document = try JSONDocument("[\"\(text)!\"]").root
        #expect(try JSONPath("$[?match(@, '(a*)*b')]").nodes(in: document).isEmpty)
        let stars = String(repeating: "*a", count: 500)
        let pattern = try Pattern(JSONDocument("{\"x\":[{\"wildcard\":\"\(stars)*b\"}]}").root)
        #expect(!pattern.matches(try JSONDocument("{\"x\":\"\(text)\"}").root))
    }

    /// What a regular expression costs, states times characters, is bounded like everything else.
    @Test func boundsWhatRegularExpressionsCost() throws {
        let text = String(repeating: "a", count: 20_000)
        let runs = try JSONDocument("{\"e\":[\"\(text)\",\"\(text)\"]}").root
        #expect(throws: JSONPathError.self) { try JSONPath("$.e[?search(@, '(a?){4000}b')]").nodes(in: runs) }
        #expect(try JSONPath("$.e[?search(@, '(a?){4}b')]").nodes(in: runs).isEmpty)
        #expect(try JSONPath("$.e[?search(@, '[b-yA-Z]{1,200}')]").nodes(in: runs).isEmpty)
    }

    /// An expression that comes from the document is compiled once, however many values it is held against;
    /// many different ones are not for free.
    @Test func boundsWhatCompilingRegularExpressionsCosts() throws {
        let query = try JSONPath("$[?match(@.t, @.p)]")
        func document(_ pattern: (Int) -> String) throws -> JSONValue {
            let elements = (0..<1_000).map { "{\"t\":\"aa\",\"p\":\"\(pattern($0))\"}" }
            return try JSONDocument("[\(elements.joined(separator: ","))]").root
        }
        #expect(try query.nodes(in: document { _ in "(a?){100}" }).count == 1_000)
        #expect(throws: JSONPathError.self) { try query.nodes(in: document { "(a?){100}|\($0)" }) }
        #expect(throws: JSONPathError.self) { try query.nodes(in: document { _ in "(a{999}){999}" }) }
        #expect(try query.nodes(in: document { _ in "(a" }).isEmpty)
    }

    /// What looks like one step of a filter may look at the whole document.
    @Test(arguments: [
        "$.n[?$.a == $.b]", "$.n[?length($.a) > 1]", "$.n[?$.o.z]", "$.n[?$.t == 'x']",
    ])
    func boundsStepsThatSeeEverything(_ path: String) throws {
        let count = 1_500
        let list = "[\((0..<count).map(String.init).joined(separator: ","))]"
        let object = "{\((0..<count).map { "\"k\($0)\":0" }.joined(separator: ","))}"
        let text = String(repeating: "1", count: count * 16)
        let document = try JSONDocument(
            "{\"n\":\(list),\"a\":\(list),\"b\":\(list),\"o\":\(object),\"t\":\"\(text)\"}"
        ).root
        #expect(throws: JSONPathError.self) { try JSONPath(path).nodes(in: document) }
    }

    /// Of values inside each other a list would hold the innermost as often as they nest.
    @Test func boundsWhatAListTakes() throws {
        let (open, close) = (String(repeating: "[", count: 200), String(repeating: "]", count: 200))
        let deep = try JSONDocument("\(open)\"\(String(repeating: "x", count: 1 << 19))\"\(close)").root
        let template = try Template(JSONDocument(#""{{ $..* | all }}""#).root, place: .value)
        #expect(throws: TemplateError.self) { try template.render(deep) }
    }

    @Test func capsNodesOfAPath() throws {
        let wide = try JSONDocument("[\(Array(repeating: "[0]", count: 2_000).joined(separator: ","))]").root
        #expect(throws: JSONPathError.self) {
            try JSONPath("$..[?count($..*) > 0]").nodes(in: wide)
        }
    }

    /// Whatever an event holds, the table answers as each rule alone does.
    @Test(arguments: [21, 22] as [UInt64])
    func aTableSurvivesHostileEvents(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let rules = try Self.hostilePatterns.enumerated().map { index, text in
            Rule(
                name: "\(index)", events: [], outcome: .any,
                conditions: .init(pattern: try Pattern(JSONDocument(text).root)), sinks: ["\(index)"])
        }
        let table = RuleTable(rules)
        let facts = RoutingFacts(hook: "h", eventType: "", operation: .none, isEffective: true)
        let values = [
            "1e400", "-1e400", "1e-400", "123456789012345678901234567890", "-0", #""\ud800""#, #""x\udc00y""#,
            #""\u0000""#, #""10.1.2.3""#, #""::1""#, #""\ufffd""#, "\"\(String(repeating: "é", count: 40))\"",
            "{}", "[]", "null", #"{"b":"x"}"#, #"[{"b":1},[[{"b":"10.0.0.9"}]]]"#,
        ]
        for _ in 0..<300 {
            let names = ["\"a\"", #""\u0061""#, "\"b\"", #""é""#, #""""#]
            let members = (0..<generator.count(1...6)).map { _ in
                "\(generator.pick(names)):\(generator.pick(values))"
            }
            var text = "{\(members.joined(separator: ","))}"
            let levels = generator.count(0...200)
            if generator.chance(30) {
                text =
                    "{\"a\":\(String(repeating: "[", count: levels))\(text)"
                    + "\(String(repeating: "]", count: levels))}"
            }
            let event = try JSONDocument(text).root
            let alone = rules.filter { table.explain($0, facts, event: event) == nil }.map(\.name)
            #expect(table.route(facts, event: event).choices.map(\.rule) == alone, "\(text)")
        }
    }

    private static let hostilePatterns = [
        #"{"a":[1e400]}"#, #"{"a":[{"numeric":[">",1e300]}]}"#, #"{"a":[{"numeric":["<",0]}]}"#,
        #"{"a":[123456789012345678901234567890]}"#, #"{"a":[0]}"#, #"{"a":["\ufffd"]}"#,
        #"{"a":[{"suffix":"y"}]}"#, #"{"a":[{"prefix":"x"}],"b":[{"exists":true}]}"#, #"{"a":["\u0000"]}"#,
        #"{"a":[{"cidr":"10.0.0.0/8"}]}"#, #"{"a":[{"cidr":"0.0.0.0/0"}]}"#, #"{"a":[{"cidr":"::/0"}]}"#,
        #"{"a":{"b":[{"cidr":"10.0.0.0/24"}]}}"#, #"{"é":[{"equals-ignore-case":"X"}]}"#, #"{"":[null]}"#,
        #"{"a":{"b":["x"]}}"#, #"{"a":[{"exists":false}]}"#, #"{"b":[{"anything-but":"x"}]}"#,
        #"{"a":[{"wildcard":"*éé*"}]}"#, #"{"a":{"a":["x",{"exists":false}]}}"#, #"{"a":[""]}"#,
    ]

    /// A pattern that nobody could match may be refused, but never crash.
    @Test func patternsWithHalfPairsAreRefused() throws {
        for text in [#"["\ud800"]"#, #"[{"prefix":"\udfff"}]"#, #"[{"wildcard":"*\ud83d*"}]"#] {
            let pattern = try JSONDocument("{\"a\":\(text)}").root
            #expect(throws: LanguageProblems.self) { try Pattern(pattern) }
        }
    }

    private func exercise(_ bytes: [UInt8]) {
        guard let value = try? JSONDocument(bytes).root else { return }
        if let pattern = try? Pattern(value) {
            _ = pattern.matches(value)
            _ = pattern.firstMismatch(in: value)
        }
        for place in [Template.Place.value, .url, .header] {
            if let template = try? Template(value, place: place) { _ = try? template.render(value) }
        }
        _ = RuleCaseRunner().run(bytes)
    }
}

private enum PlaceholderProbe {
    static func compile(_ path: String) -> Bool {
        var writer = JSONWriter()
        writer.string("{{ \(path) | all }}")
        guard let value = try? JSONDocument(writer.bytes).root,
            let template = try? Template(value, place: .value)
        else { return false }
        return (try? template.render(value)) != nil
    }
}
