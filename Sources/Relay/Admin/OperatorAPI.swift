import Config
import Foundation
import HTTPTypes
import JSON

/// The operator's verbs as the admin API has them; a command uses it in its own process where no relay runs.
///
/// Every answer is JSON; `docs/ADMIN.md` describes them.
public struct OperatorAPI: Sendable {
    let hands: Operator

    public init(_ hands: Operator) { self.hands = hands }

    /// What an own process asks, as the admin listener would answer it.
    ///
    /// - Parameters:
    ///   - method: `GET` or `POST`.
    ///   - path: With its query.
    public func answer(
        _ method: String, _ path: String, body: [UInt8]
    ) async -> (status: Int, body: [UInt8]) {
        let parts = path.split(separator: "?", maxSplits: 1)
        let answer = await Self.answering {
            let request = AdminRequest(
                method: HTTPRequest.Method(method) ?? .get, path: parts.first ?? "",
                query: parts.count > 1 ? parts[1] : "")
            guard let verb = verb(request.path) else {
                throw AdminProblem(.notFound, "nothing is here for an operator to do")
            }
            return try await verb.answer(request, body: body)
        }
        return (answer.status.code, answer.body)
    }

    /// Turns what goes wrong into an answer.
    static func answering(_ body: () async throws -> HTTPAnswer) async -> HTTPAnswer {
        do {
            return try await body()
        } catch let problem as AdminProblem {
            return .error(problem.status, problem.text)
        } catch let problem as OperatorProblem {
            switch problem {
            case .notFound: return .error(.notFound, problem.text)
            case .refused: return .error(.conflict, problem.text)
            case .misled: return .error(.badRequest, problem.text)
            }
        } catch let error as JournalError {
            return .error(.serviceUnavailable, "the journal cannot be used: \(error.reason)")
        } catch let error as SinkError {
            return .error(.badGateway, "the sink cannot be read: \(error.reason)")
        } catch {
            return .error(.internalServerError, "this cannot be answered now; the relay's log may say why")
        }
    }

    // MARK: - Verbs

    /// What a path can do for an operator.
    struct Verb {
        typealias Work = @Sendable (AdminParameters) async throws -> HTTPAnswer

        var get: Work?
        var post: Work?

        /// For `Allow`.
        var methods: String {
            [get == nil ? nil : "GET", post == nil ? nil : "POST"].compactMap(\.self).joined(separator: ", ")
        }

        func answer(_ request: AdminRequest, body: [UInt8]) async throws -> HTTPAnswer {
            if request.method == .get, let get {
                return try await get(try AdminParameters(query: request.query))
            }
            if request.method == .post, let post {
                // A filter that is not looked at would mean everything.
                guard request.query.isEmpty else {
                    throw AdminProblem(
                        .badRequest, "a POST has its parameters in the body, as members of a JSON object")
                }
                return try await post(try AdminParameters(body: body))
            }
            return .error(
                .methodNotAllowed, "only \(methods) is understood here", fields: [.allow: methods])
        }
    }

    /// Nil where the path is none of the operator's.
    func verb(_ path: [String]) -> Verb? {
        switch (path.first, path.count) {
        case ("dead-letters", 2) where path[1] == "redrive": return Verb(post: redrive)
        case ("dead-letters", 2) where path[1] == "discard": return Verb(post: discard)
        case ("quarantine", 2) where path[1] == "resubmit": return Verb(post: resubmit)
        case ("replays", 1): return Verb(get: replays, post: replay)
        case ("replays", 3) where path[2] == "cancel":
            return Verb(post: { try await self.cancelReplay(path[1], $0) })
        case ("replays", 2): return Verb(get: { try await self.replay(path[1], $0) })
        case ("history", 1): return Verb(get: history)
        case ("operations", 1): return Verb(get: operations)
        case ("settlements", 1): return Verb(get: settlements)
        case ("receipts", 1): return Verb(get: receipts)
        case ("detached", 1): return Verb(get: detached)
        case ("sinks", 3): return sinkVerb(path[1], path[2])
        default: return nil
        }
    }

    private func sinkVerb(_ sink: String, _ verb: String) -> Verb? {
        switch verb {
        case "pause": Verb(post: { try await self.pause(sink, $0) })
        case "resume": Verb(post: { try await self.resume(sink, $0) })
        case "seek": Verb(post: { try await self.seek(sink, $0) })
        case "drop": Verb(post: { try await self.drop(sink, $0) })
        default: nil
        }
    }

    // MARK: - Sinks

    @Sendable private func pause(_ sink: String, _ parameters: AdminParameters) async throws -> HTTPAnswer {
        try parameters.only(["reason", "dryRun"])
        let reason = try parameters.reason() ?? "paused by a person"
        if try parameters.flag("dryRun") { return try await previewHold(of: sink) }
        let isFinishing = try await hands.pause(sink, reason: reason)
        return .json { object in
            object.member("sink", sink)
            object.member("dryRun", false)
            object.member("hold", SinkHold.Kind.paused.rawValue)
            object.member("reason", reason)
            object.member("isFinishing", isFinishing)
        }
    }

    private func previewHold(of sink: String) async throws -> HTTPAnswer {
        let count = try await hands.previewHold(sink)
        return .json { AdminJSON.write(count, of: sink, to: &$0) }
    }

    @Sendable private func resume(_ sink: String, _ parameters: AdminParameters) async throws -> HTTPAnswer {
        try parameters.only(["dryRun"])
        if try parameters.flag("dryRun") { return try await previewHold(of: sink) }
        let report = try await hands.resume(sink)
        return .json { object in
            object.member("sink", sink)
            object.member("dryRun", false)
            object.member("was", report.ended?.kind.rawValue)
            object.member("exemptTo", report.exemptTo?.rawValue)
            object.member("isFinishing", report.isFinishing)
        }
    }

