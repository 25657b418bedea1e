import HTTPTypes
import JSON

/// What an operator can look up: what was done, what was given up, and what became of a user's events.
extension OperatorAPI {
    // MARK: - Replays

    @Sendable func replays(_ parameters: AdminParameters) async throws -> HTTPAnswer {
        try parameters.only(["sink", "state", "before", "limit"])
        let limit = try parameters.limit()
        let filter = ReplayListFilter(
            sink: parameters["sink"], state: try parameters.replayState(),
            delivered: hands.settings.delivered)
        if let before = parameters["before"] { _ = try await replay(before) }
        let replays = try await hands.inspection.replays(filter, before: parameters["before"], limit: limit)
        return .json { object in
            object.name("replays")
            object.array { list in
                for replay in replays { list.object { AdminJSON.write(replay, to: &$0) } }
            }
            object.member("next", replays.count < limit ? nil : replays.last?.id)
        }
    }

    func replay(_ id: String, _ parameters: AdminParameters) async throws -> HTTPAnswer {
        try parameters.only([])
        let replay = try await replay(id)
        return .json { AdminJSON.write(replay, to: &$0) }
    }

    private func replay(_ id: String) async throws -> Replay {
        guard let replay = try await hands.inspection.replay(id: id) else {
            throw AdminProblem(.notFound, "no replay has this id; /replays lists them")
        }
        return replay
    }

    func cancelReplay(_ id: String, _ parameters: AdminParameters) async throws -> HTTPAnswer {
        try parameters.only([])
        let replay = try await hands.cancel(replay: id)
        return .json { AdminJSON.write(replay, to: &$0) }
    }

    // MARK: - What was

    @Sendable func history(_ parameters: AdminParameters) async throws -> HTTPAnswer {
        try parameters.only(["user", "org", "sink", "since", "until", "before", "limit"])
        guard let user = parameters["user"], !user.isEmpty else {
            throw AdminProblem(.badRequest, "name the user's id at Okta: ?user=00u…")
        }
        let range = try parameters.range(now: hands.clock.now)
        let filter = HistoryFilter(
            user: user, org: parameters["org"], sink: parameters["sink"], since: range.since,
            until: range.until)
        let place = parameters["before"].flatMap { HistoryPlace($0) }
        guard place != nil || parameters["before"] == nil else {
            throw AdminProblem(.badRequest, "before must be the next of an answer, as it is there")
        }
        let history = try await hands.inspection.history(
            filter, before: place, limit: try parameters.limit(), lookedAtMax: WaitingLook.eventsMax)
        return .json { AdminJSON.write(history, to: &$0) }
    }

    @Sendable func operations(_ parameters: AdminParameters) async throws -> HTTPAnswer {
        try parameters.only(["sink", "since", "until", "before", "limit"])
        let page = try parameters.page()
        let range = try parameters.range(now: hands.clock.now)
        let filter = OperationFilter(
            sink: parameters["sink"], since: range.since, until: range.until)
        let records = try await hands.inspection.operations(filter, page)
        return .list("operations", records, page, id: \.id) { AdminJSON.write($0, to: &$1) }
    }

    @Sendable func detached(_ parameters: AdminParameters) async throws -> HTTPAnswer {
        try parameters.only(["sink", "reason", "since", "until", "before", "limit"])
        let page = try parameters.page()
        let range = try parameters.range(now: hands.clock.now)
        let filter = DetachedFilter(
            sink: parameters["sink"], reason: parameters["reason"], since: range.since, until: range.until)
        let ranges = try await hands.inspection.detached(filter, page)
        return .list("detached", ranges, page, id: \.id) { AdminJSON.write($0, to: &$1) }
    }
}

extension AdminParameters {
    fileprivate func replayState() throws(AdminProblem) -> Replay.State? {
        guard let text = self["state"] else { return nil }
        guard let state = Replay.State(rawValue: text) else {
            let states = Replay.State.allCases.map(\.rawValue).joined(separator: ", ")
            throw AdminProblem(.badRequest, "state must be one of \(states)")
        }
        return state
    }
}
