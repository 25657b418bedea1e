/// The deliveries that wait out of line, by user: the first of a user waits for its time, the others behind
/// it.
struct ParkedLanes {
    /// A user's events wait for each other; an event without a user waits for none.
    enum Lane: Hashable {
        case subject(Subject)
        case alone(Offset)

        init(_ subject: Subject?, _ offset: Offset) {
            self = subject.map(Lane.subject) ?? .alone(offset)
        }
    }

    private var deliveries: [Offset: ParkedDelivery] = [:]
    /// Ascending offsets; never empty.
    private var lanes: [Lane: [Offset]] = [:]

    init(_ parked: [ParkedDelivery]) {
        for delivery in parked { insert(delivery) }
    }

    var count: Int { deliveries.count }

    func isBlocked(_ lane: Lane) -> Bool { lanes[lane] != nil }

    subscript(offset: Offset) -> ParkedDelivery? { deliveries[offset] }

    /// Adds a delivery, or replaces what is known of it.
    mutating func insert(_ delivery: ParkedDelivery) {
        earliest = min(earliest ?? .max, delivery.notBefore)
        let isNew = deliveries.updateValue(delivery, forKey: delivery.offset) == nil
        guard isNew else { return }
        let lane = Lane(delivery.subject, delivery.offset)
        var offsets = lanes[lane] ?? []
        let index = offsets.firstIndex { $0 > delivery.offset } ?? offsets.endIndex
        offsets.insert(delivery.offset, at: index)
        lanes[lane] = offsets
    }

    mutating func remove(_ offset: Offset) {
        guard let delivery = deliveries.removeValue(forKey: offset) else { return }
        let lane = Lane(delivery.subject, offset)
        let rest = lanes[lane]?.filter { $0 != offset } ?? []
        lanes[lane] = rest.isEmpty ? nil : rest
        lookAgain()
    }

    /// The first of each lane whose time has come and that is not being tried, by offset.
    mutating func due(at now: Int64, limit: Int, excluding excluded: Set<Offset>) -> [Offset] {
        guard let earliest, earliest <= now else { return [] }
        let heads = lanes.values.compactMap(\.first).filter { !excluded.contains($0) }
        let due = heads.filter { (deliveries[$0]?.notBefore ?? 0) <= now }.sorted().prefix(limit)
        self.earliest = heads.compactMap { deliveries[$0]?.notBefore }.min()
        return Array(due)
    }

    /// When to look again, in nanoseconds since 1970: never late, perhaps early; nil where nothing waits.
    private(set) var earliest: Int64?

    /// Makes the next ``due(at:limit:excluding:)`` look, as after a delivery that was excluded came back.
    mutating func lookAgain() {
        earliest = deliveries.isEmpty ? nil : .min
    }

    /// Gives every delivery that much longer, as after an outage; what changed.
    mutating func extend(by duration: Duration) -> [ParkedDelivery] {
        for offset in deliveries.keys { deliveries[offset]?.giveUpAt? += duration.nanoseconds }
        return deliveries.values.filter { $0.giveUpAt != nil }
    }
}
