import Config
import Rules

/// Counts a sink's deliveries by operation, and says when one more would exceed the sink's limits.
///
/// A limit's period slides in 60 steps, and counts are dropped only when all of their step is older than the
/// period, so no span of it sees more than the limit. A user whose deletion has been counted within the
/// period is not counted again: Okta tells of one deletion in several events. A delivery comes with its user
/// only where it is of that kind; a group membership that is removed is one deletion each time. Pure: time
/// comes in.
struct Tripwire {
    enum Gate: Equatable {
        case pass
        /// It may turn out to be one too many, depending on what is in flight.
        case wait
        /// It would be one too many, for this reason.
        case trip(String)
    }

    /// Steps of a period.
    private static let steps: Int64 = 60
    /// Deleted users that are remembered.
    private static let subjectsMax = 4_096

    private let limits: [Operation: RateLimit]
    /// What a person has let pass.
    private let exemptTo: Offset
    /// By operation, and by the time at which a step begins, in nanoseconds since 1970.
    private var counts: [Operation: [Int64: Int]] = [:]
    private var inFlight: [Offset: (operation: Operation, subject: Subject?)] = [:]
    /// When the deletion of a user was counted.
    private var deleted: [Subject: Int64] = [:]
    /// See ``clockWasSet(to:)``.
    private var clockSetAt: Int64 = 0
    /// Whether ``text`` has changed since ``takeText()``.
    private var hasChanged = false

    /// - Parameters:
    ///   - text: What an earlier one had counted, see ``text``. Counts that a person has seen, and let the
    ///     sink go on, start at nothing again.
    ///   - exemptTo: Deliveries up to this offset pass uncounted.
    init(limits: [Operation: RateLimit], text: String = "", exemptTo: Offset = .zero) {
        self.limits = limits
        self.exemptTo = exemptTo
        read(text)
    }

    /// Whether nothing is ever counted.
    var isIdle: Bool { limits.isEmpty }

    // MARK: - Deliveries

    mutating func gate(_ offset: Offset, _ operation: Operation, _ subject: Subject?, at now: Int64) -> Gate {
        guard let limit = limits[operation], isCounted(offset, operation, subject, at: now) else {
            return .pass
        }
        let delivered = delivered(operation, limit, at: now)
        let begun = inFlight.values.reduce(0) { $0 + ($1.operation == operation ? 1 : 0) }
        if delivered + begun < limit.count { return .pass }
        return begun > 0 ? .wait : .trip(Self.reason(operation, delivered, limit))
    }

    /// A delivery that may pass goes to the sink.
    mutating func begin(_ offset: Offset, _ operation: Operation, _ subject: Subject?, at now: Int64) {
        guard limits[operation] != nil, isCounted(offset, operation, subject, at: now) else { return }
        inFlight[offset] = (operation, subject)
    }

    /// It came back.
    mutating func end(_ offset: Offset, isDelivered: Bool, at now: Int64) {
        guard !inFlight.isEmpty, let (operation, subject) = inFlight.removeValue(forKey: offset), isDelivered,
            let limit = limits[operation]
        else { return }
        counts[operation, default: [:]][Self.step(now, of: limit), default: 0] += 1
        hasChanged = true
        guard operation == .delete, let subject else { return }
        if deleted.count >= Self.subjectsMax { deleted = [:] }
        deleted[subject] = now
    }

    private func isCounted(
        _ offset: Offset, _ operation: Operation, _ subject: Subject?, at now: Int64
    ) -> Bool {
        guard offset > exemptTo else { return false }
        guard operation == .delete, let subject, let limit = limits[operation] else { return true }
        if inFlight.values.contains(where: { $0.subject == subject && $0.operation == operation }) {
            return false
        }
        return deleted[subject].map { now - past($0, at: now) > limit.period.nanoseconds } ?? true
    }

    /// Deliveries within the period; forgets older ones.
    private mutating func delivered(_ operation: Operation, _ limit: RateLimit, at now: Int64) -> Int {
        let oldest = Self.step(now - limit.period.nanoseconds, of: limit)
        counts[operation] = counts[operation]?.filter {
            Self.step(past($0.key, at: now), of: limit) >= oldest
        }
        return counts[operation]?.values.reduce(0, +) ?? 0
    }

    private static func step(_ time: Int64, of limit: RateLimit) -> Int64 {
        let length = max(1, limit.period.nanoseconds / steps)
        return time - (time % length + length) % length
    }

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
            "\(delivered) of operation \(operation.rawValue) were delivered in the last \(last), and the"
            + " limit is \(limit.count)/\(unit): look whether what waits is meant, then resume the sink"
    }

    /// The wall clock was set back, or is the first one that is read.
    ///
    /// What was counted in its future counts as of now, until the clock has come to where it was counted: for
    /// whether the clock was ahead then or is behind now nobody can tell.
    mutating func clockWasSet(to now: Int64) { clockSetAt = now }

    private func past(_ time: Int64, at now: Int64) -> Int64 { time > now ? clockSetAt : time }

    // MARK: - Text

    /// `EXEMPT;operation:TIME=COUNT,…;…`: the last offset that a person let pass, and the counts by the time
    /// at which their step begins, whatever its length.
    var text: String {
        let parts = counts.filter { !$0.value.isEmpty }.sorted { $0.key.rawValue < $1.key.rawValue }.map {
            operation, steps in
            let steps = steps.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            return "\(operation.rawValue):\(steps.joined(separator: ","))"
        }
        return (["\(exemptTo.rawValue)"] + parts).joined(separator: ";")
    }

    /// The text, where it has changed since the last call.
    mutating func takeText() -> String? {
        defer { hasChanged = false }
        return hasChanged ? text : nil
    }

    private mutating func read(_ text: String) {
        let parts = text.split(separator: ";")
        guard let first = parts.first, Int64(first) == exemptTo.rawValue else { return }
        for part in parts.dropFirst() {
            let sides = part.split(separator: ":")
            guard sides.count == 2, let operation = Operation(rawValue: String(sides[0])),
                let limit = limits[operation]
            else { continue }
            for step in sides[1].split(separator: ",") {
                let numbers = step.split(separator: "=").compactMap { Int64($0) }
                guard numbers.count == 2 else { continue }
                counts[operation, default: [:]][Self.step(numbers[0], of: limit), default: 0] += Int(
                    numbers[1])
            }
        }
    }
}
