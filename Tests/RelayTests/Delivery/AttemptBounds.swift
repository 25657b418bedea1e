@testable import Relay

/// How often a sink may be tried, told from outside of the machine: never in the moment in which it failed or
/// put a delivery off, and one attempt at a time while it is away.
struct AttemptBounds {
    /// How often deliveries could not be made at all; one that fails so again and again may be its own
    /// trouble.
    private var strikes: [Offset: Int] = [:]
    /// When an attempt failed, since the sink last answered.
    private var awaySince: Int64?
    private var inFlight: Set<Int> = []
    /// Of those, what had begun before the sink was away, and says nothing new of it.
    private var stragglers: Set<Int> = []
    /// When the sink has asked to have a delivery again.
    private var putOffAt: [Offset: Int64] = [:]

    /// Another machine begins.
    mutating func leased() {
        (awaySince, inFlight, stragglers) = (nil, [], [])
        putOffAt = [:]
    }

    /// What is wrong with an attempt that begins now.
    mutating func began(_ attempt: DeliveryAttempt, at instant: Int64) -> String? {
        if let since = awaySince {
            if instant <= since { return "the sink is tried in the moment in which it failed" }
            let isAlone = inFlight.isSubset(of: stragglers)
            if !isAlone { return "a second attempt begins while the sink is away" }
        }
        inFlight.insert(attempt.id)
        let early = attempt.offsets.first { instant <= putOffAt[$0] ?? .min }
        if let early { return "\(early) is tried in the moment in which it was put off" }
        return nil
    }

    /// The sink could not be delivered to at all.
    mutating func failed(_ attempt: DeliveryAttempt, at instant: Int64) {
        for offset in attempt.offsets { strikes[offset, default: 0] += 1 }
        let isSuspect = attempt.numbers.count == 1 && attempt.offsets.contains { strikes[$0, default: 0] > 2 }
        let isNew = !stragglers.contains(attempt.id)
        deferred(attempt)
        if isNew { preparationFailed(at: instant) }
        // Whether the sink is away is for the machine to say, now and when what was in flight fails as well.
        if isNew, isSuspect { awaySince = nil }
        if !isNew, awaySince == nil { stragglers = inFlight }
    }

    /// Nor could it be prepared.
    mutating func preparationFailed(at instant: Int64) { (awaySince, stragglers) = (instant, inFlight) }

    /// Its turn was refused.
    mutating func deferred(_ attempt: DeliveryAttempt) {
        inFlight.remove(attempt.id)
        stragglers.remove(attempt.id)
    }

    /// The sink has said something, whatever it is.
    mutating func answered(_ receipts: [Receipt], of attempt: DeliveryAttempt, at instant: Int64) {
        deferred(attempt)
        if receipts.contains(where: { $0.contact == .answered }) { awaySince = nil }
        for receipt in receipts {
            guard case .retry = receipt.outcome else { continue }
            for offset in attempt.merged[receipt.offset] ?? [] { putOffAt[offset] = instant }
            putOffAt[receipt.offset] = instant
        }
    }
}
