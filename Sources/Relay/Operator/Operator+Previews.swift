/// What a verb would do, counted and not done.
extension Operator {
    func previewSeek(_ sink: String, to target: SeekTarget) async throws -> SeekReport {
        let offset = try await offset(of: target)
        guard let report = try await inspection.seekPreview(sink, to: offset) else {
            throw try await unknown(sink)
        }
        return report
    }

    func previewDrop(_ sink: String) async throws -> DropPreview {
        try refuseConfigured(sink)
        guard let preview = try await inspection.dropPreview(sink) else { throw try await unknown(sink) }
        return preview
    }

    /// What a pause would hold, or a resume let go on.
    func previewHold(_ sink: String) async throws -> WaitingCount {
        guard let count = try await inspection.waiting(sink, lookedAtMax: WaitingLook.eventsMax) else {
            throw try await unknown(sink)
        }
        return count
    }

    /// The replay as it stands, if it can be cancelled at all.
    func previewCancel(replay id: String) async throws -> Replay {
        guard let replay = try await inspection.replay(id: id) else { throw OperatorProblem.unknownReplay }
        guard replay.endedAt == nil else { throw OperatorProblem.hasEnded(replay) }
        return replay
    }

    /// The last entry that a sink is to have behind it.
    func offset(of target: SeekTarget) async throws -> Offset {
        let horizon = try await inspection.status().horizon
        switch target {
        case .end: return horizon
        case .time(let instant): return try await inspection.offset(before: instant)
        case .offset(let given):
            guard given <= horizon else {
                throw OperatorProblem.refused(
                    "the journal ends at \(horizon); there is no \(given) to seek to")
            }
            return given
        }
    }
}
