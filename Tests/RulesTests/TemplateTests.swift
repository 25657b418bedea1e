import JSON
import Rules
import Testing

@Suite struct TemplateTests {
    static let document = #"""
        {"event":{"uuid":"e-1","published":"2026-01-31T23:59:58.1234Z",
          "big":12345678901234567890,"price":1.50,
          "target":[{"type":"User","id":"u1","alternateId":"Ann.Lee@Example.com"},
                    {"type":"UserGroup","id":"g1","displayName":"Sales"},
                    {"type":"UserGroup","id":"g2","displayName":"All, of us"}],
          "nothing":null,"empty":"","flag":true,"newline":"a\r\nb","list":[1,[2],{"x":1.0}],"dots":".."},
         "user":{"id":"u/1 ä","login":"ann@example.com","status":"ACTIVE"}}
        """#

    private func render(_ template: String, _ place: Template.Place = .value) throws -> RenderedValue {
        let value = try JSONDocument(template).root
        return try Template(value, place: place).render(JSONDocument(Self.document).root)
    }

    @Test(arguments: [
        (#""{{ $.event.big }}""#, RenderedValue.number("12345678901234567890")),
        (#""{{$.event.price}}""#, .number("1.50")),
        (#""{{ $.event.flag }}""#, .bool(true)),
        (#""{{ $.event.nothing }}""#, .null),
        (#""{{ $.event.absent }}""#, .missing),
        (#""{{ $.event.list }}""#, .json(Array(#"[1,[2],{"x":1.0}]"#.utf8))),
        (#""{{ $.user.login }}""#, .string("ann@example.com")),
        (#""no. {{ $.event.big }}, {{ $.event.price }}""#, .string("no. 12345678901234567890, 1.50")),
        (#""<{{ $.event.absent }}{{ $.event.nothing }}>""#, .string("<>")),
        (#""{{ '{{' }} and }}""#, .string("{{ and }}")),
        (#""plain""#, .string("plain")),
        ("17.0", .number("17.0")),
        ("null", .null),
    ])
    func rendersValues(_ template: String, _ expected: RenderedValue) throws {
        #expect(try render(template) == expected)
    }

    @Test(arguments: [
        (#""{{ $.event.target[?@.type=='User'].id }}""#, RenderedValue.string("u1")),
        (#""{{ $.event.target[?@.type=='UserGroup'].id | first }}""#, .string("g1")),
        (#""{{ $.event.target[?@.type=='UserGroup'].id | all }}""#, .json(Array(#"["g1","g2"]"#.utf8))),
        (#""{{ $.event.target[?@.type=='None'].id | all }}""#, .json(Array("[]".utf8))),
        (#""{{ $.event.target[*].displayName | all | join('; ') }}""#, .string("Sales; All, of us")),
        (#""{{ $.event.target[?@.type=='User' || @.id=='zz'].id }}""#, .string("u1")),
        (#""{{ $.absent | default('x') }}""#, .string("x")),
        (#""{{ $.event.nothing | default(1.0) }}""#, .number("1.0")),
        (#""{{ $.absent | default(null) }}""#, .null),
        (#""{{ $.absent | default({\"a\":{\"b\":[1]}}) }}""#, .json(Array(#"{"a":{"b":[1]}}"#.utf8))),
        (#""{{ $.event.target[0].alternateId | lower | before('@') }}""#, .string("ann.lee")),
        (#""{{ $.event.target[0].alternateId | after('@') | upper }}""#, .string("EXAMPLE.COM")),
        (#""{{ $.user.login | after('#') | default('none') }}""#, .string("none")),
        (#""{{ $.user.login | before('#') }}""#, .string("ann@example.com")),
        (#""{{ $.user.login | split('@') }}""#, .json(Array(#"["ann","example.com"]"#.utf8))),
        (#""{{ $.user.login | split('@') | first }}""#, .string("ann")),
        (#""{{ '  x ' | trim }}""#, .string("x")),
        (#""{{ $.user.status | map({\"ACTIVE\": true, \"X\": 1}) }}""#, .bool(true)),
        (#""{{ $.user.login | map({\"ACTIVE\": true}) }}""#, .missing),
        (#""{{ $.event.published | date }}""#, .string("2026-01-31T23:59:58.123Z")),
        (#""{{ $.event.published | date('date') }}""#, .string("2026-01-31")),
        (#""{{ $.event.published | date('unix') }}""#, .number("1769903998")),
        (#""{{ $.event.published | date('unix_ms') }}""#, .number("1769903998123")),
        (#""{{ '2024-02-29T23:30:00-01:00' | date('%d.%m.%Y %H:%M') }}""#, .string("01.03.2024 00:30")),
        (#""{{ $.event.list | json }}""#, .string(#"[1,[2],{"x":1.0}]"#)),
        (#""{{ $.event.big | string }}""#, .string("12345678901234567890")),
        (#""{{ ' 1.50 ' | number }}""#, .number("1.50")),
    ])
    func filters(_ template: String, _ expected: RenderedValue) throws {
        #expect(try render(template) == expected)
    }

    @Test func leavesOutWhatIsMissing() throws {
        let rendered = try render(
            #"{"a":"{{ $.absent }}","#
                + #""b":["{{ $.absent }}","{{ $.event.nothing }}",{"c":"{{ $.absent }}"}],"d":1.0}"#
        )
        #expect(rendered == .json(Array(#"{"b":[null,{}],"d":1.0}"#.utf8)))
    }

    @Test func keepsConstantsAsTheyAreWritten() throws {
        let text = #"{ "a" : [1.0, "é"] }"#
        let template = try Template(JSONDocument(text).root, place: .value)
        #expect(template.isConstant)
        #expect(try render(text) == .json(Array(text.utf8)))
    }

    @Test func encodesEveryValueInAURL() throws {
        #expect(
            try render(#""https://crm/contacts/{{ $.user.id }}?q={{ $.event.flag }}""#, .url)
                == .string("https://crm/contacts/u%2F1%20%C3%A4?q=true"))
    }

    @Test(arguments: ["$.absent", "$.event.nothing", "$.event.empty", "$.event.list", "$.event.dots"])
    func refusesAURLWithout(_ path: String) {
        #expect(throws: TemplateError.self) { try render("\"https://crm/contacts/{{ \(path) }}\"", .url) }
    }

    @Test func keepsHeadersWhole() throws {
        #expect(try render(#""Bearer {{ $.user.login }}""#, .header) == .string("Bearer ann@example.com"))
        #expect(try render(#""x {{ $.absent }}""#, .header) == .missing)
        #expect(try render(#""{{ $.event.nothing }}""#, .header) == .missing)
        #expect(throws: TemplateError.self) { try render(#""x {{ $.event.newline }}""#, .header) }
        #expect(throws: TemplateError.self) { try render(#""{{ $.event.list }}""#, .header) }
        #expect(throws: LanguageProblems.self) { try render(#""a\nb""#, .header) }
    }

    @Test func errorsNamePathsAndNeverValues() throws {
        let error = try #require(throws: TemplateError.self) {
            try render(#""{{ $.event.target[*].id }}""#)
        }
        #expect(error.description.contains("$['event']['target'][1]['id']"))
        #expect(!error.description.contains("g1"))
        let refusal = try #require(throws: TemplateError.self) {
            try render(#""{{ $.user.login | number }}""#)
        }
        #expect(refusal.description == "$.user.login | number: takes a number or a text that is one")
    }

    @Test(arguments: [
        #""{{ $.a""#, #""{{ }}""#, #""{{ a }}""#, #""{{ $.a | nope }}""#, #""{{ $.a | lower('x') }}""#,
        #""{{ $.a | lower | all }}""#, #""{{ $.a | split('') }}""#, #""{{ $.a | split }}""#,
        #""{{ $.a | date('%Q') }}""#, #""{{ $.a | map(1) }}""#, #""{{ $.a | default }}""#,
        #""{{ $.a | default(x) }}""#, #""{{ $.a lower }}""#, #"{"{{ $.a }}":1}"#, #"{"a":1,"a":2}"#,
        #""{{ $.a | lower x }}""#,
    ])
    func refuses(_ template: String) throws {
        let value = try JSONDocument(template).root
        #expect(throws: LanguageProblems.self) { try Template(value, place: .value) }
    }

    @Test func reportsAllMistakesAtOnce() throws {
        let value = try JSONDocument(#"{"a":"{{ $.x | lowr }}","b":["{{ $[ }}"]}"#).root
        let error = try #require(throws: LanguageProblems.self) { try Template(value, place: .value) }
        #expect(error.problems.map(\.pointer.description) == ["/a", "/b/0"])
        #expect(error.problems[0].message.contains("did you mean \"lower\"?"))
    }
}
