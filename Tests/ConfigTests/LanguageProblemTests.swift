import JSON
import Rules
import Testing

@testable import Config

/// What a pattern or a template objects to becomes issues at their places, and never tells a replaced value.
@Suite struct LanguageProblemTests {
    private func context(_ text: String) throws -> LoadContext {
        LoadContext(
            document: try JSONDocument(text), file: "sinks.json", directory: "/srv/relay",
            surroundings: Fixture.surroundings(variables: ["S": "s3cr3t!"]))
    }

    /// A language that has no exclamation marks, and quotes what it objects to.
    private static let plain: LanguageCompiler<Int> = { value, _ throws(LanguageProblems) in
        var problems: [LanguageProblem] = []
        for (name, member) in value.members {
            guard let text = member.string, text.contains("!") else { continue }
            problems.append(
                LanguageProblem(
                    pointer: .root.appending(name.string ?? ""), offset: member.offset,
                    message: "no exclamation marks: \(text)"))
        }
        if !problems.isEmpty { throw LanguageProblems(problems) }
        return 1
    }

    @Test func allProblemsAreReportedAtTheirPlaces() throws {
        let context = try context(
            "{\n \"x\": {\n  \"a\": \"!\",\n  \"b\": \"fine\",\n  \"c\": \"no!\"\n }\n}")
        let value = try #require(context.document.root["x"])
        let node = ConfigNode(value: value, pointer: .root.appending("x"))
        #expect(context.compile(node, Self.plain) == nil)
        #expect(
            context.issues.map(\.description) == [
                "sinks.json:3:8: error: /x/a: no exclamation marks: !",
                "sinks.json:5:8: error: /x/c: no exclamation marks: no!",
            ])
        #expect(context.isBad(.root.appending("x")))
    }

    @Test func aReplacedValueIsNotQuoted() throws {
        let context = try context(#"{ "a": "${env:S}" }"#)
        #expect(context.compile(ConfigNode(value: context.document.root, pointer: .root), Self.plain) == nil)
        #expect(context.issues.count == 1)
        #expect(context.issues.allSatisfy { !$0.description.contains("s3cr3t") })
    }

    @Test func ownMistakesBesideAReplacedValueAreQuoted() throws {
        let context = try context(#"{ "a": "${env:S}", "b": "b!" }"#)
        #expect(context.compile(ConfigNode(value: context.document.root, pointer: .root), Self.plain) == nil)
        #expect(context.issues.map(\.message) == ["no exclamation marks: b!"])
    }

    @Test func unsetReferencesAreKeptInAPartThatIsOff() throws {
        let context = try context(#"{ "a": "${env:UNSET}", "b": [1, { "c": "${file:none}" }] }"#)
        let node = ConfigNode(value: context.document.root, pointer: .root, isDisabled: true)
        #expect(context.compile(node, Self.plain) == 1)
        #expect(context.issues.isEmpty)
    }

    /// What a mapping or a pattern says later on, of an event, quotes the file and not what it became.
    @Test func laterTextsQuoteTheFileToo() throws {
        let text = #"""
            { "sinks": { "crm": {
                "url": "https://x.example/{{ $.event['${env:S}'] }}/{{ $.event.${env:S2} }}" } },
              "where": { "a": ["${env:S}", "b"] } }
            """#
        let context = LoadContext(
            document: try JSONDocument(text), file: "sinks.json", directory: "/srv/relay",
            surroundings: Fixture.surroundings(variables: ["S": "s3cr3t!", "S2": "hidden"]))
        func node(_ names: String...) throws -> ConfigNode {
            try names.reduce(ConfigNode(value: context.document.root, pointer: .root)) { node, name in
                node.member(name, try #require(node.value[name]))
            }
        }
        let url = try #require(Shape<Template?>.urlTemplate.decode(node("sinks", "crm", "url"), context))
        for event in [#"{"event":{}}"#, #"{"event":{"s3cr3t!":"x"}}"#] {
            let error = try #require(throws: TemplateError.self) { try url.render(JSONDocument(event).root) }
            #expect(error.description.contains("${env:S"))
            #expect(!error.description.contains("s3cr3t!") && !error.description.contains("hidden"))
        }
        let pattern = try #require(Shape<Pattern?>.pattern.decode(node("where"), context))
        #expect(pattern.matches(try JSONDocument(#"{"a":"s3cr3t!"}"#).root))
        let mismatch = try #require(pattern.firstMismatch(in: JSONDocument(#"{"a":"x"}"#).root))
        #expect(mismatch.description == #"a is "x", wanted ["${env:S}", "b"]"#)
    }
}
