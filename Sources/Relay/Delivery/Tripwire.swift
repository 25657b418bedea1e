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
        /// The last of them that does by itself what all of them come to.
        let decider: Offset
        let operation: Operation
        /// Whose deletion it is, where it is one.
        let subject: Subject?
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
    private enum Counted: Hashable {
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
    }

    /// A delivery that is with the sink.
    private struct Flight {
        let candidate: Candidate
        /// When it was counted for an attempt before.
        let countedAt: Int64?
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
        for delivery in parked where !counts.isEmpty {
            guard let time = delivery.failures.last(where: { Receipt.leavesOpen($0.status) })?.at else {
                continue
            }
            for operation in counts.keys where hasCounts(of: operation, at: time) {
                marks[.delivery(delivery.offset, operation)] = Mark(time: time, isOpen: true)
            }
        }
    }

    /// Whether anything was counted then; for limits may be newer than what they find.
    private func hasCounts(of operation: Operation, at time: Int64) -> Bool {
        limits[operation].map { counts[operation]?[Self.step(time, of: $0)] != nil } ?? false
    }

    /// Whether nothing is ever counted.
    var isIdle: Bool { limits.isEmpty }

    // MARK: - Deliveries

    mutating func gate(_ candidate: Candidate, at now: Int64) -> Gate {
        let operation = candidate.operation
        guard let limit = limits[operation], candidate.decider > exemptTo else { return .pass }
        let now = now - setBy
        guard mark(of: candidate, at: now) == nil, !isBeingDeleted(candidate) else { return .pass }
        let delivered = delivered(operation, limit, at: now)
        let begun = inFlight.values.reduce(0) {
            $0 + ($1.candidate.operation == operation && !isWithin(limit, $1.countedAt, at: now) ? 1 : 0)
        }
        if delivered + begun < limit.count { return .pass }
        return begun > 0 ? .wait : .trip(Self.reason(operation, delivered, limit))
    }

    /// A delivery that may pass goes to the sink.
    mutating func begin(_ candidate: Candidate, at now: Int64) {
        guard limits[candidate.operation] != nil, candidate.decider > exemptTo else { return }
        let mark = mark(of: candidate, at: now - setBy)
        guard mark?.isOpen ?? true, !isBeingDeleted(candidate) else { return }
        inFlight[candidate.group.key] = Flight(candidate: candidate, countedAt: mark?.time)
    }

    /// It came back.
    mutating func end(_ offset: Offset, _ end: End, at now: Int64) {
        guard !inFlight.isEmpty, let flight = inFlight.removeValue(forKey: offset), end != .notDone,
            let limit = limits[flight.candidate.operation]
        else { return }
        let (candidate, operation) = (flight.candidate, flight.candidate.operation)
        let now = now - setBy
        var steps = counts[operation] ?? [:]
        if let before = flight.countedAt.map({ Self.step($0, of: limit) }), let count = steps[before] {
            steps[before] = count > 1 ? count - 1 : nil
        }
        steps[Self.step(now, of: limit), default: 0] += 1
        counts[operation] = steps
        hasChanged = true
        if marks.count >= Self.marksMax { marks = [:] }
        for member in candidate.group.offsets { marks[.delivery(member, operation)] = nil }
        let mark = Mark(time: now, isOpen: end != .delivered, inLine: end == .openInLine ? operation : nil)
        if operation == .delete, let subject = candidate.subject {
            marks[.user(subject)] = mark
        } else if mark.isOpen {
            marks[.delivery(candidate.decider, operation)] = mark
        }
    }

    /// How it, or something that is merged into it, has been counted last, where that was within the period.
    private func mark(of candidate: Candidate, at now: Int64) -> Mark? {
        let operation = candidate.operation
        guard !marks.isEmpty, let limit = limits[operation] else { return nil }
        let ofUser = operation == .delete ? candidate.subject.flatMap { marks[.user($0)] } : nil
        let ofMembers = candidate.group.offsets.compactMap { marks[.delivery($0, operation)] }
        let mark = ofUser ?? ofMembers.max { $0.time < $1.time }
        return mark.flatMap { isWithin(limit, $0.time, at: now) ? $0 : nil }
    }

    private func isWithin(_ limit: RateLimit, _ time: Int64?, at now: Int64) -> Bool {
        time.map { now - past($0, by: limit, at: now) <= limit.period.nanoseconds } ?? false
    }

    /// Whether another event of the same deletion is with the sink.
    private func isBeingDeleted(_ candidate: Candidate) -> Bool {
        guard candidate.operation == .delete, let subject = candidate.subject else { return false }
        return inFlight.values.contains {
            $0.candidate.subject == subject && $0.candidate.operation == .delete
        }
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

    /// The counts without those of what is in line again.
    private var settled: [Operation: [Int64: Int]] {
        marks.values.reduce(into: counts) { counts, mark in
            guard let operation = mark.inLine, let limit = limits[operation] else { return }
            let step = Self.step(mark.time, of: limit)
            guard let count = counts[operation]?[step] else { return }
            counts[operation]?[step] = count > 1 ? count - 1 : nil
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
