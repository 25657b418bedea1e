import Config
import Rules

/// Counts a sink's deliveries by operation, and says when one more would exceed the sink's limits.
///
/// What was sent and may have been done all the same counts like what was delivered, each delivery once: as
/// of when it was sent last. A limit's period slides in 60 steps, and counts are dropped only when all of
/// their step is older than the period, so no span of it sees more than the limit. A user whose deletion has
/// been counted within the period is not counted again: Okta tells of one deletion in several events. A
/// delivery comes with its user only where it is of that kind; a group membership that is removed is one
/// deletion each time. Pure: time comes in.
struct Tripwire {
    enum Gate: Equatable {
        case pass
        /// It may turn out to be one too many, depending on what is in flight.
        case wait
        /// It would be one too many, for this reason.
        case trip(String)
    }

    /// A delivery that may go, as far as it counts.
    struct Candidate {
        /// The delivery, and what is merged into it: any of them may have been counted before, alone or with
        /// others.
        let group: DeliveryGroup
        /// What each of them does by itself, in their order.
        private let operations: [Operation]
        /// What all of them come to, and the last that does it by itself.
        let operation: Operation
        let decider: Offset
        /// Whose deletion it is, where it is one.
        let subject: Subject?

        init(group: DeliveryGroup, operations: [Operation], subject: Subject?) {
            self.group = group
            self.operations = operations
            operation = Operation.result(of: operations)
            decider = operations.lastIndex(of: operation).map { group.offsets[$0] } ?? group.key
            self.subject = operation == .delete ? subject : nil
        }

        fileprivate var counted: Counted { subject.map(Counted.user) ?? .delivery(decider, operation) }

        /// What went when one of them was the newest: what goes before it, unless it came later.
        fileprivate func part(upTo index: Int) -> Candidate {
            let offsets = group.offsets
            let part = (0...index).filter { offsets[$0] <= offsets[index] }
            return Candidate(
                group: DeliveryGroup(key: offsets[index], earlier: part.dropLast().map { offsets[$0] }),
                operations: part.map { operations[$0] }, subject: subject)
        }
    }

    /// How a delivery came back, as far as it counts.
    enum End {
        case delivered
        /// It was sent, and whether the destination has done it is open: it goes again later, or not.
        case open
        /// The same, and it goes again as soon as the sink does.
        case openInLine
        /// The destination was not asked, or has refused it.
        case notDone
    }

    /// What is counted once within the period.
    fileprivate enum Counted: Hashable {
        /// The deletion of a user, of which several events tell.
        case user(Subject)
        case delivery(Offset, Operation)
    }

    /// How something was counted last.
    private struct Mark {
        let time: Int64
        /// Whether it may have to be done again, and is counted anew then, instead.
        let isOpen: Bool
        /// What it is, where it goes again in any case: whoever begins anew counts it when that is so.
        var inLine: Operation?
        /// When it was counted before it was in line: for whoever begins anew that holds.
        var settledAt: Int64?
    }

    /// A delivery that is with the sink.
    private struct Flight {
        let candidate: Candidate
        /// How it was counted for an attempt before.
        let mark: Mark?
    }

    /// Steps of a period.
    private static let steps: Int64 = 60
    /// Marks that are remembered.
    private static let marksMax = 4_096

    private let limits: [Operation: RateLimit]
    /// What a person has let pass.
    private let exemptTo: Offset
    /// By operation, and by the time at which a step begins, in nanoseconds since 1970.
    private var counts: [Operation: [Int64: Int]] = [:]
    private var inFlight: [Offset: Flight] = [:]
    /// What was counted and may come again.
    private var marks: [Counted: Mark] = [:]
    /// When parked deliveries may have been counted, before the lease.
    private var parked: [Offset: Int64] = [:]
    /// The counts of then that none of these was taken for: others may have ended, and what is parked may be
    /// something else.
    private var leased: [Operation: [Int64: Int]] = [:]
    /// See ``begins(at:)``.
    private var begunAt: Int64 = 0
    /// By how much the wall clock was set since; times here are as if it had not been.
    private var setBy: Int64 = 0
    /// Whether what it says has changed since ``takeText(at:)``.
    private var hasChanged = false

    /// - Parameters:
    ///   - text: What an earlier one had counted, see ``takeText(at:)``. Counts that a person has seen, and
    ///     let the sink go on, start at nothing again.
    ///   - exemptTo: Deliveries up to this offset pass uncounted.
    ///   - parked: What goes again, and may have been counted by that earlier one.
    init(
        limits: [Operation: RateLimit], text: String = "", exemptTo: Offset = .zero,
        parked: [ParkedDelivery] = []
    ) {
        self.limits = limits
        self.exemptTo = exemptTo
        read(text)
        leased = counts
        for delivery in parked where !counts.isEmpty {
            let failure = delivery.failures.last { Receipt.leavesOpen($0.status) }
            self.parked[delivery.offset] = failure?.at
        }
    }

