import Foundation
import Rules
import Testing

/// The examples of `docs/RULES.md` are true.
@Suite struct RulesDocumentTests {
    @Test func everyExampleHolds() throws {
        let package = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let text = try String(contentsOf: package.appending(path: "docs/RULES.md"), encoding: .utf8)
        var isCase = false
        var count = 0
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("```") {
                isCase = line == "```jsonl"
            } else if isCase {
                count += 1
                let result = RuleCaseRunner().run(Array(line.utf8))
                #expect(result.passes, "\(result.id ?? ""): \(result.failure?.description ?? "")")
            }
        }
        #expect(count > 40)
    }
}
