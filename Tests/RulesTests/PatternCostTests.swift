import JSON
import Rules
import Testing

/// What a value costs inside one pattern: not the length of the list that it is held against.
@Suite(.serialized) struct PatternCostTests {
    /// Lists of one sort, and values that are in none of them.
    enum Sort: CaseIterable {
        case texts, folded, prefixes, suffixes, foldedSuffixes, numbers, bigNumbers, anythingBut, addresses
        /// Alternatives of `$or` that are but one condition, and such that are two.
        case alternatives, pairs
    }

    private static func pattern(_ sort: Sort, _ count: Int) -> String {
        func list(_ entry: (Int) -> String) -> String {
            "[" + (0..<count).map(entry).joined(separator: ",") + "]"
        }
        return switch sort {
        case .texts: "{\"a\":\(list { "\"s\($0)\"" })}"
        case .folded: "{\"a\":\(list { "{\"equals-ignore-case\":\"ä\($0)\"}" })}"
        case .prefixes: "{\"a\":\(list { "{\"prefix\":\"s\($0)-\"}" })}"
        case .suffixes: "{\"a\":\(list { "{\"suffix\":\"-\($0)\"}" })}"
        case .foldedSuffixes: "{\"a\":\(list { "{\"suffix\":{\"equals-ignore-case\":\"-\($0)\"}}" })}"
        case .numbers: "{\"n\":\(list { "\($0).5" })}"
        case .bigNumbers: "{\"n\":\(list { "1234567890123456789\($0)" })}"
        case .anythingBut: "{\"s\":[{\"anything-but\":\(list { "\"s\($0)\"" })}]}"
        case .addresses: "{\"a\":\(list { "{\"cidr\":\"10.\($0 / 250).\($0 % 250).0/24\"}" })}"
        case .alternatives: "{\"t\":{\"x\":[1],\"$or\":\(list { "{\"y\":[\"\($0)\"]}" })}}"
        case .pairs: "{\"t\":{\"x\":[1],\"$or\":\(list { "{\"y\":[\"\($0)\"],\"z\":[\($0)]}" })}}"
        }
    }

    private static let event: String = {
        func list(_ entry: (Int) -> String) -> String {
            "[" + (0..<100).map(entry).joined(separator: ",") + "]"
        }
        let fields = [
            ("a", list { "\"Ö q\($0)\"" }), ("n", list { "\($0)" }), ("s", list { "\"s\($0 % 10)\"" }),
            ("t", list { "{\"x\":1,\"y\":\"q\($0)\",\"z\":0}" }),
        ]
        return "{" + fields.map { "\"\($0)\":\($1)" }.joined(separator: ",") + "}"
    }()

    private static func cost(_ pattern: String, _ event: String) throws -> Duration {
        let pattern = try Pattern(JSONDocument(pattern).root)
        let event = try JSONDocument(event).root
        #expect(!pattern.matches(event))
        return (0..<5).map { _ in ContinuousClock().measure { _ = pattern.matches(event) } }.min() ?? .zero
    }

    @Test(arguments: Sort.allCases) func doesNotGrowWithTheList(_ sort: Sort) throws {
        let few = try Self.cost(Self.pattern(sort, 10), Self.event)
        let many = try Self.cost(Self.pattern(sort, 1_000), Self.event)
        #expect(many < few * 20, "\(sort): \(few) with 10 entries, \(many) with 1,000")
    }

    /// Text times piece would be a hundred times as much.
    @Test func aLongPieceOfAWildcardIsSearchedInLinearTime() throws {
        func cost(_ length: Int) throws -> Duration {
            let piece = String(repeating: "a", count: length)
            return try Self.cost(
                "{\"a\":[{\"wildcard\":\"*\(piece)b*\"}]}",
                "{\"a\":\"\(String(repeating: "a", count: 10_000))\"}")
        }
        let short = try cost(40)
        let long = try cost(4_000)
        #expect(long < short * 10, "\(short) with 40 characters, \(long) with 4,000")
    }

    @Test func whatCannotBeLookedUpIsBounded() throws {
        let wildcards = (0...Pattern.wildcardsMax).map { "\"*\($0)*\"" }.joined(separator: ",")
        #expect(throws: LanguageProblems.self) {
            try Pattern(JSONDocument("{\"a\":[{\"anything-but\":{\"wildcard\":[\(wildcards)]}}]}").root)
        }
        let alternatives = (0...Pattern.alternativesMax).map { "{\"a\":[\($0)],\"b\":[\($0)]}" }
            .joined(separator: ",")
        #expect(throws: LanguageProblems.self) {
            try Pattern(JSONDocument("{\"$or\":[\(alternatives)]}").root)
        }
        // Alternatives on one field are one list, however many.
        let values = (0...Pattern.alternativesMax).map { "{\"a\":[\($0)]}" }.joined(separator: ",")
        let pattern = try Pattern(JSONDocument("{\"b\":[1],\"$or\":[\(values)]}").root)
        #expect(pattern.matches(try JSONDocument(#"{"b":1,"a":1000}"#).root))
    }

    /// A long list, and a long `$or`, say what their entries say one by one.
    @Test(arguments: [1, 2, 3] as [UInt64])
    func aLongListIsTheUnionOfItsEntries(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        func text() -> String {
            (0..<Int.random(in: 0...3, using: &generator))
                .map { _ in ["a", "B", "b", "ä", "Ä", "1"][Int.random(in: 0..<6, using: &generator)] }
                .joined()
        }
        func entry() -> String {
            let text = "\"\(text())\""
            let number = Int.random(in: -3...3, using: &generator)
            return switch Int.random(in: 0..<13, using: &generator) {
            case 0: text
            case 1: "{\"prefix\":\(text.dropLast())a\"}"
            case 2: "{\"suffix\":\(text.dropLast())b\"}"
            case 3: "{\"equals-ignore-case\":\(text)}"
            case 4: "{\"prefix\":{\"equals-ignore-case\":\(text.dropLast())ä\"}}"
            case 5: "{\"suffix\":{\"equals-ignore-case\":\(text.dropLast())b\"}}"
            case 6: "{\"wildcard\":\"a*\(text.dropFirst())}"
            case 7: "\(number)"
            case 8: "{\"numeric\":[\"=\",\(number)]}"
            case 9: "1234567890123456789\(abs(number))"
            case 10: "{\"cidr\":\"10.0.\(abs(number)).0/24\"}"
            case 11: ["null", "true", "false"][abs(number) % 3]
            default: "{\"exists\":false}"
            }
        }
        var matches = 0
        for _ in 0..<300 {
            let entries = (0..<12).map { _ in entry() }
            let value =
                switch Int.random(in: 0..<8, using: &generator) {
                case 0: "{}"
                case 1: "{\"a\":12345678901234567892}"
                case 2: "{\"a\":\"10.0.2.7\"}"
                case 3: "{\"a\":\(Int.random(in: -5...5, using: &generator)).0}"
                case 4: "{\"a\":null}"
                default: "{\"a\":[\"\(text())\",\"\(text())\"]}"
                }
            let event = try JSONDocument(value).root
            let wanted = try entries.contains { entry in
                try Pattern(JSONDocument("{\"a\":[\(entry)]}").root).matches(event)
            }
            let list = try Pattern(JSONDocument("{\"a\":[\(entries.joined(separator: ","))]}").root)
            #expect(list.matches(event) == wanted, "\(entries) \(value)")
            let both = entries.map { "{\"a\":[\($0)],\"b\":[{\"exists\":false}]}" }.joined(separator: ",")
            let alternatives = try Pattern(JSONDocument("{\"$or\":[\(both)]}").root)
            #expect(alternatives.matches(event) == wanted, "\(entries) \(value)")
            if wanted { matches += 1 }
        }
        #expect((30...290).contains(matches), "\(matches)")
    }
}
