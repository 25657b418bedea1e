import HTTPTypes
import JSON

/// What an operator can look up: what was done, what was given up, and what became of a user's events.
extension OperatorAPI {
    // MARK: - Replays

    @Sendable func replays(_ parameters: AdminParameters) async throws -> HTTPAnswer {
        try parameters.only(["sink", "state", "before", "limit"])
        let limit = try parameters.limit()
        let filter = ReplayListFilter(
            sink: try parameters.filter("sink"), state: try parameters.replayState(),
            prospects: try await hands.prospects())
        if let before = parameters["before"] { _ = try await replay(before) }
        let replays = try await hands.inspection.replays(
            filter, before: parameters["before"], limit: limit + 1)
        if replays.isEmpty { try await hands.know([.sink: filter.sink]) }
        return .json { object in
            object.name("replays")
            object.array { list in
                for replay in replays.prefix(limit) {
                    list.object { AdminJSON.write(replay, filter.prospects, to: &$0) }
                }
            }
            object.member("next", replays.count > limit ? replays[limit - 1].id : nil)
        }
    }

    func replay(_ id: String, _ parameters: AdminParameters) async throws -> HTTPAnswer {
        try parameters.only([])
        return try await answer(replay(id))
    }

    private func replay(_ id: String) async throws -> Replay {
        guard let replay = try await hands.inspection.replay(id: id) else {
            throw OperatorProblem.unknownReplay
        }
        return replay
    }

    func cancelReplay(_ id: String, _ parameters: AdminParameters) async throws -> HTTPAnswer {
        try parameters.only(["dryRun"])
        if try parameters.flag("dryRun") { return try await answer(hands.previewCancel(replay: id)) }
        return try await answer(hands.cancel(replay: id))
    }

    func answer(_ replay: Replay, _ status: HTTPResponse.Status = .ok) async throws -> HTTPAnswer {
        let prospects = try await hands.prospects()
        return .json(status) { AdminJSON.write(replay, prospects, to: &$0) }
    }

    // MARK: - What was

    @Sendable func history(_ parameters: AdminParameters) async throws -> HTTPAnswer {
        try parameters.only(["user", "org", "sink", "since", "until", "before", "limit"])
        guard let user = parameters["user"], !user.isEmpty else {
            throw AdminProblem(.badRequest, "name the user's id at Okta: ?user=00u…")
        }
        let range = try parameters.range(now: hands.clock.now)
        let filter = HistoryFilter(
            user: user, org: try parameters.filter("org"), sink: try parameters.filter("sink"),
            since: range.since, until: range.until)
        let place = parameters["before"].flatMap { HistoryPlace($0) }
        guard place != nil || parameters["before"] == nil else {
            throw AdminProblem(.badRequest, "before must be the next of an answer, as it is there")
        }
        let history = try await hands.inspection.history(
            filter, before: place, limit: try parameters.limit(), lookedAtMax: WaitingLook.eventsMax)
        if history.records.isEmpty { try await hands.know([.sink: filter.sink, .org: filter.org]) }
        return .json { AdminJSON.write(history, to: &$0) }
    }

    @Sendable func operations(_ parameters: AdminParameters) async throws -> HTTPAnswer {
        try parameters.only(["sink", "since", "until", "before", "limit"])
        let page = try parameters.page()
        let range = try parameters.range(now: hands.clock.now)
        let filter = OperationFilter(
            sink: try parameters.filter("sink"), since: range.since, until: range.until)
        let records = try await hands.inspection.operations(filter, page.andOneMore)
        if records.isEmpty { try await hands.know([.sink: filter.sink]) }
        return .list("operations", records, page, id: \.id) { AdminJSON.write($0, to: &$1) }
    }

    @Sendable func settlements(_ parameters: AdminParameters) async throws -> HTTPAnswer {
        let (filter, page) = try parameters.receipts(now: hands.clock.now)
        let records = try await hands.inspection.settlements(filter, page.andOneMore)
        if records.isEmpty { try await hands.know([.sink: filter.sink]) }
        return .list("settlements", records, page, id: \.id) { AdminJSON.write($0, to: &$1) }
    }

    @Sendable func receipts(_ parameters: AdminParameters) async throws -> HTTPAnswer {
        let (filter, page) = try parameters.receipts(of: ["event", "user"], now: hands.clock.now)
        let records = try await hands.inspection.receipts(filter, page.andOneMore)
        if records.isEmpty { try await hands.know([.sink: filter.sink]) }
        return .list("receipts", records, page, id: \.id) { AdminJSON.write($0, to: &$1) }
    }

    @Sendable func detached(_ parameters: AdminParameters) async throws -> HTTPAnswer {
        try parameters.only(["sink", "reason", "since", "until", "before", "limit"])
        let page = try parameters.page()
        let range = try parameters.range(now: hands.clock.now)
        let filter = DetachedFilter(
            sink: try parameters.filter("sink"), reason: try parameters.filter("reason"),
            since: range.since, until: range.until)
        let ranges = try await hands.inspection.detached(filter, page.andOneMore)
        if ranges.isEmpty { try await hands.know([.sink: filter.sink]) }
        return .list("detached", ranges, page, id: \.id) { AdminJSON.write($0, to: &$1) }
    }
}

extension AdminParameters {
    fileprivate func replayState() throws(AdminProblem) -> Replay.State? { try choice("state") }

    /// - Parameter single: Filters by what only a single delivery has.
    fileprivate func receipts(
        of single: [String] = [], now: Int64
    ) throws -> (ReceiptFilter, PageRequest) {
        try only(["sink", "outcome"] + single + ["since", "until", "before", "limit"])
        let range = try range(now: now)
        let filter = ReceiptFilter(
            sink: try self.filter("sink"), outcome: try choice("outcome"),
            eventID: try self.filter("event"), user: try self.filter("user"), since: range.since,
            until: range.until)
        return (filter, try page())
    }

    /// One of a few words; nil where the parameter is not there.
    private func choice<Value: RawRepresentable<String> & CaseIterable>(
        _ name: String
    ) throws(AdminProblem) -> Value? {
        guard let text = self[name] else { return nil }
        guard let value = Value(rawValue: text) else {
            let words = Value.allCases.map(\.rawValue).joined(separator: ", ")
            throw AdminProblem(.badRequest, "\(name) must be one of \(words)")
        }
        return value
    }
}
