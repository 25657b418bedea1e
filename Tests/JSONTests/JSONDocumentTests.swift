@testable import JSON
import Testing

@Suite struct JSONDocumentTests {
    @Test(arguments: [
        "null", "true", " false ", "0", "-0", "-1.5e+10", "1E5", #""""#, #""a\"\\\/\b\f\n\r\t\u00e9""#, "[]",
        "{}",
        "[1,[2,[]],{}]", #"{"a":{"b":[{"c":null}]},"a":1}"#, "\n[ 1 , 2 ]\n", #""\ud800""#,
    ])
    func accepts(_ text: String) throws {
        let document = try JSONDocument(text)
        #expect(String(decoding: document.bytes, as: UTF8.self) == text)
    }

    @Test(arguments: [
        "", " ", "nul", "+1", "01", "1.", ".5", "1e", "-", #"""#, #""\x""#, #""\u12g4""#, "\"\u{1}\"", "[1,]",
        "[,1]",
        "[1 2]", #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#, "{a:1}", "[1}", "{]", "1 2", "[", #"{"a":1"#,
        "\u{FEFF}1", "NaN",
    ])
    func refuses(_ text: String) {
        #expect(throws: JSONSyntaxError.self) { try JSONDocument(text) }
    }

    @Test func refusesBytesThatAreNotUTF8() {
        #expect(throws: JSONSyntaxError.self) { try JSONDocument([0x22, 0xC3, 0x28, 0x22]) }
    }

