/// Users who wait while others go on: each in line until a time of its own.
///
/// Pure: time comes in.
struct WaitingLanes {
    private struct Turn {
        var due: Int64
        let lane: ParkedLanes.Lane
    }

    /// By when they are due, ascending; each lane once.
    private var turns: [Turn] = []
    private(set) var lanes: Set<ParkedLanes.Lane> = []

    /// When the next lane is due, in nanoseconds since 1970.
    var earliest: Int64? { turns.first?.due }

    /// A lane waits until this time, unless it waits already.
    mutating func insert(_ lane: ParkedLanes.Lane, until due: Int64) {
        guard lanes.insert(lane).inserted else { return }
        let index = turns.lastIndex { $0.due <= due }.map { $0 + 1 } ?? 0
        turns.insert(Turn(due: due, lane: lane), at: index)
    }

    /// The lanes whose time has come.
    mutating func takeDue(at now: Int64) -> [ParkedLanes.Lane] {
        let due = turns.prefix { $0.due <= now }.map(\.lane)
        guard !due.isEmpty else { return [] }
        turns.removeFirst(due.count)
        lanes.subtract(due)
        return due
    }

    mutating func clockWasSet(by nanoseconds: Int64) {
        for index in turns.indices { turns[index].due += nanoseconds }
    }
}
