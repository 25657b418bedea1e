import JSON
import Rules
import Testing

/// The corners of the pattern language, a line each: pattern, event, verdict.
@Suite struct PatternSemanticsTests {
    private func verdict(_ pattern: String, _ event: String) throws -> Bool {
        let pattern = try Pattern(JSONDocument(pattern).root)
        let event = try JSONDocument(event).root
        let conditions = Rule.Conditions(pattern: pattern)
        let table = RuleTable([Rule(name: "r", events: [], conditions: conditions, sinks: ["s"])])
        let facts = RoutingFacts(hook: "h", eventType: "x", operation: .none, isEffective: true)
        let matches = pattern.matches(event)
        // The table, and what tells a person why not, have to say the same.
        #expect(!table.route(facts, event: event).isUnrouted == matches)
        #expect((pattern.firstMismatch(in: event) == nil) == matches)
        return matches
    }

    @Test(arguments: [
        // Numbers by value where both are exact, else by text.
        (#"{"a":[1]}"#, #"{"a":1.0}"#, true), (#"{"a":[1]}"#, #"{"a":1e0}"#, true),
        (#"{"a":[1]}"#, #"{"a":0.1E+1}"#, true), (#"{"a":[1]}"#, #"{"a":10e-1}"#, true),
        (#"{"a":[1]}"#, #"{"a":"1"}"#, false), (#"{"a":["1"]}"#, #"{"a":1}"#, false),
        (#"{"a":[0]}"#, #"{"a":-0.0e5}"#, true), (#"{"a":[0.1]}"#, #"{"a":0.10}"#, true),
        (#"{"a":[9007199254740992]}"#, #"{"a":9007199254740992.0}"#, true),
        (#"{"a":[9007199254740992]}"#, #"{"a":9007199254740993}"#, false),
        (#"{"a":[9007199254740993]}"#, #"{"a":9007199254740993}"#, true),
        (#"{"a":[9007199254740993]}"#, #"{"a":9007199254740993.0}"#, false),
        (#"{"a":[12345678901234567000]}"#, #"{"a":1.2345678901234567e19}"#, true),
        (#"{"a":[1e23]}"#, #"{"a":100000000000000000000000}"#, true),
        (#"{"a":[1e400]}"#, #"{"a":1e400}"#, true), (#"{"a":[1e400]}"#, #"{"a":10e399}"#, false),
        (#"{"a":[1e-400]}"#, #"{"a":0}"#, false), (#"{"a":[0.3]}"#, #"{"a":0.30000000000000004}"#, false),
        (#"{"a":[0.1]}"#, #"{"a":0.1000000000000000055511151231257827}"#, false),
        (#"{"a":[5e-324]}"#, #"{"a":5e-324}"#, true), (#"{"a":[-1]}"#, #"{"a":1}"#, false),
        // Ranges: bounds in or out, exact doubles only.
        (#"{"a":[{"numeric":["=",3e2]}]}"#, #"{"a":300.0}"#, true),
        (#"{"a":[{"numeric":[">",0]}]}"#, #"{"a":0}"#, false),
        (#"{"a":[{"numeric":[">=",0]}]}"#, #"{"a":-0}"#, true),
        (#"{"a":[{"numeric":["<",0]}]}"#, #"{"a":-1e-300}"#, true),
        (#"{"a":[{"numeric":[">",0,"<",5]}]}"#, #"{"a":5}"#, false),
        (#"{"a":[{"numeric":[">=",0,"<=",5]}]}"#, #"{"a":5.000}"#, true),
        (#"{"a":[{"numeric":[">",-5,"<=",-4]}]}"#, #"{"a":-4}"#, true),
        (#"{"a":[{"numeric":[">",0]}]}"#, #"{"a":[-1,"7",null,true]}"#, false),
        (#"{"a":[{"numeric":[">",0]}]}"#, #"{"a":[-1,[[7]]]}"#, true),
        (#"{"a":[{"numeric":[">",0]}]}"#, #"{"a":12345678901234567890}"#, false),
        (#"{"a":[{"numeric":["=",0]}]}"#, #"{"a":false}"#, false),
        // Null, missing, "null", "" are four.
        (#"{"a":[null]}"#, #"{"a":"null"}"#, false), (#"{"a":["null"]}"#, #"{"a":null}"#, false),
        (#"{"a":[""]}"#, #"{"a":null}"#, false), (#"{"a":[null]}"#, #"{"a":""}"#, false),
        (#"{"a":[null]}"#, #"{"a":[]}"#, false), (#"{"a":[null]}"#, #"{"a":[null]}"#, true),
        (#"{"a":[{"exists":true}]}"#, #"{"a":[null]}"#, true),
        (#"{"a":[{"exists":true}]}"#, #"{"a":[[]]}"#, false),
        (#"{"a":[{"exists":true}]}"#, #"{"a":{}}"#, false),
        (#"{"a":[{"exists":false}]}"#, #"{"a":{}}"#, true),
        (#"{"a":[{"exists":false}]}"#, #"{"a":[{},[]]}"#, true),
        (#"{"a":[{"exists":false}]}"#, #"{"a":null}"#, false),
        (#"{"a":[{"exists":false}]}"#, #"{"a":{"b":1}}"#, true),
        (#"{"a":{"b":[{"exists":false}]}}"#, #"{"a":1}"#, true),
        (#"{"a":{"b":[{"exists":false}]}}"#, #"{"a":[]}"#, true),
        (#"{"a":{"b":[{"exists":false}]}}"#, #"{"a":[1,{"b":[]}]}"#, true),
        (#"{"a":{"b":[{"exists":false}]}}"#, #"{"a":[[{"b":null}]]}"#, false),
        (#"{"a":[true]}"#, #"{"a":"true"}"#, false), (#"{"a":[false,true]}"#, #"{"a":[null,true]}"#, true),
        (#"{"a":[{"exists":false},{"exists":true}]}"#, #"{}"#, true),
        (#"{"a":[{"exists":false},{"exists":true}]}"#, #"{"a":1}"#, true),
        // A leaf over an object, an object over a leaf.
        (#"{"a":["x"]}"#, #"{"a":{"a":"x"}}"#, false), (#"{"a":{"b":["x"]}}"#, #"{"a":"x"}"#, false),
        (#"{"a":["x"]}"#, #"{"a":[{"a":"x"},"x"]}"#, true), (#"{"a":["x"]}"#, #"[{"a":"x"}]"#, false),
        (#"{"":{"":["x"]}}"#, #"{"":[{"":"x"}]}"#, true),
        // Arrays, also in arrays; one element of each that is shared.
        (#"{"a":["x"]}"#, #"{"a":[[["y"],["x"]]]}"#, true),
        (#"{"a":{"b":[1],"c":[2]}}"#, #"{"a":[{"b":1},{"c":2}]}"#, false),
        (#"{"a":{"b":[1],"c":[2]}}"#, #"{"a":[[{"b":1}],[{"b":1,"c":2}]]}"#, true),
        (#"{"a":{"b":[1],"c":[2]}}"#, #"{"a":[[{"b":1},{"c":2}]]}"#, false),
        (#"{"a":{"b":[1],"c":[2]}}"#, #"{"a":{"b":[0,1],"c":[2,3]}}"#, true),
        (#"{"a":{"b":{"c":[1]},"d":[2]}}"#, #"{"a":[{"b":[{"c":0},{"c":1}],"d":[2]}]}"#, true),
        (#"{"a":{"b":{"c":[1],"e":[3]},"d":[2]}}"#, #"{"a":[{"b":[{"c":1},{"e":3}],"d":2}]}"#, false),
        (#"{"a":{"b":[1]},"c":{"b":[2]}}"#, #"{"a":[{"b":0},{"b":1}],"c":[{"b":2},{"b":1}]}"#, true),
        (#"{"a":{"b":[1],"c":[{"exists":false}]}}"#, #"{"a":[{"b":1},{"c":2}]}"#, false),
        (#"{"a":{"b":[1],"c":[2,{"exists":false}]}}"#, #"{"a":[{"b":1},{"b":3}]}"#, true),
        // anything-but: a value is there and is none of them; one element that differs is enough.
        (#"{"a":[{"anything-but":"x"}]}"#, #"{"a":[]}"#, false),
        (#"{"a":[{"anything-but":"x"}]}"#, #"{"a":{}}"#, false),
        (#"{"a":[{"anything-but":"x"}]}"#, #"{"a":["x","x"]}"#, false),
        (#"{"a":[{"anything-but":"x"}]}"#, #"{"a":["x",null]}"#, true),
        (#"{"a":[{"anything-but":1}]}"#, #"{"a":"1"}"#, true),
        (#"{"a":[{"anything-but":1}]}"#, #"{"a":1.0}"#, false),
        (#"{"a":[{"anything-but":[1,2]}]}"#, #"{"a":2e0}"#, false),
        (#"{"a":[{"anything-but":[1,2]}]}"#, #"{"a":true}"#, true),
        (#"{"a":[{"anything-but":12345678901234567890}]}"#, #"{"a":12345678901234567891}"#, true),
        (#"{"a":[{"anything-but":{"prefix":"x"}}]}"#, #"{"a":7}"#, true),
        (#"{"a":[{"anything-but":{"prefix":["x","y"]}}]}"#, #"{"a":"yz"}"#, false),
        (#"{"a":[{"anything-but":{"suffix":"z"}}]}"#, #"{"a":"yz"}"#, false),
        (#"{"a":[{"anything-but":{"suffix":["z"]}}]}"#, #"{"a":null}"#, true),
        (#"{"a":[{"anything-but":{"wildcard":["a*c","*"]}}]}"#, #"{"a":""}"#, false),
        (#"{"a":[{"anything-but":{"wildcard":"a*c"}}]}"#, #"{"a":"acd"}"#, true),
        (#"{"a":[{"anything-but":{"equals-ignore-case":["ÄB","x"]}}]}"#, #"{"a":"äb"}"#, false),
        (#"{"a":[{"anything-but":{"equals-ignore-case":"x"}}]}"#, #"{"a":["X","y"]}"#, true),
        (#"{"a":[{"anything-but":[""]}]}"#, #"{"a":""}"#, false),
        // Texts: by bytes, escapes resolved.
        (#"{"a":[{"prefix":""}]}"#, #"{"a":""}"#, true), (#"{"a":[{"suffix":""}]}"#, #"{"a":null}"#, false),
        (#"{"a":[{"prefix":"é"}]}"#, #"{"a":"\u00e9t"}"#, true),
        (#"{"a":["é"]}"#, "{\"a\":\"e\u{301}\"}", false),
        (#"{"a":["\ud83d\ude00"]}"#, #"{"\u0061":"😀"}"#, true), (#"{"a":["a/b"]}"#, #"{"a":"a\/b"}"#, true),
        (#"{"a":[{"suffix":"b"}]}"#, #"{"a":"\u0061\u0062"}"#, true),
        (#"{"a":[{"prefix":"ab"}]}"#, #"{"a":"a"}"#, false),
        (#"{"a":["x"],"b":["y"]}"#, #"{"b":"y","a":"x"}"#, true),
        (#"{"a":[{"equals-ignore-case":""}]}"#, #"{"a":""}"#, true),
        (#"{"a":[{"equals-ignore-case":"STRASSE"}]}"#, #"{"a":"straße"}"#, false),
        (#"{"a":[{"equals-ignore-case":"ẞ"}]}"#, #"{"a":"ß"}"#, true),
        (#"{"a":[{"equals-ignore-case":"ΣΑΣ"}]}"#, #"{"a":"σας"}"#, true),
        (#"{"a":[{"equals-ignore-case":"ı"}]}"#, #"{"a":"I"}"#, false),
        (#"{"a":[{"equals-ignore-case":"İ"}]}"#, #"{"a":"i"}"#, false),
        (#"{"a":[{"equals-ignore-case":"K"}]}"#, "{\"a\":\"\u{212A}\"}", true),
        (#"{"a":[{"equals-ignore-case":"s"}]}"#, #"{"a":"ſ"}"#, true),
        (#"{"a":[{"prefix":{"equals-ignore-case":"ÄB"}}]}"#, #"{"a":"äbc"}"#, true),
        (#"{"a":[{"suffix":{"equals-ignore-case":"BC"}}]}"#, #"{"a":"Äbc"}"#, true),
        (#"{"a":[{"suffix":{"equals-ignore-case":""}}]}"#, #"{"a":"x"}"#, true),
        (#"{"a":[{"prefix":{"equals-ignore-case":""}}]}"#, #"{"a":1}"#, false),
        // Wildcards.
        (#"{"a":[{"wildcard":"*"}]}"#, #"{"a":""}"#, true),
        (#"{"a":[{"wildcard":"*"}]}"#, #"{"a":1}"#, false),
        (#"{"a":[{"wildcard":""}]}"#, #"{"a":""}"#, true),
        (#"{"a":[{"wildcard":"a*a"}]}"#, #"{"a":"a"}"#, false),
        (#"{"a":[{"wildcard":"a*a"}]}"#, #"{"a":"aa"}"#, true),
        (#"{"a":[{"wildcard":"*a*"}]}"#, #"{"a":"bab"}"#, true),
        (#"{"a":[{"wildcard":"*ab*ba*"}]}"#, #"{"a":"aba"}"#, false),
        (#"{"a":[{"wildcard":"a?c"}]}"#, #"{"a":"abc"}"#, false),
        (#"{"a":[{"wildcard":"a?c"}]}"#, #"{"a":"a?c"}"#, true),
        (#"{"a":[{"wildcard":"\\*"}]}"#, #"{"a":"x"}"#, false),
        (#"{"a":[{"wildcard":"\\**"}]}"#, #"{"a":"*x"}"#, true),
        (#"{"a":[{"wildcard":"*\\*"}]}"#, #"{"a":"x*"}"#, true),
        (#"{"a":[{"wildcard":"\\\\*"}]}"#, #"{"a":"\\x"}"#, true),
        (#"{"a":[{"wildcard":"*\\\\\\*"}]}"#, #"{"a":"x\\*"}"#, true),
        (#"{"a":[{"wildcard":"*.a*.b"}]}"#, #"{"a":".a.b.a.b"}"#, true),
        (#"{"a":[{"wildcard":"A*"}]}"#, #"{"a":"ab"}"#, false),
        // $or: at any level, nested, with what stands beside it.
        (#"{"$or":[{"a":[1]},{"b":[1]}]}"#, #"{"b":1}"#, true),
        (#"{"a":{"$or":[{"b":[1]},{"c":[1]}]}}"#, #"{"a":{"c":1}}"#, true),
        (#"{"a":{"x":[0],"$or":[{"b":[1]},{"c":[1]}]}}"#, #"{"a":[{"x":0},{"c":1}]}"#, false),
        (#"{"a":{"x":[0],"$or":[{"b":[1]},{"c":[1]}]}}"#, #"{"a":[{"x":1,"b":1},{"x":0,"c":1}]}"#, true),
        (#"{"$or":[{"$or":[{"a":[1]},{"b":[1]}]},{"c":[1]}]}"#, #"{"b":1}"#, true),
        (#"{"a":[{"anything-but":"z"}],"$or":[{"a":["x"]},{"a":["y"]}]}"#, #"{"a":"y"}"#, true),
        (#"{"a":["x"],"$or":[{"a":["y"]},{"a":["z"]}]}"#, #"{"a":["x","z"]}"#, true),
        (#"{"$or":[{"a":[{"exists":false}]},{"a":[{"prefix":"x"}]}]}"#, #"{"a":"y"}"#, false),
        (#"{"$or":[{"a":[{"exists":false}]},{"b":[{"exists":false}]}]}"#, #"{"a":"y"}"#, true),
        (#"{"$or":[{"a":[{"exists":false}]},{"b":[{"exists":false}]}]}"#, #"{"a":"y","b":1}"#, false),
        // A name that an event repeats has its last value.
        (#"{"a":["x"]}"#, #"{"a":"x","a":"y"}"#, false),
        (#"{"a":[{"exists":false}]}"#, #"{"a":"x","a":{}}"#, true),
        (#"{"a":[{"exists":false}]}"#, #"{"a":{},"\u0061":1}"#, false),
        (#"{"a":{"b":["x"]}}"#, #"{"a":{"b":"x"},"a":{}}"#, false),
    ])
    func holds(_ pattern: String, _ event: String, _ wanted: Bool) throws {
        #expect(try verdict(pattern, event) == wanted, "\(pattern) \(event)")
    }

    @Test(arguments: [
        #"[]"#, #""x""#, #"{}"#, #"{"a":{}}"#, #"{"a":[]}"#, #"{"a":1}"#, #"{"a":null}"#, #"{"a":[[]]}"#,
        #"{"a":[{}]}"#,
        #"{"a":["x",{"exact":"y"}]}"#, #"{"a":[{"exactly":"y"}]}"#, #"{"a":[{"prefix":"x","suffix":"y"}]}"#,
        #"{"a":[{"prefix":"x","prefix":"y"}]}"#, #"{"a":[{"prefix":1}]}"#,
        #"{"a":[{"prefix":{"wildcard":"x"}}]}"#,
        #"{"a":[{"prefix":{}}]}"#, #"{"a":[{"suffix":null}]}"#,
        #"{"a":[{"suffix":{"equals-ignore-case":1}}]}"#,
        #"{"a":[{"equals-ignore-case":{"prefix":"x"}}]}"#, #"{"a":[{"wildcard":1}]}"#,
        #"{"a":[{"wildcard":["x"]}]}"#,
        #"{"a":[{"wildcard":"a**b"}]}"#, #"{"a":[{"wildcard":"a\\"}]}"#, #"{"a":[{"wildcard":"\\?"}]}"#,
        #"{"a":[{"anything-but":null}]}"#, #"{"a":[{"anything-but":true}]}"#, #"{"a":[{"anything-but":[]}]}"#,
        #"{"a":[{"anything-but":[null]}]}"#, #"{"a":[{"anything-but":[["x"]]}]}"#,
        #"{"a":[{"anything-but":{}}]}"#,
        #"{"a":[{"anything-but":{"numeric":["=",1]}}]}"#, #"{"a":[{"anything-but":{"prefix":[]}}]}"#,
        #"{"a":[{"anything-but":{"prefix":["x",""]}}]}"#, #"{"a":[{"anything-but":{"suffix":""}}]}"#,
        #"{"a":[{"anything-but":{"wildcard":["a**"]}}]}"#,
        #"{"a":[{"anything-but":{"equals-ignore-case":[1]}}]}"#,
        #"{"a":[{"anything-but":{"prefix":"x","suffix":"y"}}]}"#,
        #"{"a":[{"anything-but":{"anything-but":"x"}}]}"#,
        #"{"a":[{"anything-but":{"exists":true}}]}"#,
        #"{"a":[{"anything-but":{"prefix":{"equals-ignore-case":"x"}}}]}"#,
        #"{"a":[{"numeric":[]}]}"#, #"{"a":[{"numeric":[">"]}]}"#, #"{"a":[{"numeric":[">","5"]}]}"#,
        #"{"a":[{"numeric":["!=",5]}]}"#, #"{"a":[{"numeric":["==",5]}]}"#, #"{"a":[{"numeric":[5,">"]}]}"#,
        #"{"a":[{"numeric":[">",1,">",2]}]}"#, #"{"a":[{"numeric":["=",1,"<",2]}]}"#,
        #"{"a":[{"numeric":[">",5,"<",5]}]}"#,
        #"{"a":[{"numeric":[">=",5,"<=",5]}]}"#, #"{"a":[{"numeric":[">",5,"<",1]}]}"#,
        #"{"a":[{"numeric":[">",1,"<"]}]}"#,
        #"{"a":[{"numeric":[">",1,"<",5,"<",6]}]}"#, #"{"a":[{"numeric":{"=":1}}]}"#,
        #"{"a":[{"numeric":5}]}"#,
        #"{"a":[{"cidr":["10.0.0.0/8"]}]}"#, #"{"a":[{"cidr":"10.0.0.0"}]}"#, #"{"a":[{"exists":null}]}"#,
        #"{"a":[{"exists":1}]}"#,
        #"{"$or":[]}"#, #"{"$or":{"a":[1]}}"#, #"{"$or":[{"a":[1]},{}]}"#, #"{"$or":[{"a":[1]},[]]}"#,
        #"{"$or":[{"a":[1]},{"b":1}]}"#,
        #"{"$or":[{"a":[1]},{"exists":[true]}]}"#, #"{"$or":[{"a":[1]},{"numeric":[">",1]}]}"#,
        #"{"$or":[{"a":[1]},"b"]}"#,
        #"{"a":{"$or":[{"b":[1]}]}}"#, #"{"a":[1],"\u0061":[2]}"#, #"{"a":{"b":[1],"b":[2]}}"#,
        #"{"$or":[{"a":[1]},{"b":[1]}],"$or":[{"a":[1]},{"b":[1]}]}"#,
    ])
    func refuses(_ pattern: String) throws {
        let value = try JSONDocument(pattern).root
        let error = try #require(throws: LanguageProblems.self) { try Pattern(value) }
        // One mistake is one problem.
        #expect(error.problems.count == 1, "\(error)")
    }
}
