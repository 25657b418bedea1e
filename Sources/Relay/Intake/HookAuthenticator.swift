public import Config
public import HTTPTypes

/// Decides by a shared-secret header whether a request is from Okta.
///
/// Okta sends the configured value verbatim in a header of the operator's choice, on deliveries and on the
/// verification GET alike, and signs nothing; so this header is all there is.
public struct HookAuthenticator: Sendable {
    /// What came of one request.
    public enum Verdict: Sendable, Equatable {
        /// Authenticated by the secret at this index of the config file.
        case accepted(secret: Int)
        case refused(Refusal)
    }

    /// Why a request is refused; the raw value is for logs.
    public enum Refusal: String, Sendable {
        case missing = "the header is missing"
        /// Which one a proxy in between looked at is anybody's guess.
        case repeated = "the header is there more than once"
        case wrong = "the header has another value"
    }

    /// Nil where the configured name cannot be a header's; then nothing is accepted.
    private let header: HTTPField.Name?
    private let digests: SecretDigests

    public init(_ hook: HookConfiguration) {
        header = HTTPField.Name(hook.header)
        digests = SecretDigests(hook.secrets)
    }

    /// Judges a request's header fields, in a time that does not depend on the secrets.
    public func verdict(_ fields: HTTPFields) -> Verdict {
        let values = header.map { fields[values: $0] } ?? []
        // Compared even where it is refused anyway, so that every refusal takes the same way.
        let match = digests.match((values.first ?? "").utf8)
        guard !values.isEmpty else { return .refused(.missing) }
        guard values.count == 1 else { return .refused(.repeated) }
        return match.map { .accepted(secret: $0) } ?? .refused(.wrong)
    }
}
