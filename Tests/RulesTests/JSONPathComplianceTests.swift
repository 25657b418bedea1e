import JSON
import Rules
import Testing

@Suite(.enabled(if: SharedCases.areHere, "\(SharedCases.whyNot)")) struct JSONPathComplianceTests {
    /// RFC 9535's own suite, where it lies beside the project.
    @Test func passesTheComplianceSuite() throws {
        let tests = try #require(JSONDocument(SharedCases.bytes("jsonpath-cts.json")).root["tests"])
        var failures: [String] = []
        for test in tests.elements {
            let name = test["name"]?.string ?? ""
            var line = JSONWriter()
            line.object { line in
                line.member("id", name)
                for (from, to) in [
                    ("selector", "path"), ("document", "document"), ("result", "result"),
                    ("results", "results"),
                ] {
                    if let value = test[from] { line.member(to, raw: value.raw) }
                }
                if test["invalid_selector"]?.bool == true { line.member("valid", false) }
            }
            let result = RuleCaseRunner().run(line.bytes)
            if let difference = result.failure?.description { failures.append("\(name): \(difference)") }
        }
        #expect(failures.isEmpty, "\(failures.count) fail: \(failures.prefix(10))")
    }
}
