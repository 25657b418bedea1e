import JSON
import Rules
import Testing

@Suite struct JSONPathTests {
    private static let document = #"""
        {"a":[{"n":1,"s":"x"},{"n":2.0,"s":"yy","t":null},{"n":30}],"b":{"c":{"n":7},"é":"😀"},"d":[],"e":1e2}
        """#

    private func select(_ path: String) throws -> [String] {
        try JSONPath(path).nodes(in: JSONDocument(Self.document).root).map {
            String(decoding: $0.raw, as: UTF8.self)
        }
    }

    @Test(arguments: [
        ("$.a[0].n", ["1"]), ("$['a'][-1]['n']", ["30"]), ("$.a[9]", []), ("$.b['é']", [#""😀""#]),
        (#"$.b["\u00e9"]"#, [#""😀""#]), ("$.b.c.n", ["7"]), ("$.b.*.n", ["7"]),
        ("$..n", ["1", "2.0", "30", "7"]),
        ("$.a[0,2].n", ["1", "30"]), ("$.a[1:].n", ["2.0", "30"]), ("$.a[::-1].n", ["30", "2.0", "1"]),
        ("$.a[:-1].n", ["1", "2.0"]), ("$.a[::0].n", []), ("$.a[?@.n == 2].s", [#""yy""#]),
        ("$.a[?@.n > 1 && !@.t].n", ["30"]), ("$.a[?@.t].n", ["2.0"]), ("$.a[?@.t == null].n", ["2.0"]),
        ("$.a[?@.s >= 'x' || @.n == 30].n", ["1", "2.0", "30"]), ("$.a[?length(@.s) == 2].n", ["2.0"]),
        ("$.a[?count(@.*) == 3].n", ["2.0"]), ("$.a[?match(@.s, 'y{2}|z')].n", ["2.0"]),
        ("$.a[?search(@.s, '[x-z]')].n", ["1", "2.0"]), ("$.a[?match(@.s, '\\\\p{Lu}+')].n", []),
        ("$.a[?value(@..n) == $.b.c.n]", []), ("$.a[?@.missing == @.absent].n", ["1", "2.0", "30"]),
        ("$.d[*]", []), ("$[?@ == 100]", ["1e2"]), ("$.b[?length(@) == 1]", [#"{"n":7}"#, #""😀""#]),
    ])
    func selects(_ path: String, _ expected: [String]) throws {
        #expect(try select(path) == expected)
    }

    @Test(arguments: [
        "", "a", "$.", "$..", "$.1", "$[01]", "$[-0]", "$[9007199254740993]", "$['a]", "$[?@.a", "$ ", " $",
        "$[?@.a=='\\x']", "$[?(@.a)==1]", "$[?@.*==1]", "$[?1]", "$[?length(@.*)==1]", "$[?match(@.a)]",
        "$[?match(@.a,'x')==true]", "$[?count(1)==1]", "$[?lenght(@)==1]", "$[a]", "$['\\ud800']",
        "$[1:2:3:4]",
        "$[?length (@)==1]", "$[?@.a=1]",
    ])
    func refuses(_ path: String) {
        #expect(throws: LanguageProblem.self) { try JSONPath(path) }
    }

    @Test func keepsBigIntegersApart() throws {
        let document = try JSONDocument("[9007199254740993, 9007199254740992]").root
        #expect(try JSONPath("$[?@ == 9007199254740993]").nodes(in: document).count == 1)
        #expect(try JSONPath("$[?@ > 9007199254740992]").nodes(in: document).count == 1)
    }
}
