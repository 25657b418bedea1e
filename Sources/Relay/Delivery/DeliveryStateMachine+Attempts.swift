import Config
import JSON
import Rules

/// What goes to the sink next: who may go, what goes together, and whether the limits let it.
extension DeliveryStateMachine {
    /// Candidates that a trial of a sink that was down looks at, and how many trials may be parked above the
    /// most of other deliveries.
    private static var trialMax: Int { 64 }
    /// Events of one user that are sorted, or merged, together.
    static var groupMax: Int { 64 }

    /// Whether a user's events are sorted before they go; a sink that folds them needs no order.
    var gathers: Bool { settling.isActive && !limits.foldsUsers }

    mutating func nextAttempt(at now: Int64) -> Attempt? {
        let isTrial = breaker.state == .halfOpen
        // What is not recorded is delivered again after a crash.
        guard now >= notBefore, settlement.unrecorded < bounds.windowMax else { return nil }
        guard attempts.count < (isTrial ? 1 : attemptsMax) else { return nil }
        let isMore = attempts.count >= limits.concurrency || (isEarly(at: now) && !isTrial)
        if isMore, !hasFullBatch { return nil }
        let chosen = isTrial ? trialCandidates : candidates
        if isTrial, readsForTrial, chosen.contains(where: { failureCount($0) > 0 }) { return nil }
        let groups = cut(chosen, at: now)
        guard !groups.isEmpty else { return nil }
        nextAttemptID += 1
        let offsets = groups.flatMap(\.offsets).sorted()
        let attempt = Attempt(
            id: nextAttemptID,
            offsets: offsets,
            numbers: Dictionary(uniqueKeysWithValues: groups.map { ($0.key, number(of: $0)) }),
            merged: Dictionary(
                uniqueKeysWithValues: groups.filter { !$0.earlier.isEmpty }.map { ($0.key, $0.earlier) }),
            unknown: unknown.isEmpty ? [] : Set(groups.filter { isUnknown($0) }.map(\.key))
        )
        begin(attempt)
        nextBatchAt = now + limits.batchInterval.nanoseconds
        for offset in offsets {
            let lane = lane(offset)
            if gathers { busy.insert(lane) }
            line.take(offset, lane)
            if parked[offset] != nil { parkedReady.remove(at: offset) }
        }
        return attempt
    }

    private func number(of group: DeliveryGroup) -> Int {
        parked.count == 0 ? 1 : (history(of: group.key, with: group.earlier)?.failures.last?.number ?? 0) + 1
    }

    private func isUnknown(_ group: DeliveryGroup) -> Bool { group.contains { unknown.contains($0) } }

    /// Whether the batch before this one has just begun; never for longer than the interval, whatever became
    /// of the clock meanwhile.
    private func isEarly(at now: Int64) -> Bool {
        let left = nextBatchAt - now
        return left > 0 && left <= limits.batchInterval.nanoseconds
    }

    /// Whether there is as much to deliver as one batch holds, or as may be in memory.
    private var hasFullBatch: Bool {
        let ready = lineCandidates
        if ready.count + parkedReady.count >= limits.batchEventsMax { return true }
        // What settles joins it from within.
        if window.room == 0, !settling.isActive { return true }
        // Seldom is so much in memory that it has to be added up.
        guard window.bytes > min(limits.batchBytesMax, batchMemoryMax) else { return false }
        return isMoreThanOneBatch((ready + parkedReady).reduce(into: .zero) { $0 += size($1) })
    }

    /// Where a batch is made ready while one is under way, each has half of what may be in memory.
    private var batchMemoryMax: Int { limits.readiesNextBatch ? window.bytesMax / 2 : .max }

    private func isMoreThanOneBatch(_ size: BatchSize) -> Bool {
        size.bodies > limits.batchBytesMax || size.memory > batchMemoryMax
    }

    // MARK: - Who may go

    /// What may go now: parked deliveries and the line take turns at being first, so that neither starves.
    private var candidates: [Offset] {
        let queued = first(lineCandidates) { !settlement.endsIntent(of: $0) }
        let due = first(parkedReady[...]) { mayGo($0) }
        return nextAttemptID.isMultiple(of: 2) ? due + queued : queued + due
    }

    /// As many of these as a batch holds.
    private func first(_ offsets: ArraySlice<Offset>, where isMeant: (Offset) -> Bool) -> [Offset] {
        var found: [Offset] = []
        for offset in offsets where isMeant(offset) {
            found.append(offset)
            if found.count == limits.batchEventsMax { break }
        }
        return found
    }

    /// Where too many are parked the cursor is held: nothing new is begun that might have to be parked.
    private var lineCandidates: ArraySlice<Offset> {
        parked.count < policy.parkedMax ? line.ready[...] : []
    }

    /// Where events are gathered, some of a user's may be ready while another is with the sink; and what is
    /// parked is in no line, in which it would wait until the one before it is recorded.
    private func mayGo(_ offset: Offset) -> Bool {
        let lane = lane(offset)
        return !busy.contains(lane) && !settlement.isRecording(lane) && !settlement.endsIntent(of: offset)
    }

    /// One event, the one that has gone wrong least often, to see whether the sink is back.
    ///
    /// Of several it is what is in line, for what is parked may be the reason that it was away: also where
    /// too many are parked, or none of them could ever be told from a sink that is away.
    private var trialCandidates: [Offset] {
        var lanes: Set<ParkedLanes.Lane> = []
        let queued = parked.count < policy.parkedMax + Self.trialMax ? line.ready.prefix(Self.trialMax) : []
        let firsts = (queued + parkedReady).filter {
            mayGo($0) && lanes.insert(lane($0)).inserted
        }
        return firsts.min { failureCount($0) < failureCount($1) }.map { [$0] } ?? []
    }

