import HTTPTypes
import JSON

/// What an operator can look up: what was done, what was given up, and what became of a user's events.
extension OperatorAPI {
    // MARK: - Replays

    @Sendable func replays(_ parameters: AdminParameters) async throws -> HTTPAnswer {
        let replays = try await hands.inspection.replays()
        return .json { object in
            object.name("replays")
            object.array { list in
                for replay in replays { list.object { AdminJSON.write(replay, to: &$0) } }
            }
        }
    }

    func replay(_ id: String, _ parameters: AdminParameters) async throws -> HTTPAnswer {
        guard let replay = try await hands.inspection.replay(id: id) else {
            throw AdminProblem(.notFound, "no replay has this id; /replays lists them")
        }
        return .json { AdminJSON.write(replay, to: &$0) }
    }

    func cancelReplay(_ id: String, _ parameters: AdminParameters) async throws -> HTTPAnswer {
        try parameters.only([])
        let replay = try await hands.cancel(replay: id)
        return .json { AdminJSON.write(replay, to: &$0) }
    }

    // MARK: - What was

    @Sendable func history(_ parameters: AdminParameters) async throws -> HTTPAnswer {
        try parameters.only(["user", "org", "sink", "since", "until", "limit"])
        guard let user = parameters["user"], !user.isEmpty else {
            throw AdminProblem(.badRequest, "name the user's id at Okta: ?user=00u…")
        }
        let range = try parameters.range(now: hands.clock.now)
        let filter = HistoryFilter(
            user: user, org: parameters["org"], sink: parameters["sink"], since: range.since,
            until: range.until)
        let history = try await hands.inspection.history(
            filter, limit: try parameters.limit(), lookedAtMax: WaitingLook.eventsMax)
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
        try parameters.only(["sink", "before", "limit"])
        let page = try parameters.page()
        let ranges = try await hands.inspection.detached(sink: parameters["sink"], page)
        return .list("detached", ranges, page, id: \.id) { AdminJSON.write($0, to: &$1) }
    }
}
