/// Who may go next: the offsets in line, by user, and which of them nothing stands in the way of.
///
/// A user's lane is *stopped* while a delivery of theirs is with the sink or parked. ``ready`` are,
/// ascending, the
/// first offsets of all lanes that are not stopped; for a sink that folds users, all offsets of those
/// lanes.
struct DeliveryLine {
    /// One user's.
    private struct Queue {
        /// In line, ascending.
        var offsets: [Offset] = []
        var isStopped = false
    }

    private let foldsUsers: Bool
    /// Each has somebody in line, or is stopped.
    private var queues: [ParkedLanes.Lane: Queue] = [:]
    private(set) var ready: [Offset] = []

    init(foldsUsers: Bool) { self.foldsUsers = foldsUsers }

    func isStopped(_ lane: ParkedLanes.Lane) -> Bool { queues[lane]?.isStopped == true }

    /// Puts an offset in line, behind all others of its user that are smaller.
    mutating func add(_ offset: Offset, _ lane: ParkedLanes.Lane) {
        guard let index = queues.index(forKey: lane) else {
            queues[lane] = Queue(offsets: [offset])
            return ready.insert(sorted: offset)
        }
        let (head, isStopped) = (queues.values[index].offsets.first, queues.values[index].isStopped)
        queues.values[index].offsets.insert(sorted: offset)
        guard !isStopped else { return }
        if foldsUsers { return ready.insert(sorted: offset) }
        guard head.map({ offset < $0 }) ?? true else { return }
        if let head { ready.remove(sorted: head) }
        ready.insert(sorted: offset)
    }

    /// Takes an offset out of line: it is parked.
    mutating func remove(_ offset: Offset, _ lane: ParkedLanes.Lane) {
        guard let index = queues.index(forKey: lane),
            queues.values[index].offsets.remove(sorted: offset)
        else { return }
        ready.remove(sorted: offset)
        let (head, isStopped) = (queues.values[index].offsets.first, queues.values[index].isStopped)
        guard !isStopped else { return }
        if let head {
            if !foldsUsers { ready.insert(sorted: head) }
        } else {
            queues.remove(at: index)
        }
    }

    /// Takes an offset out of line and stops the others of its user: it is with the sink.
    mutating func take(_ offset: Offset, _ lane: ParkedLanes.Lane) {
        stop(lane)
        remove(offset, lane)
    }

    mutating func stop(_ lane: ParkedLanes.Lane) {
        guard let index = queues.index(forKey: lane) else { return queues[lane] = Queue(isStopped: true) }
        guard !queues.values[index].isStopped else { return }
        queues.values[index].isStopped = true
        for offset in movable(queues.values[index].offsets) { ready.remove(sorted: offset) }
    }

    mutating func go(_ lane: ParkedLanes.Lane) {
        guard let index = queues.index(forKey: lane), queues.values[index].isStopped else { return }
        let offsets = queues.values[index].offsets
        if offsets.isEmpty { queues.remove(at: index) } else { queues.values[index].isStopped = false }
        for offset in movable(offsets) { ready.insert(sorted: offset) }
    }

    /// Those of a user's offsets that may go where nothing stops them.
    private func movable(_ offsets: [Offset]) -> ArraySlice<Offset> {
        foldsUsers ? offsets[...] : offsets.prefix(1)
    }

    /// The offsets of a lane that are in line.
    func offsets(in lane: ParkedLanes.Lane) -> [Offset] { queues[lane]?.offsets ?? [] }

    /// Nobody is in line any more; stopped lanes stay stopped.
    mutating func removeAll() {
        queues = queues.filter(\.value.isStopped).mapValues { _ in Queue(isStopped: true) }
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
