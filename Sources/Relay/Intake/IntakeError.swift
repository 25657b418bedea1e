import HTTPTypes

/// Why the intake did not take a request, and so what its sender is told.
enum IntakeError: Error {
    /// No hook has this path.
    case notFound
    case methodNotAllowed
    case unauthorized
    /// A verification GET without the header that it is about, or with several.
    case noChallenge
    case tooLarge(limit: Int)
    case timedOut
    /// Kept in the quarantine all the same.
    case notAnEnvelope(NotAnEnvelope)
    /// The journal cannot commit.
    case unavailable
    /// The commit goes on, but Okta does not wait any longer.
    case late

    /// Okta tries once more after a 5xx and never after a 4xx.
    var status: HTTPResponse.Status {
        switch self {
        case .notFound: .notFound
        case .methodNotAllowed: .methodNotAllowed
        case .unauthorized: .unauthorized
        case .noChallenge, .notAnEnvelope: .badRequest
        case .tooLarge: .contentTooLarge
        case .timedOut: .requestTimeout
        case .unavailable, .late: .serviceUnavailable
        }
    }

    /// How the metrics count it.
    var outcome: RequestOutcome {
        switch self {
        case .notFound: .notFound
        case .methodNotAllowed: .methodNotAllowed
        case .unauthorized: .unauthorized
        case .noChallenge: .missingChallenge
        case .tooLarge: .tooLarge
        case .timedOut: .timedOut
        case .notAnEnvelope: .notAnEnvelope
        case .unavailable: .unavailable
        case .late: .deadlinePassed
        }
    }

    /// For a person with curl; nil where a stranger need not be told anything.
    var explanation: String? {
        switch self {
        case .notFound, .methodNotAllowed, .unauthorized: nil
        case .noChallenge: "a verification GET carries one X-Okta-Verification-Challenge header"
        case .tooLarge(let limit): "the body is longer than \(limit) bytes (server.maxBody)"
        case .timedOut: "the request did not come in whole in time (server.requestTimeout)"
        case .notAnEnvelope(let problem): "\(problem.explanation). The body was kept in the quarantine"
        case .unavailable: "the journal cannot commit: nothing was accepted, send it again"
        case .late: "the journal has not committed yet: send it again, duplicates are harmless"
        }
    }

    /// The answer to a request.
    ///
    /// - Parameter leavesBody: Whether the client may still be sending a body that nobody is going to read.
    func answer(leavesBody: Bool) -> HTTPAnswer {
        let closes =
            switch self {
            // A stranger gets one answer a connection, however many requests lie ready in it.
            case .unauthorized, .notFound, .methodNotAllowed, .tooLarge, .timedOut: true
            case .noChallenge: leavesBody
            case .notAnEnvelope, .unavailable, .late: false
            }
        var fields: HTTPFields = [:]
        if case .methodNotAllowed = self { fields[.allow] = "GET, POST" }
        guard let explanation else { return HTTPAnswer(status, fields: fields, closesConnection: closes) }
        return .error(status, explanation, fields: fields, closesConnection: closes)
    }
}