    private func hasFailedOften(_ offset: Offset) -> Bool { strikeCount(offset) >= Self.strikesMax - 1 }

    private func strikeCount(_ offset: Offset) -> Int { strikes[offset]?.count ?? 0 }

    private func failureCount(_ offset: Offset) -> Int {
        strikeCount(offset) + (strikes[offset]?.refusals ?? 0) + (parked[offset]?.failures.count ?? 0)
    }

    func lane(_ offset: Offset) -> ParkedLanes.Lane {
        ParkedLanes.Lane(subject(offset), offset)
    }

    func subject(_ offset: Offset) -> Subject? {
        entry(offset)?.event.subject ?? parked[offset]?.subject
    }

    // MARK: - What goes together

    /// As much of the candidates as one batch holds, by events and bytes, and as the limits let pass; a
    /// suspect goes alone, and nothing of its user passes it.
    private mutating func cut(_ candidates: [Offset], at now: Int64) -> [DeliveryGroup] {
        var size = BatchSize.zero
        var groups: [DeliveryGroup] = []
        var passedOver: Set<ParkedLanes.Lane> = []
        for candidate in candidates.prefix(limits.batchEventsMax) {
            if !passedOver.isEmpty, passedOver.contains(lane(candidate)) { continue }
            let group = group(of: candidate)
            // Of a user whose events are gathered several may be candidates.
            if gathers { passedOver.insert(lane(candidate)) }
            let isSuspect = group.contains { hasFailedOften($0) }
            if isSuspect, candidate != candidates.first {
                passedOver.insert(lane(candidate))
                continue
            }
            if group.contains(where: { settlement.endsIntent(of: $0) }) { continue }
            size += self.size(group.key)
            for offset in group.earlier { size += self.size(offset) }
            if !groups.isEmpty, isMoreThanOneBatch(size) { break }
            switch gate(group, at: now) {
            case .pass: groups.append(group)
            case .wait: passedOver.insert(lane(candidate))
            case .trip(let reason):
                // What may still go goes first.
                if groups.isEmpty { trip(reason, at: now) }
                return groups
            }
            if isSuspect { return groups }
        }
        return groups
    }

    private func size(_ offset: Offset) -> BatchSize {
        guard let event = entry(offset)?.event else { return .zero }
        return BatchSize(bodies: event.body.bytes.count, memory: event.footprint)
    }

    /// The candidate alone; or where events are gathered, what goes first of its user.
    private func group(of candidate: Offset) -> DeliveryGroup {
        guard gathers else { return DeliveryGroup(key: candidate) }
        let lane = lane(candidate)
        let isParked = parked[candidate] != nil
        let all = isParked ? parkedReady.filter { self.lane($0) == lane } : line.offsets(in: lane)
        let members = all.prefix(Self.groupMax).compactMap { offset in
            entry(offset).map {
                GroupMember(
                    offset: offset, stamp: $0.event.stamp, operation: operation($0.event),
                    isUnknown: unknown.contains(offset))
            }
        }
        let group = GroupMember.first(of: members, merging: policy.settle?.coalesces == true)
        return group ?? DeliveryGroup(key: candidate)
    }

    // MARK: - Limits

    private mutating func gate(_ group: DeliveryGroup, at now: Int64) -> Tripwire.Gate {
        guard !tripwire.isIdle else { return .pass }
        // A user's deletion counts once, however many events tell of it; other removals each for itself.
        let isOfUser = group.contains { entry($0)?.event.meaning.operation == .delete }
        let candidate = Tripwire.Candidate(
            group: group, operations: group.offsets.map { entry($0).map { operation($0.event) } ?? .none },
            subject: isOfUser ? subject(group.key) : nil)
        let gate = tripwire.gate(candidate, at: now)
        if gate == .pass { tripwire.begin(candidate, at: now) }
        return gate
    }

    /// The limits have stopped the sink.
    private mutating func trip(_ reason: String, at now: Int64) {
        countOutage(at: now)
        let hold = SinkHold(kind: .tripped, reason: reason, since: now)
        breaker.hold(hold)
        settlement.hold(hold)
        letGo()
    }

    // MARK: - The settle window

    /// An event that is alone in line may open its user's window.
    mutating func gather(_ lane: ParkedLanes.Lane, _ entry: JournalEntry) {
        guard settling.isActive, !line.isStopped(lane), line.offsets(in: lane).count == 1,
            settling.gather(lane, from: entry.event.receivedAt, at: lastNow)
        else { return }
        line.stop(lane)
    }

    /// Nothing of a lane is with the sink any more: what is in line goes on, or opens a window of its own.
    mutating func goOn(_ lane: ParkedLanes.Lane) {
        line.go(lane)
        guard settling.isActive else { return }
        let offsets = line.offsets(in: lane)
        guard let received = offsets.compactMap({ window.entry($0)?.event.receivedAt }).min() else {
            return settling.emptied(lane)
        }
        if settling.gather(lane, from: received, at: lastNow) { line.stop(lane) }
    }
}

/// How large some events are together, in bytes.
private struct BatchSize {
    static let zero = BatchSize(bodies: 0, memory: 0)

    var bodies: Int
    /// See ``Event/footprint``.
    var memory: Int

    static func += (sum: inout BatchSize, part: BatchSize) {
        sum.bodies += part.bodies
        sum.memory += part.memory
    }
}