    /// Two documents that are put together have the tape of their text.
    @Test(arguments: [
        ("event", #" {"a":[1,{"b":"\u00e9"}],"c":null} "#, #" {"x":[[true]],"y":{"z":"é"}} "#),
        (#"a"b"#, "[]", #"{"":0}"#), ("n", "-1.5", #"{"n":"x","n":[{}]}"#),
    ])
    func isPutTogether(_ name: String, _ value: String, _ rest: String) throws {
        let made = JSONDocument(name, try JSONDocument(value), before: try JSONDocument(rest))
        let parsed = try JSONDocument(made.bytes)
        #expect(made.root.members.map { $0.name.string } == parsed.root.members.map { $0.name.string })
        #expect(made.root[name] != nil)
        func texts(_ value: JSONValue) -> [String] {
            let inner = value.members.flatMap { texts($0.name) + texts($0.value) }
            return ["\(value.kind) \(String(decoding: value.raw, as: UTF8.self)) \(value.string ?? "")"]
                + inner + value.elements.flatMap(texts)
        }
        #expect(texts(made.root) == texts(parsed.root))
        for limit in 0..<6 { #expect(made.isDeeper(than: limit) == parsed.isDeeper(than: limit)) }
    }

    @Test func boundsNesting() throws {
        let deep = { (levels: Int) in
            String(repeating: "[", count: levels) + String(repeating: "]", count: levels)
        }
        _ = try JSONDocument(deep(JSONDocument.depthMax))
        #expect(throws: JSONSyntaxError.self) { try JSONDocument(deep(JSONDocument.depthMax + 1)) }
        #expect(throws: JSONSyntaxError.self) { try JSONDocument(deep(1_000_000)) }
    }

    @Test func readsStrings() throws {
        #expect(try JSONDocument(#""a\n\u00e9\ud83d\ude00b""#).root.string == "a\né😀b")
        #expect(try JSONDocument(#""\ud83dx\ude00""#).root.string == "\u{FFFD}x\u{FFFD}")
        #expect(
            try JSONDocument(#""abcdefghijklmnop\"qrstuvwxyz""#).root.string == "abcdefghijklmnop\"qrstuvwxyz"
        )
    }

    /// Every kind of character at every place of a word, and strings that end with the text.
    @Test(arguments: ["\\n", "\\\"", "\\u00e9", "é", "😀", "\u{7F}", "\\ud800"])
    func findsTheEndOfAString(_ special: String) throws {
        for before in 0..<18 {
            for after in 0..<18 {
                let tail = String(repeating: "\u{80}", count: after)
                let text = String(repeating: "a", count: before) + special + tail
                let root = try JSONDocument("\"\(text)\"").root
                #expect(root.raw.count == text.utf8.count + 2)
                let array = try JSONDocument("[\"\(text)\",\"\(text)\",1]").root
                #expect(array.elements.map(\.kind) == [.string, .string, .number])
                #expect(array.elements.first { _ in true }?.string == root.string)
            }
        }
    }

    @Test(arguments: [0, 3, 7, 8, 15, 16])
    func refusesWhatAStringMustNotHold(_ before: Int) {
        let start = Array("[\"\(String(repeating: "a", count: before))".utf8)
        let endings: [[UInt8]] = [[0x1F], [0x0A], [0xFF], [0xC3], [0xED, 0xA0, 0x80], [0xC0, 0x80], [0x80]]
        for bad in endings {
            #expect(throws: JSONSyntaxError.self) { try JSONDocument(start + bad + Array("\"]".utf8)) }
            let long = Array("aaaaaaaaaaaaaaaa\"]".utf8)
            #expect(throws: JSONSyntaxError.self) { try JSONDocument(start + bad + long) }
        }
        #expect(throws: JSONSyntaxError(offset: start.count + 1, reason: "the text is not UTF-8")) {
            try JSONDocument(start + [0x61, 0xFF, 0x22, 0x5D])
        }
        #expect(throws: JSONSyntaxError.self) { try JSONDocument([0xC3, 0xA9] + Array("1".utf8)) }
    }

    /// The densest texts there are, for the room that the tape is given.
    @Test func readsTextsOfManySmallValues() throws {
        let ones = "[\(Array(repeating: "1", count: 5_000).joined(separator: ","))]"
        #expect(try JSONDocument(ones).root.elements.reduce(0) { count, _ in count + 1 } == 5_000)
        let deep = String(repeating: "[", count: 256)
        #expect(throws: JSONSyntaxError.self) { try JSONDocument(deep) }
        #expect(throws: JSONSyntaxError.self) { try JSONDocument(deep + "1") }
        let wide = "[\(Array(repeating: "[1]", count: 500).joined(separator: ","))]"
        #expect(try JSONDocument(wide).root.elements.allSatisfy { $0.kind == .array })
        #expect(try JSONDocument(#"{"":{"":{"":0}}}"#).root[""]?[""]?[""]?.int == 0)
    }

    @Test func comparesScalarsAndNotCanonicalEquivalents() throws {
        let composed = try JSONDocument("\"\u{E9}\"").root
        #expect(composed.isString("\u{E9}"))
        #expect(!composed.isString("e\u{301}"))
    }

    @Test func keepsNumberSpelling() throws {
        let root = try JSONDocument("[12345678901234567890, 1.50, 1e2]").root
        #expect(root.elements.map(\.numberText) == ["12345678901234567890", "1.50", "1e2"])
        #expect(root.elements.map(\.int) == [nil, nil, nil])
        #expect(root.elements.map(\.double) == [12345678901234567168, 1.5, 100])
    }

    @Test func walksContainers() throws {
        let root = try JSONDocument(#"{"a":[1,{"b":2}],"c":null,"a":[]}"#).root
        #expect(root.members.map { $0.name.string } == ["a", "c", "a"])
        #expect(root["a"]?.kind == .array)
        #expect(root["a"]?.elements.map(\.offset) == [])
        #expect(root["c"]?.isNull == true)
        #expect(root["d"] == nil)
        #expect(
            Array(root.members)[0].value.elements.map { String(decoding: $0.raw, as: UTF8.self) } == [
                "1", #"{"b":2}"#,
            ])
        #expect(Array(root.elements).isEmpty)
    }

    /// The builder makes room before it knows for how much.
    @Test func keepsNoRoomThatItDoesNotNeed() throws {
        let long = String(repeating: "x", count: 4_000)
        let text = Array(#"{"a":"\#(long)","b":[1,2]}"#.utf8)
        #expect(try JSONDocument(text).tape.capacity > 500)
        let kept = try JSONDocument(text, isKept: true)
        #expect(kept.tape.capacity < 20)
        #expect(4_000..<4_300 ~= kept.footprint)
    }

    @Test func countsLinesAndColumns() throws {
        let document = try JSONDocument("{\n  \"a\": 1\n}")
        let value = try #require(document.root["a"])
        let place = document.place(ofOffset: value.offset)
        #expect(place == (line: 2, column: 8))
    }

    @Test func errorsTellTheirPlace() {
        #expect(throws: JSONSyntaxError(offset: 5, reason: "expected a value")) {
            try JSONDocument(#"{"a":x}"#)
        }
    }
}