    /// Whether nothing is ever counted.
    var isIdle: Bool { limits.isEmpty }

    // MARK: - Deliveries

    mutating func gate(_ candidate: Candidate, at now: Int64) -> Gate {
        let operation = candidate.operation
        guard let limit = limits[operation], candidate.decider > exemptTo else { return .pass }
        let now = now - setBy
        let isCounted = mark(of: candidate, at: now) != nil || parkedTime(of: candidate, at: now) != nil
        guard !isCounted, !isBeingDeleted(candidate) else { return .pass }
        let delivered = delivered(operation, limit, at: now)
        let begun = inFlight.values.filter {
            $0.candidate.operation == operation && !isWithin(limit, $0.mark?.time, at: now)
        }
        if delivered + Set(begun.map(\.candidate.counted)).count < limit.count { return .pass }
        return begun.isEmpty ? .trip(Self.reason(operation, delivered, limit)) : .wait
    }

    /// A delivery that may pass goes to the sink.
    mutating func begin(_ candidate: Candidate, at now: Int64) {
        guard limits[candidate.operation] != nil, candidate.decider > exemptTo else { return }
        let mark = mark(of: candidate, at: now - setBy) ?? takeParked(for: candidate, at: now - setBy)
        guard mark?.isOpen ?? true else { return }
        inFlight[candidate.group.key] = Flight(candidate: candidate, mark: mark)
    }

    /// It came back.
    mutating func end(_ offset: Offset, _ end: End, at now: Int64) {
        guard !inFlight.isEmpty, let flight = inFlight.removeValue(forKey: offset), end != .notDone,
            let limit = limits[flight.candidate.operation]
        else { return }
        let (candidate, operation) = (flight.candidate, flight.candidate.operation)
        let now = now - setBy
        // Another event of the same deletion, which went with it, may have come back first.
        let before = markOfUser(of: candidate, at: now) ?? flight.mark
        guard before?.isOpen ?? true else { return }
        var steps = counts[operation] ?? [:]
        if let step = before.map({ Self.step($0.time, of: limit) }), let count = steps[step] {
            steps[step] = count > 1 ? count - 1 : nil
        }
        steps[Self.step(now, of: limit), default: 0] += 1
        counts[operation] = steps
        hasChanged = true
        if marks.count >= Self.marksMax { marks = [:] }
        for member in candidate.group.offsets { marks[.delivery(member, operation)] = nil }
        var mark = Mark(time: now, isOpen: end != .delivered)
        if end == .openInLine {
            mark.inLine = operation
            mark.settledAt = before?.inLine == nil ? before?.time : before?.settledAt
        }
        if mark.isOpen || candidate.subject != nil { marks[candidate.counted] = mark }
    }

    /// How it, or something that is merged into it, has been counted last, where that was within the period.
    private func mark(of candidate: Candidate, at now: Int64) -> Mark? {
        let operation = candidate.operation
        guard !marks.isEmpty, let limit = limits[operation] else { return nil }
        let ofMembers = candidate.group.offsets.compactMap { marks[.delivery($0, operation)] }
        let mark = markOfUser(of: candidate, at: now) ?? ofMembers.max { $0.time < $1.time }
        return mark.flatMap { isWithin(limit, $0.time, at: now) ? $0 : nil }
    }

    private func markOfUser(of candidate: Candidate, at now: Int64) -> Mark? {
        guard let limit = limits[candidate.operation], let subject = candidate.subject,
            let mark = marks[.user(subject)]
        else { return nil }
        return isWithin(limit, mark.time, at: now) ? mark : nil
    }

    /// When something that is merged into it was counted last before the lease: it is parked, and came to the
    /// same when it went.
    private func parkedTime(of candidate: Candidate, at now: Int64) -> Int64? {
        let operation = candidate.operation
        guard !parked.isEmpty, let limit = limits[operation], let counts = leased[operation] else {
            return nil
        }
        let times = candidate.group.offsets.enumerated().compactMap { index, member -> Int64? in
            guard let time = parked[member], isWithin(limit, time, at: now),
                counts[Self.step(time, of: limit), default: 0] > 0
            else { return nil }
            let part = candidate.part(upTo: index)
            return part.operation == operation && part.decider > exemptTo ? time : nil
        }
        return times.max()
    }

    /// What was counted before the lease was this delivery, and no other.
    private mutating func takeParked(for candidate: Candidate, at now: Int64) -> Mark? {
        guard let time = parkedTime(of: candidate, at: now), let limit = limits[candidate.operation] else {
            return nil
        }
        leased[candidate.operation]?[Self.step(time, of: limit), default: 0] -= 1
        for member in candidate.group.offsets { parked[member] = nil }
        let mark = Mark(time: time, isOpen: true)
        marks[candidate.counted] = mark
        return mark
    }

    private func isWithin(_ limit: RateLimit, _ time: Int64?, at now: Int64) -> Bool {
        time.map { now - past($0, by: limit, at: now) <= limit.period.nanoseconds } ?? false
    }