    @Sendable private func seek(_ sink: String, _ parameters: AdminParameters) async throws -> HTTPAnswer {
        try parameters.only(["to", "reason", "dryRun"])
        let target = try parameters.seekTarget(now: hands.clock.now)
        let reason = try parameters.reason() ?? "a person moved the sink on"
        let isDryRun = try parameters.flag("dryRun")
        let report =
            isDryRun
            ? try await hands.previewSeek(sink, to: target)
            : try await hands.seek(sink, to: target, reason: reason)
        return .json { object in
            object.member("sink", sink)
            object.member("dryRun", isDryRun)
            object.member("from", report.from.rawValue)
            object.member("to", report.to.rawValue)
            object.member("givenUp", report.givenUp)
            object.member("repeated", report.repeated)
            object.member("isFinishing", report.isFinishing)
        }
    }

    @Sendable private func drop(_ sink: String, _ parameters: AdminParameters) async throws -> HTTPAnswer {
        try parameters.only(["force", "dryRun", "remaining"])
        guard try !parameters.flag("dryRun") else {
            let preview = try await hands.previewDrop(sink)
            return .drop(sink, isDryRun: true, preview.waiting, preview.deadLetters, remaining: nil)
        }
        let remaining = try parameters.number("remaining", in: 0...Int64.max).map { Int($0) }
        let report = try await hands.drop(
            sink, isForced: try parameters.flag("force"), remaining: remaining)
        return .drop(
            sink, isDryRun: false, report.waiting, report.deadLetters, remaining: report.remaining)
    }

    // MARK: - Records

    @Sendable private func redrive(_ parameters: AdminParameters) async throws -> HTTPAnswer {
        try parameters.only(AdminParameters.deadLetterNames + AdminParameters.stepNames)
        return .step(
            try await hands.redrive(
                parameters.deadLetterFilter(now: hands.clock.now), parameters.step()))
    }

    @Sendable private func discard(_ parameters: AdminParameters) async throws -> HTTPAnswer {
        try parameters.only(AdminParameters.deadLetterNames + AdminParameters.stepNames)
        return .step(
            try await hands.discard(
                parameters.deadLetterFilter(now: hands.clock.now), parameters.step()))
    }

    @Sendable private func resubmit(_ parameters: AdminParameters) async throws -> HTTPAnswer {
        try parameters.only(AdminParameters.quarantineNames + AdminParameters.stepNames)
        return .step(
            try await hands.resubmit(
                parameters.quarantineFilter(now: hands.clock.now), parameters.step()))
    }

    // MARK: - Replays

    @Sendable private func replay(_ parameters: AdminParameters) async throws -> HTTPAnswer {
        let placeNames = ["after", "first", "last"]
        try parameters.only(AdminParameters.replayNames + ["dryRun"] + placeNames)
        let order = try parameters.replayOrder(now: hands.clock.now)
        guard try parameters.flag("dryRun") else {
            guard placeNames.allSatisfy({ parameters[$0] == nil }) else {
                throw AdminProblem(
                    .badRequest, "after, first and last go with dryRun; a replay has since and until")
            }
            return try await answer(hands.begin(order), .accepted)
        }
        let place = try placeNames.compactMap { name in
            try parameters.number(name, in: 0...Int64.max).map(Offset.init(rawValue:))
        }
        guard place.isEmpty || place.count == placeNames.count else {
            throw AdminProblem(.badRequest, "after, first and last go together, as the last answer has them")
        }
        let (replay, step) = try await hands.tryOut(
            order, at: place.isEmpty ? nil : (after: place[0], first: place[1], last: place[2]))
        return .json { AdminJSON.write(step, of: replay, to: &$0) }
    }
}

/// A request's line, taken apart.
struct AdminRequest {
    let method: HTTPRequest.Method
    /// Without slashes and percent signs.
    let path: [String]
    let query: Substring

    init(method: HTTPRequest.Method, path: Substring, query: Substring) {
        self.method = method
        self.path = path.split(separator: "/").map { String($0).removingPercentEncoding ?? "" }
        self.query = query
    }
}

extension AdminParameters {
    func seekTarget(now: Int64) throws(AdminProblem) -> SeekTarget {
        guard let text = self["to"] else {
            throw AdminProblem(.badRequest, "to is missing: \(Self.seekAdvice)")
        }
        if text == "end" { return .end }
        if let offset = Int64(text), offset >= 0 { return .offset(Offset(rawValue: offset)) }
        if let time = PointInTime(text) { return .time(time.nanoseconds(now: now)) }
        throw AdminProblem(.badRequest, "to is no place: \(Self.seekAdvice)")
    }

    private static let seekAdvice = "an offset, \"end\", or a point in time such as \"7d\" or \"2026-11-01\""
}

extension HTTPAnswer {
    fileprivate static func drop(
        _ sink: String, isDryRun: Bool, _ givenUp: Int, _ deadLetters: Int, remaining: Int?
    ) -> HTTPAnswer {
        .json { object in
            object.member("sink", sink)
            object.member("dryRun", isDryRun)
            object.member("givenUp", givenUp)
            object.member("deadLetters", deadLetters)
            object.name("next")
            guard let remaining else { return object.null() }
            object.object { $0.member("remaining", remaining) }
        }
    }

    fileprivate static func step(_ report: StepReport) -> HTTPAnswer {
        .json { AdminJSON.write(report, to: &$0) }
    }
}
