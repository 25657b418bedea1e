import RelayTesting
import Testing

extension Soak {
    /// The command that runs a test once more with the same chance.
    ///
    /// - Parameter variables: What the test takes from the environment, without what asks for its long form.
    static func replay(of test: String, _ variables: String) -> String {
        "replay with: \(isOn ? "OKTA_RELAY_SOAK=1 " : "")\(variables) swift test --filter \(test)"
    }
}

extension Trait where Self == IssueHandlingTrait {
    /// Says with every failure how to have it again, whoever finds it.
    static func replayed(by command: String) -> Self {
        .compactMapIssues { issue in
            var issue = issue
            issue.comments.append(Comment(rawValue: command))
            return issue
        }
    }
}