    /// Whether another event of the same deletion is with the sink.
    private func isBeingDeleted(_ candidate: Candidate) -> Bool {
        guard let subject = candidate.subject else { return false }
        return inFlight.values.contains { $0.candidate.subject == subject }
    }

    /// Deliveries that count within the period; forgets older ones.
    private mutating func delivered(_ operation: Operation, _ limit: RateLimit, at now: Int64) -> Int {
        let oldest = Self.step(now - limit.period.nanoseconds, of: limit)
        counts[operation] = counts[operation]?.filter {
            Self.step(past($0.key, by: limit, at: now), of: limit) >= oldest
        }
        return counts[operation]?.values.reduce(0, +) ?? 0
    }

    private static func step(_ time: Int64, of limit: RateLimit) -> Int64 {
        let length = length(of: limit)
        return time - (time % length + length) % length
    }

    private static func length(of limit: RateLimit) -> Int64 { max(1, limit.period.nanoseconds / steps) }

    private static func reason(_ operation: Operation, _ delivered: Int, _ limit: RateLimit) -> String {
        let period = limit.period.components.seconds
        let (unit, last) =
            switch period {
            case 86_400: ("d", "day")
            case 3_600: ("h", "hour")
            case 60: ("min", "minute")
            default: ("\(period)s", "\(period) seconds")
            }
        return
            "\(delivered) of operation \(operation.rawValue) were, or may have been, delivered in the last"
            + " \(last), and the limit is \(limit.count)/\(unit): look whether what waits is meant, then"
            + " resume the sink"
    }

    // MARK: - Time

    /// The first time that the wall clock tells.
    ///
    /// What an earlier one has counted in its future counts as of now, until the clock has come to where it
    /// was counted: for whether the clock was ahead then or is behind now nobody can tell.
    mutating func begins(at now: Int64) { begunAt = now }

    /// The wall clock was set, and takes along what was counted by it.
    mutating func clockWasSet(by nanoseconds: Int64) {
        setBy += nanoseconds
        hasChanged = !counts.isEmpty
    }

    /// When something was counted, in the time of ``begins(at:)``, as is `now`.
    private func past(_ time: Int64, by limit: RateLimit, at now: Int64) -> Int64 {
        isAhead(time, by: limit, at: now) ? begunAt : time
    }

    /// What was counted since ``begins(at:)`` is never ahead, also where the clock was set a little.
    private func isAhead(_ time: Int64, by limit: RateLimit, at now: Int64) -> Bool {
        time > now + Self.length(of: limit) + ClockWatch.unnoticed.nanoseconds
    }

    // MARK: - Text

    /// `EXEMPT;operation:TIME=COUNT,…;…`: the last offset that a person let pass, and the counts by the time
    /// at which their step begins, whatever its length, by the wall clock of now.
    private func text(at now: Int64) -> String {
        let parts = settled.filter { !$0.value.isEmpty }.sorted { $0.key.rawValue < $1.key.rawValue }.map {
            operation, steps in
            let steps = steps.sorted { $0.key < $1.key }.map { time, count in
                let stays = limits[operation].map { isAhead(time, by: $0, at: now - setBy) } ?? true
                return "\(stays ? time : time + setBy)=\(count)"
            }
            return "\(operation.rawValue):\(steps.joined(separator: ","))"
        }
        return (["\(exemptTo.rawValue)"] + parts).joined(separator: ";")
    }

    /// The counts without those of what is in line again, as of when it was not.
    private var settled: [Operation: [Int64: Int]] {
        marks.values.reduce(into: counts) { counts, mark in
            guard let operation = mark.inLine, let limit = limits[operation] else { return }
            let step = Self.step(mark.time, of: limit)
            guard let count = counts[operation]?[step] else { return }
            counts[operation]?[step] = count > 1 ? count - 1 : nil
            guard let before = mark.settledAt.map({ Self.step($0, of: limit) }) else { return }
            counts[operation]?[before, default: 0] += 1
        }
    }

    /// The text, where it has changed since the last call.
    mutating func takeText(at now: Int64) -> String? {
        defer { hasChanged = false }
        return hasChanged ? text(at: now) : nil
    }

    private mutating func read(_ text: String) {
        let parts = text.split(separator: ";")
        // Whoever moves the sink back takes an exemption back, and no counts.
        guard let first = parts.first.flatMap({ Int64($0) }), first >= exemptTo.rawValue else { return }
        for part in parts.dropFirst() {
            let sides = part.split(separator: ":")
            guard sides.count == 2, let operation = Operation(rawValue: String(sides[0])),
                let limit = limits[operation]
            else { continue }
            for step in sides[1].split(separator: ",") {
                let numbers = step.split(separator: "=").compactMap { Int64($0) }
                guard numbers.count == 2 else { continue }
                // A time between two steps is one of a clock that was set.
                let time = Self.step(numbers[0] + Self.length(of: limit) - 1, of: limit)
                counts[operation, default: [:]][time, default: 0] += Int(numbers[1])
            }
        }
    }
}
