import Foundation
import JSON
import Testing

@testable import Config

@Suite struct ConfigSchemaTests {
    /// `UPDATE_GENERATED=1 swift test --filter ConfigSchemaTests` writes the files anew.
    private static let isUpdating = ProcessInfo.processInfo.environment["UPDATE_GENERATED"] == "1"

    @Test func theCommittedSchemaIsTheGeneratedOne() throws {
        if Self.isUpdating { try write(ConfigSchema.json, to: "sinks.schema.json") }
        #expect(try Fixture.committed("sinks.schema.json") == ConfigSchema.json)
        _ = try JSONDocument(ConfigSchema.json)
    }

    @Test func theReferencePageIsTheGeneratedOne() throws {
        let name = "docs/CONFIGURATION.md"
        let mark = "<!-- generated from the code: ConfigReference -->\n"
        var page = try Fixture.committed(name)
        let head = try #require(page.firstRange(of: mark))
        if Self.isUpdating {
            page = page[..<head.upperBound] + "\n" + ConfigReference.markdown
            try write(page, to: name)
        }
        #expect(page[head.upperBound...] == "\n" + ConfigReference.markdown)
    }

    @Test func theSchemaAcceptsTheExample() throws {
        let validator = try JSONSchemaValidator(ConfigSchema.json)
        #expect(try validator.accepts(Fixture.committed("sinks.example.json")))
        #expect(try validator.accepts(Fixture.everything))
        #expect(validator.unknownKeywords.isEmpty)
    }

    @Test func theFixtureUsesEveryKey() throws {
        func check(_ fields: [FieldDescription], in path: String) {
            for field in fields where field.name != "type" {
                #expect(Fixture.everything.contains("\"\(field.name)\""), "\(path)\(field.name)")
                check(field.members, in: "\(path)\(field.name).")
            }
        }
        check(RootKeys.shape.members, in: "")
    }

    /// What the loader's decoding refuses the schema refuses, and the other way round.
    ///
    /// In a file that uses every key, each value is exchanged by one of every kind, each key left out, and
    /// unknown ones are added.
    @Test func schemaAndLoaderAgreeOnEveryMutation() throws {
        let validator = try JSONSchemaValidator(ConfigSchema.json)
        let mutations = Mutations(document: try JSONDocument(Fixture.everything))
        var refused = 0
        var accepted = 0
        for (pointer, value) in mutations.places where !isFreeForm(pointer) && !isRepeated(pointer) {
            var texts = ["null", "true", "3", "\"\"", "\"a b\"", "[]", "{}"]
            if value.kind == .number { texts += ["0", "1.5", "8.0", "-1", "1e99"] }
            if value.kind == .array { texts += ["[[]]", "[\"x\", \"x\"]"] }
            if value.kind == .string, !isTyped(pointer) { texts += ["\"\\n\"", "\"${env:OLD_SECRET}\""] }
            texts += value.members.map { Mutations.object(value, without: $0.name.string) }
            if value.kind == .object { texts.append(Mutations.object(value, adding: "unheard of")) }
            for text in texts {
                let mutant = mutations.replacing(value, by: text)
                let document = try JSONDocument(mutant)
                let isAccepted = try validator.accepts(document.root)
                let issues = decodingIssues(document)
                #expect(isAccepted == issues.isEmpty, "\(pointer) = \(text): \(issues)")
                if isAccepted { accepted += 1 } else { refused += 1 }
            }
        }
        #expect(refused > 500)
        #expect(accepted > 100)
    }

    /// Patterns and mappings have languages of their own, which a schema cannot check.
    private func isFreeForm(_ pointer: JSONPointer) -> Bool {
        let steps = pointer.steps
        return steps.contains { ["where", "all", "any", "none"].contains($0) && steps.first == "rules" }
            || steps.contains("body") || (steps.contains("columns") && steps.last == "value")
    }

    /// One element of a list, one header's and one sink's keys stand for the others.
    private func isRepeated(_ pointer: JSONPointer) -> Bool {
        pointer.steps.contains { $0 == "log" } || pointer.steps.contains { Int($0).map { $0 > 0 } ?? false }
            || pointer.description.hasPrefix("/admin/tls")
    }

    /// A sink's type takes no references, and a duplicate key is no matter of a schema.
    private func isTyped(_ pointer: JSONPointer) -> Bool { pointer.steps.last == "type" }

    private func decodingIssues(_ document: JSONDocument) -> [ConfigIssue] {
        let context = LoadContext(
            document: document,
            file: "sinks.json",
            directory: Fixture.directory,
            surroundings: ConfigSurroundings(
                // Whatever a reference becomes fits where it stands.
                variable: { Fixture.everythingVariables[$0] },
                read: Fixture.surroundings(files: Fixture.everythingFiles).read)
        )
        _ = RootKeys.shape.decode(ConfigNode(value: document.root, pointer: .root), context)
        return context.issues.filter { !$0.message.contains("references replaced") }
    }

    private func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: Fixture.packageRoot.appendingPathComponent(name))
    }
}
