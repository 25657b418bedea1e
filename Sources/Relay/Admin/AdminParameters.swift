import Config
import Foundation
import HTTPTypes
import JSON
import Rules

/// What is wrong with an admin request, and what would be right.
struct AdminProblem: Error {
    let status: HTTPResponse.Status
    let text: String

    init(_ status: HTTPResponse.Status, _ text: String) {
        self.status = status
        self.text = text
    }
}

/// A request's parameters: those of its query, or the members of the JSON object that is its body.
struct AdminParameters {
    private var values: [String: String] = [:]

    /// A query.
    init(query: some StringProtocol) throws(AdminProblem) {
        for pair in query.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map {
                String($0).replacing("+", with: " ").removingPercentEncoding ?? ""
            }
            guard let name = parts.first else { continue }
            try refuse(repeated: name)
            values[name] = parts.count > 1 ? parts[1] : ""
        }
    }

    /// A body; an empty one has no parameters.
    ///
    /// A list of numbers reads like one with commas in a query.
    init(body: [UInt8]) throws(AdminProblem) {
        guard !body.isEmpty else { return }
        guard let root = try? JSONDocument(body).root, root.kind == .object else {
            throw AdminProblem(.badRequest, "the body must be a JSON object")
        }
        for (key, value) in root.members {
            let name = key.string ?? ""
            try refuse(repeated: name)
            switch value.kind {
            case .string: values[name] = value.string
            case .number, .true, .false: values[name] = String(decoding: value.raw, as: UTF8.self)
            case .array where value.elements.allSatisfy { $0.kind == .number }:
                values[name] = value.elements.map { String(decoding: $0.raw, as: UTF8.self) }
                    .joined(separator: ",")
            // A member of the next that a dry run answers with.
            case .null where name == "operation": continue
            case .null: throw AdminProblem(.badRequest, "\(name) is null; leave it out, or give it a value")
            case .array, .object:
                throw AdminProblem(.badRequest, "\(name) must be a text, a number, true or false")
            }
        }
    }

    /// Which of the two is meant nobody can tell: with `dryRun` it is all or nothing.
    private func refuse(repeated name: String) throws(AdminProblem) {
        guard values[name] != nil else { return }
        throw AdminProblem(.badRequest, "\(name) is there more than once; name it once")
    }

    subscript(name: String) -> String? { values[name] }

    /// What a filter has to fit, nil where there is none; an empty text would fit everything, or nothing.
    func filter(_ name: String) throws(AdminProblem) -> String? {
        guard let text = values[name] else { return nil }
        guard !text.isEmpty else {
            throw AdminProblem(.badRequest, "\(name) is empty; leave it out, or give it a value")
        }
        return text
    }

    /// Why a person does something, for whoever reads of it; nil where it is not said.
    func reason() throws(AdminProblem) -> String? {
        guard let reason = values["reason"] else { return nil }
        guard (1...Self.reasonBytesMax).contains(reason.utf8.count) else {
            throw AdminProblem(.badRequest, "reason must be 1 to \(Self.reasonBytesMax) bytes")
        }
        return reason
    }

    /// Longer reasons would be texts, not reasons.
    private static let reasonBytesMax = 1_000

    /// Refuses parameters of other names: a filter that is misspelt would mean everything.
    func only(_ names: [String]) throws(AdminProblem) {
        guard let other = values.keys.sorted().first(where: { !names.contains($0) }) else { return }
        let known = names.isEmpty ? "none is understood here" : "there are \(names.joined(separator: ", "))"
        throw AdminProblem(.badRequest, "there is no parameter \(other); \(known)")
    }

    func page() throws(AdminProblem) -> PageRequest {
        PageRequest(before: try number("before", in: 0...Int64.max), limit: try limit())
    }

    func limit() throws(AdminProblem) -> Int {
        Int(try number("limit", in: 1...Int64(PageRequest.limitMax)) ?? 100)
    }

    func number(_ name: String, in range: ClosedRange<Int64>) throws(AdminProblem) -> Int64? {
        guard let text = values[name] else { return nil }
        guard let number = Int64(text), range.contains(number) else {
            throw AdminProblem(
                .badRequest,
                "\(name) must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func flag(_ name: String) throws(AdminProblem) -> Bool {
        switch values[name] {
        case nil, "false": return false
        case "true": return true
        default: throw AdminProblem(.badRequest, "\(name) must be true or false")
        }
    }

    /// An age or a time, in nanoseconds since 1970.
    func time(_ name: String, now: Int64) throws(AdminProblem) -> Int64? {
        guard let text = values[name] else { return nil }
        guard let point = PointInTime(text) else {
            throw AdminProblem(.badRequest, "\(name) is not a point in time; \(PointInTime.advice)")
        }
        return point.nanoseconds(now: now)
    }

    /// The times from `since` until `until`, each nil where it is not given.
    ///
    /// A range that holds no time is a slip of the pen: it would mean nothing, and look like success.
    func range(now: Int64) throws(AdminProblem) -> (since: Int64?, until: Int64?) {
        let (since, until) = (try time("since", now: now), try time("until", now: now))
        if let since, let until, since >= until {
            let (from, to) = (Timestamp(nanoseconds: since), Timestamp(nanoseconds: until))
            throw AdminProblem(
                .badRequest, "since \(from) is not before until \(to): no time lies between them")
        }
        return (since, until)
    }

    private func ids() throws(AdminProblem) -> [Int64]? {
        guard let text = values["ids"] else { return nil }
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        let ids = parts.compactMap { Int64($0) }
        guard ids.count == parts.count, ids.count <= OperationStep.recordsMax else {
            throw AdminProblem(
                .badRequest, "ids must be whole numbers, 1 to \(OperationStep.recordsMax) of them")
        }
        return ids
    }

    // MARK: - What several requests share

    static let deadLetterNames = ["ids", "sink", "rule", "type", "user", "error", "since", "until"]
    static let eventNames = ["unrouted", "hook", "type", "event", "since", "until"]
    static let quarantineNames = ["ids", "hook", "reason", "type", "user", "since", "until"]
    private static let positionNames = ["after", "through", "remaining", "operation"]
    static let stepNames = ["limit", "dryRun"] + positionNames
    static let replayNames = ["sink", "rule", "type", "user", "since", "until"]

    func deadLetterFilter(now: Int64) throws(AdminProblem) -> DeadLetterFilter {
        let range = try range(now: now)
        return DeadLetterFilter(
            ids: try ids(), sink: try filter("sink"), rule: try filter("rule"),
            eventType: try filter("type").map { EventTypePattern($0) }, user: try filter("user"),
            error: try filter("error"), since: range.since, until: range.until)
    }

    func eventFilter(now: Int64) throws(AdminProblem) -> EventFilter {
        let range = try range(now: now)
        return EventFilter(
            isUnrouted: try flag("unrouted"), hook: try filter("hook"),
            eventType: try filter("type").map { EventTypePattern($0) }, eventID: try filter("event"),
            since: range.since, until: range.until)
    }

    func quarantineFilter(now: Int64) throws(AdminProblem) -> QuarantineFilter {
        let range = try range(now: now)
        return QuarantineFilter(
            ids: try ids(), hook: try filter("hook"), reason: try filter("reason"),
            eventType: try filter("type").map { EventTypePattern($0) }, user: try filter("user"),
            since: range.since, until: range.until)
    }

    func step() throws(AdminProblem) -> OperationStep {
        let limit = Int(try number("limit", in: 1...Int64(OperationStep.recordsMax)) ?? 1_000)
        let isDryRun = try flag("dryRun")
        guard let after = try number("after", in: 0...Int64.max) else {
            // Without its place a step would be the first of another operation.
            guard !Self.positionNames.contains(where: { self[$0] != nil }) else {
                throw AdminProblem(.badRequest, "after is missing: send all members of next")
            }
            return OperationStep(limit: limit, isDryRun: isDryRun)
        }
        guard let through = try number("through", in: 0...Int64.max) else {
            throw AdminProblem(.badRequest, "after goes with through: send all members of next")
        }
        let operation = try number("operation", in: 0...Int64.max)
        guard isDryRun == (operation == nil) else {
            throw AdminProblem(.badRequest, "send all members of next, and dryRun as in the first step")
        }
        return OperationStep(
            position: OperationStep.Position(
                after: after, through: through,
                remaining: Int(try number("remaining", in: 0...Int64.max) ?? 0), operation: operation),
            limit: limit, isDryRun: isDryRun)
    }

    func replayOrder(now: Int64) throws(AdminProblem) -> ReplayOrder {
        let range = try range(now: now)
        guard let sink = self["sink"], let since = range.since else {
            throw AdminProblem(.badRequest, "a replay needs sink and since")
        }
        return ReplayOrder(
            sink: sink,
            filter: ReplayFilter(
                rule: try filter("rule"), eventType: try filter("type").map { EventTypePattern($0) },
                user: try filter("user")),
            since: since, until: range.until)
    }
}
