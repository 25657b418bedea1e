import Config
@testable import Relay
import Rules

/// What the sink of a simulation has really done, and when: for the checks that no journal can tell.
struct DeliveryTruth {
    /// How often each event has taken effect, alone or merged into another.
    private(set) var effects: [Offset: Int] = [:]
    /// When deliveries that the limits count were made, since a person last resumed the sink.
    private var counted: [Int64] = []

    /// The sink does what it was asked; what it must not do twice, it does once.
    mutating func act(_ offsets: [Offset], mayRepeat: Bool) -> String? {
        for offset in offsets { effects[offset, default: 0] += 1 }
        guard !mayRepeat, let twice = offsets.first(where: { effects[$0, default: 0] > 1 }) else {
            return nil
        }
        return "\(twice) took effect twice"
    }

    /// A person wants these again.
    mutating func forget(_ offsets: [Offset]) {
        for offset in offsets { effects[offset] = nil }
    }

    /// Whether this is the first that the sink has done of it.
    func isFirst(_ offset: Offset) -> Bool { effects[offset] == 1 }

    /// What a lookup finds; nil where it cannot be told, because only a part of it is there.
    func has(_ offsets: [Offset]) -> Bool? {
        let there = offsets.filter { effects[$0] != nil }
        return there.isEmpty ? false : there.count == offsets.count ? true : nil
    }

    mutating func count(at now: Int64, limit: RateLimit) -> String? {
        counted.append(now)
        let inPeriod = counted.filter { $0 > now - limit.period.nanoseconds }.count
        return inPeriod > limit.count ? "\(inPeriod) deliveries in a period that has \(limit.count)" : nil
    }

    /// A person has seen what was counted.
    mutating func resumed() { counted = [] }
}
