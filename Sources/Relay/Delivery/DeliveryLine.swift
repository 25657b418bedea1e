/// Who may go next: the offsets in line, by user, and which of them nothing stands in the way of.
///
/// A user's lane is *stopped* while a delivery of theirs is with the sink or parked. ``ready`` are,
/// ascending, the
/// first offsets of all lanes that are not stopped; for a sink that folds users, all offsets of those
/// lanes.
struct DeliveryLine {
    private let foldsUsers: Bool
    /// In line, ascending; never empty.
    private var lanes: [ParkedLanes.Lane: [Offset]] = [:]
    private var stopped: Set<ParkedLanes.Lane> = []
    private(set) var ready: [Offset] = []

    init(foldsUsers: Bool) { self.foldsUsers = foldsUsers }

    func isStopped(_ lane: ParkedLanes.Lane) -> Bool { stopped.contains(lane) }

    /// Puts an offset in line, behind all others of its user that are smaller.
    mutating func add(_ offset: Offset, _ lane: ParkedLanes.Lane) {
        if !isStopped(lane), !foldsUsers, let head = lanes[lane]?.first, offset < head {
            ready.remove(sorted: head)
        }
        lanes[lane, default: []].insert(sorted: offset)
        if !isStopped(lane), foldsUsers || lanes[lane]?.first == offset { ready.insert(sorted: offset) }
    }

    /// Takes an offset out of line: it is with the sink, or parked.
    mutating func remove(_ offset: Offset, _ lane: ParkedLanes.Lane) {
        guard lanes[lane]?.remove(sorted: offset) == true else { return }
        ready.remove(sorted: offset)
        if lanes[lane]?.isEmpty == true { lanes[lane] = nil }
        if !isStopped(lane), !foldsUsers, let head = lanes[lane]?.first { ready.insert(sorted: head) }
    }

    mutating func stop(_ lane: ParkedLanes.Lane) {
        guard stopped.insert(lane).inserted, let offsets = lanes[lane] else { return }
        for offset in foldsUsers ? offsets[...] : offsets.prefix(1) { ready.remove(sorted: offset) }
    }

    mutating func go(_ lane: ParkedLanes.Lane) {
        guard stopped.remove(lane) != nil, let offsets = lanes[lane] else { return }
        for offset in foldsUsers ? offsets[...] : offsets.prefix(1) { ready.insert(sorted: offset) }
    }

    /// The offsets of a lane that are in line.
    func offsets(in lane: ParkedLanes.Lane) -> [Offset] { lanes[lane] ?? [] }

    /// Nobody is in line any more; stopped lanes stay stopped.
    mutating func removeAll() {
        lanes = [:]
        ready = []
    }
}

extension [Offset] {
    /// The index of the first element that is not smaller.
    private func index(of offset: Offset) -> Int {
        if let last, last < offset { return endIndex }
        var range = indices
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            range = self[middle] < offset ? (middle + 1)..<range.upperBound : range.lowerBound..<middle
        }
        return range.lowerBound
    }

    /// Inserts into a sorted array; an element that is there is not inserted again.
    mutating func insert(sorted offset: Offset) {
        let index = index(of: offset)
        if index == endIndex || self[index] != offset { insert(offset, at: index) }
    }

    /// Removes from a sorted array; false where it was not there.
    @discardableResult
    mutating func remove(sorted offset: Offset) -> Bool {
        let index = index(of: offset)
        guard index < endIndex, self[index] == offset else { return false }
        remove(at: index)
        return true
    }
}
