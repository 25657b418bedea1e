import JSON
import Rules
import Testing

/// The lines that people write for `okta-relay test`.
@Suite struct RuleCaseTests {
    private let runner = RuleCaseRunner { (_, _: String?) throws(RuleCaseFailure) in ["crm", "sql"] }

    private func run(_ line: String) -> RuleCaseResult { runner.run(Array(line.utf8)) }

    @Test(arguments: [
        #"{"id":1,"event":{},"sinks":["sql","crm"]}"#,
        #"{"id":"a","event":{},"hook":"okta","sinks":["sql","crm"],"comment":"both"}"#,
        #"{"path":"$.*","document":{"a":1,"b":{"x":1,"y":[2]}},"results":[[1],[1.0,{"y":[2],"x":1e0}]]}"#,
        #"{"path":"$.a","document":{"a":1},"result":[1],"result_paths":["$['a']"],"tags":["x"]}"#,
        #"{"path":"$.a","document":{},"result":[]}"#,
        #"{"path":"$[","document":{},"valid":false}"#,
        #"{"patterns":[{"a":[1]},{"a":[2]},{"a":[{"exists":true}]}],"event":{"a":1},"matches":[2,0]}"#,
        #"{"patterns":[],"event":{"a":1},"matches":[]}"#,
        #"{"pattern":{"a":[1]},"event":[],"match":false}"#,
    ])
    func holds(_ line: String) {
        #expect(run(line).failure?.description == nil)
    }

    @Test(arguments: [
        (#"{"id":"x","event":{},"sinks":["crm","chat"]}"#, "sinks: missing chat; unexpected sql"),
        (#"{"pattern":{"a":[1]},"event":{"a":2},"match":true}"#, "expected a match: a is 2, wanted [1]"),
        (#"{"pattern":{"a":[1]},"event":{"a":1},"match":false}"#, "expected no match, but the event matches"),
        (#"{"pattern":{"a":1},"event":{"a":1},"match":false}"#, "the pattern is not valid: /a: write [1]"),
        (#"{"patterns":[{"a":[1]},{"a":1}],"event":{},"matches":[]}"#, "pattern 1 is not valid"),
        (#"{"patterns":[{"a":[1]}],"event":{"a":1},"matches":[]}"#, "matches: unexpected 0"),
        (#"{"path":"$.a","document":{"a":1},"result":[2]}"#, "expected [2], found [1]"),
        (#"{"path":"$.a","valid":false}"#, "expected to be refused"),
    ])
    func fails(_ line: String, _ difference: String) throws {
        let failure = try #require(run(line).failure)
        #expect(failure.description.hasPrefix(difference), "\(failure)")
        #expect(!failure.isMalformed)
    }

    /// Whatever could pass because nobody looks at it.
    @Test(arguments: [
        ("{", "not JSON"), ("[]", "not an object"), ("{}", "none of the forms"),
        (#"{"id":1}"#, "none of the forms"), (#"{"id":1,"event":{}}"#, "none of the forms"),
        (#"{"id":[],"event":{},"sinks":[]}"#, "\"id\" is a text or a number"),
        ("\u{FEFF}{\"event\":{},\"sinks\":[\"crm\",\"sql\"]}", "byte order mark"),
        (#"{"path":"$.a","document":{},"result":"whatever"}"#, "\"result\" is the list"),
        (#"{"path":"$.a","document":{},"results":[5]}"#, "each a list of values"),
        (#"{"path":"$.a","document":{},"results":[]}"#, "each a list of values"),
        (#"{"path":"$.a","document":{},"results":{}}"#, "\"results\" is a list"),
        (#"{"path":"$.a","document":{},"result":[],"results":[[]]}"#, "\"result\" does not go with"),
        (#"{"path":"$.a","result":[]}"#, "needs \"document\""),
        (#"{"path":"$.a","document":{}}"#, "needs \"result\""),
        (#"{"path":["$.a"],"document":{},"result":[]}"#, "\"path\" is a text"),
        (#"{"path":"$.a","valid":"no"}"#, "\"valid\" is true or false"),
        (#"{"path":"$.a","result":[],"valid":true}"#, "\"result\" does not go with"),
        (#"{"patterns":{"a":[1]},"event":{},"matches":[]}"#, "\"patterns\" is a list"),
        (#"{"patterns":[{"a":[1]}],"event":{},"matches":0}"#, "\"matches\" is a list"),
        (#"{"patterns":[{"a":[1]}],"event":{},"matches":["0"]}"#, "whole numbers from 0"),
        (#"{"patterns":[{"a":[1]}],"event":{},"matches":[0.0]}"#, "whole numbers from 0"),
        (#"{"patterns":[{"a":[1]}],"event":{},"matches":[-1]}"#, "whole numbers from 0"),
        (#"{"patterns":[{"a":[1]}],"event":{},"matches":[1]}"#, "there are 1 patterns"),
        (#"{"patterns":[{"a":[1]}],"event":{}}"#, "needs \"matches\""),
        (#"{"pattern":{"a":[1]},"event":{},"match":false,"valid":true}"#, "does not go with pattern, valid"),
        (#"{"pattern":{"a":[1]},"event":{}}"#, "needs \"match\""),
        (#"{"pattern":{"a":[1]},"match":false}"#, "needs \"event\""),
        (#"{"pattern":{"a":[1]},"event":{},"match":"false"}"#, "\"match\" is true or false"),
        (#"{"pattern":{"a":[1]},"event":{},"mach":false}"#, "did you mean \"match\"?"),
        (#"{"pattern":{"a":[1]},"event":{},"match":false,"expected":1}"#, "unknown member \"expected\""),
        (#"{"pattern":{"a":[1]},"event":{"a":1},"match":true,"match":false}"#, "stands here twice"),
        (#"{"pattern":{"a":[1]},"patterns":[],"event":{},"match":false}"#, "one of pattern, patterns"),
        (#"{"pattern":{"a":[1]},"event":{},"match":false,"sinks":[]}"#, "one of pattern, sinks"),
        (#"{"event":{},"sinks":"crm"}"#, "\"sinks\" is a list"),
        (#"{"event":{},"sinks":["crm",1]}"#, "\"sinks\" is a list"), (#"{"sinks":[]}"#, "needs \"event\""),
        (#"{"event":{},"sinks":[],"hook":1}"#, "\"hook\" is a name"),
        (#"{"event":{},"sinks":[],"match":true}"#, "\"match\" does not go with"),
    ])
    func isNoCase(_ line: String, _ reason: String) throws {
        let failure = try #require(run(line).failure, "\(line) passes")
        #expect(failure.isMalformed, "\(failure)")
        #expect(
            failure.description.hasPrefix("not a case: ") && failure.description.contains(reason),
            "\(failure)")
    }

    @Test func sinksNeedAConfig() {
        let result = RuleCaseRunner().run(Array(#"{"id":"x","event":{},"sinks":[]}"#.utf8))
        #expect(result.id == "x" && result.failure?.isMalformed == true)
    }
}
