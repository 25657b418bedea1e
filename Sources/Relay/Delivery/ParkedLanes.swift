/// The deliveries that wait out of line, by user.
///
/// A user's lane waits until the latest time that one of its deliveries was told to wait for, and then its
/// first one goes.
struct ParkedLanes {
    /// A user's events wait for each other; an event without a user waits for none.
    enum Lane: Hashable {
        case subject(Subject)
        case alone(Offset)

        init(_ subject: Subject?, _ offset: Offset) {
            self = subject.map(Lane.subject) ?? .alone(offset)
        }
    }

    /// The first delivery of a lane, by when the lane is due; may be out of date.
    private struct Turn: Comparable {
        let time: Int64
        let offset: Offset

        static func < (a: Turn, b: Turn) -> Bool { (a.time, a.offset) < (b.time, b.offset) }
    }

    /// Ascending offsets, never empty, and when they are due.
    private struct Line {
        var offsets: [Offset] = []
        var time: Int64 = 0
    }

    private var deliveries: [Offset: ParkedDelivery] = [:]
    private var lanes: [Lane: Line] = [:]
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

    /// When a lane is due, in nanoseconds since 1970.
    func time(of lane: Lane) -> Int64? { lanes[lane]?.time }

    /// The last delivery of a lane.
    func last(of lane: Lane) -> Offset? { lanes[lane]?.offsets.last }

    subscript(offset: Offset) -> ParkedDelivery? { deliveries[offset] }

    /// Adds a delivery, or replaces what is known of it; one that was taken is given back.
    mutating func insert(_ delivery: ParkedDelivery) {
        let offset = delivery.offset
        taken.remove(offset)
        let isNew = deliveries.updateValue(delivery, forKey: offset) == nil
        let lane = Lane(delivery.subject, offset)
        var line = lanes[lane] ?? Line()
        if isNew { line.offsets.insert(sorted: offset) }
        line.time = max(line.time, delivery.notBefore)
        lanes[lane] = line
        push(lane)
    }

    mutating func remove(_ offset: Offset) {
        guard let delivery = deliveries.removeValue(forKey: offset) else { return }
        taken.remove(offset)
        let lane = Lane(delivery.subject, offset)
        lanes[lane]?.offsets.remove(sorted: offset)
        guard let line = lanes[lane], !line.offsets.isEmpty else { return lanes[lane] = nil }
        // Whoever waits behind another has no time of its own, so there is seldom anything to look for.
        if delivery.notBefore > 0, delivery.notBefore == line.time {
            lanes[lane]?.time = line.offsets.reduce(0) { max($0, deliveries[$1]?.notBefore ?? 0) }
        }
        push(lane)
    }

    /// Nothing of a lane goes before this time, which is not a delivery's own.
    mutating func wait(_ lane: Lane, until time: Int64) {
        guard let line = lanes[lane], line.time < time else { return }
        lanes[lane]?.time = time
        push(lane)
    }

    private mutating func push(_ lane: Lane) {
        guard let line = lanes[lane], let head = line.offsets.first else { return }
        push(Turn(time: line.time, offset: head))
    }

    // MARK: - Whose turn it is

    /// When the next one is due, in nanoseconds since 1970; nil where none waits for its time.
    mutating func earliest() -> Int64? {
        while let turn = turns.first, !isCurrent(turn) { _ = pop() }
        return turns.first?.time
    }

    /// Takes up to `limit` deliveries whose time has come, the earliest first; each comes back by
    /// ``insert(_:)``, ``giveBack(_:)`` or ``remove(_:)``.
    ///
    /// - Parameter followers: How many of those behind it each may bring along, over the limit.
    mutating func takeDue(at now: Int64, limit: Int, followers: Int = 0) -> [Offset] {
        var due: [Offset] = []
        while due.count < limit, let time = earliest(), time <= now, let turn = pop() {
            let lane = Lane(deliveries[turn.offset]?.subject, turn.offset)
            let some = lanes[lane]?.offsets.prefix(1 + followers).filter { !taken.contains($0) } ?? []
            taken.formUnion(some)
            due += some
        }
        return due
    }

    /// It was taken and not tried.
    mutating func giveBack(_ offset: Offset) {
        guard taken.remove(offset) != nil, let delivery = deliveries[offset] else { return }
        push(Lane(delivery.subject, offset))
    }

    private func isCurrent(_ turn: Turn) -> Bool {
        guard let delivery = deliveries[turn.offset], !taken.contains(turn.offset),
            let line = lanes[Lane(delivery.subject, turn.offset)]
        else { return false }
        return line.time == turn.time && line.offsets.first == turn.offset
    }

    // MARK: - Time

    /// Lets no delivery wait longer than until this time.
    ///
    /// Whether a clock was ahead then or is behind now nobody can tell, so nothing is given up sooner for it.
    mutating func bound(notBefore: Int64) {
        for (offset, delivery) in deliveries where delivery.notBefore > notBefore {
            deliveries[offset]?.notBefore = notBefore
        }
        for (lane, line) in lanes where line.time > notBefore {
            lanes[lane]?.time = notBefore
            push(lane)
        }
    }

    /// The wall clock was set: nothing waits longer or shorter for that, nor is given up sooner or later.
    ///
    /// - Parameter before: What it had said until then.
    /// - Returns: What changed.
    mutating func clockWasSet(by nanoseconds: Int64, from before: Int64) -> [ParkedDelivery] {
        for offset in deliveries.keys { deliveries[offset]?.clockWasSet(by: nanoseconds, from: before) }
        turns = []
        for lane in lanes.keys {
            if let time = lanes[lane]?.time, time > 0 { lanes[lane]?.time = time + nanoseconds }
            push(lane)
        }
        return deliveries.values.filter { !$0.failures.isEmpty }
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

extension ParkedDelivery {
    /// Takes its times along with a clock that was set.
    ///
    /// What failed in the future of that clock, as of another one, has its time to be given up from there.
    fileprivate mutating func clockWasSet(by nanoseconds: Int64, from before: Int64) {
        if notBefore > 0 { notBefore += nanoseconds }
        let last = before + ClockWatch.unnoticed.nanoseconds
        if let first = failures.first, first.at <= last { giveUpAt? += nanoseconds }
        failures = failures.map { failure in
            guard failure.at <= last else { return failure }
            return FailedAttempt(
                number: failure.number, at: failure.at + nanoseconds, reason: failure.reason,
                took: failure.took, status: failure.status)
        }
    }
}
