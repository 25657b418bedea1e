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

    /// The first delivery of a lane, by when it is due; may be out of date.
    private struct Turn: Comparable {
        let time: Int64
        let offset: Offset

        static func < (a: Turn, b: Turn) -> Bool { (a.time, a.offset) < (b.time, b.offset) }
    }

    private var deliveries: [Offset: ParkedDelivery] = [:]
    /// Ascending offsets; never empty.
    private var lanes: [Lane: [Offset]] = [:]
    /// A binary heap, the earliest first.
    ///
    /// Each head that is not with the sink has its turn here.
    private var turns: [Turn] = []
    /// Taken by ``takeDue(at:limit:)`` and not given back.
    private var taken: Set<Offset> = []

    init(_ parked: [ParkedDelivery]) {
        for delivery in parked { insert(delivery) }
    }

    var count: Int { deliveries.count }

    /// The lanes that have a delivery here.
    var blocked: [Lane] { Array(lanes.keys) }

    func isBlocked(_ lane: Lane) -> Bool { lanes[lane] != nil }

    subscript(offset: Offset) -> ParkedDelivery? { deliveries[offset] }

    /// Adds a delivery, or replaces what is known of it; one that was taken is given back.
    mutating func insert(_ delivery: ParkedDelivery) {
        let offset = delivery.offset
        taken.remove(offset)
        let isNew = deliveries.updateValue(delivery, forKey: offset) == nil
        let lane = Lane(delivery.subject, offset)
        if isNew { lanes[lane, default: []].insert(sorted: offset) }
        if lanes[lane]?.first == offset { push(Turn(time: delivery.notBefore, offset: offset)) }
    }

    mutating func remove(_ offset: Offset) {
        guard let delivery = deliveries.removeValue(forKey: offset) else { return }
        taken.remove(offset)
        let lane = Lane(delivery.subject, offset)
        lanes[lane]?.remove(sorted: offset)
        guard let head = lanes[lane]?.first else { return lanes[lane] = nil }
        push(Turn(time: deliveries[head]?.notBefore ?? 0, offset: head))
    }

    // MARK: - Whose turn it is

    /// When the next one is due, in nanoseconds since 1970; nil where none waits for its time.
    mutating func earliest() -> Int64? {
        while let turn = turns.first, !isCurrent(turn) { _ = pop() }
        return turns.first?.time
    }

    /// Takes up to `limit` deliveries whose time has come, the earliest first; each comes back by
    /// ``insert(_:)``,
    /// ``giveBack(_:)`` or ``remove(_:)``.
    mutating func takeDue(at now: Int64, limit: Int) -> [Offset] {
        var due: [Offset] = []
        while due.count < limit, let time = earliest(), time <= now, let turn = pop() {
            taken.insert(turn.offset)
            due.append(turn.offset)
        }
        return due
    }

    /// It was taken and not tried.
    mutating func giveBack(_ offset: Offset) {
        guard taken.remove(offset) != nil, let delivery = deliveries[offset] else { return }
        push(Turn(time: delivery.notBefore, offset: offset))
    }

    private func isCurrent(_ turn: Turn) -> Bool {
        guard let delivery = deliveries[turn.offset], !taken.contains(turn.offset) else { return false }
        return delivery.notBefore == turn.time
            && lanes[Lane(delivery.subject, turn.offset)]?.first == turn.offset
    }

    // MARK: - Time

    /// Gives every delivery that has begun that much longer, as after an outage; what changed.
    mutating func extend(by duration: Duration) -> [ParkedDelivery] {
        for offset in deliveries.keys { deliveries[offset]?.giveUpAt? += duration.nanoseconds }
        return deliveries.values.filter { $0.giveUpAt != nil }
    }

    /// The wall clock was set back; what was to wait a while waits no longer for that.
    mutating func clockWasSetBack(by nanoseconds: Int64) {
        for (offset, delivery) in deliveries where delivery.notBefore > 0 {
            deliveries[offset]?.notBefore -= nanoseconds
            deliveries[offset]?.giveUpAt? -= nanoseconds
        }
        turns = []
        for head in lanes.values.compactMap(\.first) where !taken.contains(head) {
            push(Turn(time: deliveries[head]?.notBefore ?? 0, offset: head))
        }
    }

    // MARK: - The heap

    private mutating func push(_ turn: Turn) {
        turns.append(turn)
        var child = turns.count - 1
        while child > 0, turns[child] < turns[(child - 1) / 2] {
            turns.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    private mutating func pop() -> Turn? {
        guard let first = turns.first, let last = turns.popLast() else { return nil }
        guard !turns.isEmpty else { return first }
        turns[0] = last
        var parent = 0
        while true {
            let (left, right) = (2 * parent + 1, 2 * parent + 2)
            guard left < turns.count else { return first }
            let least = right < turns.count && turns[right] < turns[left] ? right : left
            guard turns[least] < turns[parent] else { return first }
            turns.swapAt(parent, least)
            parent = least
        }
    }
}
