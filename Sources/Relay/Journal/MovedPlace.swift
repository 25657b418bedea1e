/// Where a sink stands after its place was moved under a lease, or a person paused or resumed it.
public struct MovedPlace: Sendable {
    public let cursor: Offset
    public let settledAbove: Set<Offset>
    /// The offsets of its parked rows.
    public let parked: Set<Offset>
    /// Whether what lies behind it comes again; else it was moved forward alone, or not at all.
    public let isBack: Bool

    public init(cursor: Offset, settledAbove: Set<Offset>, parked: Set<Offset>, isBack: Bool) {
        self.cursor = cursor
        self.settledAbove = settledAbove
        self.parked = parked
        self.isBack = isBack
    }

    /// Whether the sink has yet to get a delivery.
    func waits(_ offset: Offset) -> Bool {
        parked.contains(offset) || (offset > cursor && !settledAbove.contains(offset))
    }
}

extension Settlement {
    /// What of it holds at a place that was moved since the lease.
    ///
    /// What has ended has ended, wherever the sink stands now: it comes no second time, unless it had been
    /// settled before the move. What was given up meanwhile stays so: no row and no dead letter of it is
    /// made, and where it got through after all, that counts besides. Moved back, what failed comes again in
    /// its place and is not parked.
    ///
    /// Of a dead letter that is dropped nothing has ended, so its intent stays: it may be wanted again. And
    /// its limits hold the sink no more, for a person may have decided something else: the next lease has the
    /// counts, and finds out anew.
    ///
    /// - Returns: It with the place that comes of it, and how many deliveries count twice.
    public func held(at place: MovedPlace) -> (settlement: Settlement, twice: Int) {
        var held = self
        held.deadLetters = deadLetters.filter { place.waits($0.offset) }
        let dead = Set(deadLetters.map(\.offset))
        let dropped = dead.subtracting(held.deadLetters.map(\.offset))
        held.ended = ended.filter { !dropped.contains($0) }
        held.unparked = unparked.filter { !dropped.contains($0) }
        held.hold = nil
        let late = ended.filter { !place.waits($0) && !dead.contains($0) }
        held.parked = parked.filter {
            place.isBack ? place.parked.contains($0.offset) : place.waits($0.offset)
        }
        let known = Set(parked.map(\.offset)).subtracting(unknown)
        held.unsent += known.subtracting(held.parked.map(\.offset)).sorted()
        if place.isBack {
            held.cursor = place.cursor
            held.settledAbove = Array(place.settledAbove.union(ended).union(dead))
        } else {
            held.cursor = max(cursor, place.cursor)
            held.settledAbove = Array(place.settledAbove.union(settledAbove))
        }
        held.settledAbove = held.settledAbove.filter { $0 > held.cursor }.sorted()
        return (held, late.count)
    }
}
