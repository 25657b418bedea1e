import JSON
import Rules
import Testing

@Suite(.enabled(if: SharedCases.areHere, "\(SharedCases.whyNot)")) struct SharedCasesTests {
    @Test(arguments: ["cases.jsonl", "random.jsonl", "sets.jsonl", "validity.jsonl"])
    func everyLinePasses(_ file: String) throws {
        let lines = try SharedCases.lines(file)
        #expect(!lines.isEmpty)
        let runner = RuleCaseRunner()
        let failures = lines.map(runner.run).filter { !$0.passes }
        let texts = failures.prefix(8).map { "\($0.id ?? ""): \($0.failure?.description ?? "")" }
        #expect(failures.isEmpty, "\(failures.count) fail: \(texts)")
    }
}
