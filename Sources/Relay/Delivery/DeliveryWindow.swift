import JSON

/// The part of the log that a sink is working on: what was read behind the cursor and is not settled yet.
///
/// Its invariant is the cursor's: everything at or below ``cursor`` is settled or parked; ``settled``
/// are the
/// offsets above it of which that is true as well. It never holds more than ``offsetsMax`` offsets, so what
/// may repeat after a crash, and what the cursor's row carries, stay small; what was settled far above the
/// cursor, before that was moved back, takes no room until reading has come there. Each offset costs the
/// same, however full the window is.
struct DeliveryWindow {
    let offsetsMax: Int
    /// Of events in memory (``Event/footprint``); near it nothing is read ahead.
    var bytesMax = Int.max
    private(set) var cursor: Offset
    /// Where the next read goes on.
    private(set) var readEnd: Offset
    /// Above the cursor, but for what a restart has left over until it is read again.
    private(set) var settled: Set<Offset>
    /// What was read behind the cursor, ascending; it begins at `first`.
    private var slots: [Slot] = []
    private var first = 0
    /// Of `settled` what lies behind `readEnd`, descending.
    private var ahead: [Offset]
    /// Read and not settled.
    private var openCount = 0
    /// Of the events that were read and not settled.
    private(set) var bytes = 0

    private struct Slot {
        let offset: Offset
        /// Nil where it is settled.
        var entry: JournalEntry?
    }

    init(_ lease: SinkLease, offsetsMax: Int = 4_096) {
        self.offsetsMax = offsetsMax
        cursor = lease.cursor
        readEnd = lease.cursor
        settled = Set(lease.settledAbove)
        ahead = settled.sorted(by: >)
    }

    /// How many entries may be read now; never nothing where the window holds no entry at all.
    var room: Int {
        let room = offsetsMax - openCount - (settled.count - ahead.count)
        if isEmpty { return max(1, room) }
        // What is left of the bytes may be no more than an event: to read that alone is not worth it.
        return bytes < bytesMax / 4 * 3 ? max(0, room) : 0
    }

    var isEmpty: Bool { openCount == 0 }

    func entry(_ offset: Offset) -> JournalEntry? { place(of: offset).flatMap { slots[$0].entry } }

    /// What is settled above the cursor, ascending.
    var settledAbove: [Offset] { settled.filter { $0 > cursor }.sorted() }

    /// Takes a page in, and tells which of its entries are new: not settled out of order before a restart.
    mutating func add(_ page: JournalPage) -> [JournalEntry] {
        let new = page.entries.filter { !settled.contains($0.offset) }
        for entry in page.entries {
            let isNew = !settled.contains(entry.offset)
            slots.append(Slot(offset: entry.offset, entry: isNew ? entry : nil))
            if isNew { bytes += entry.event.footprint }
        }
        openCount += new.count
        readEnd = page.end
        while let next = ahead.last, next <= readEnd { ahead.removeLast() }
        advance()
        return new
    }

    /// Settles an offset, or notes that it is parked: either way it is no longer in the window.
    ///
    /// Nothing happens to an offset that is not there.
    mutating func close(_ offset: Offset) {
        guard let place = place(of: offset), let entry = slots[place].entry else { return }
        slots[place].entry = nil
        openCount -= 1
        bytes -= entry.event.footprint
        if place == first { advance() } else { settled.insert(offset) }
    }

    /// Lets go of everything, to be read again later: a sink that is down holds no memory.
    mutating func rewind() {
        slots = []
        first = 0
        openCount = 0
        bytes = 0
        readEnd = cursor
        ahead = settledAbove.reversed()
    }

    private mutating func advance() {
        while first < slots.count, slots[first].entry == nil {
            cursor = slots[first].offset
            if !settled.isEmpty { settled.remove(cursor) }
            first += 1
        }
        if first == slots.count {
            slots.removeAll(keepingCapacity: true)
            first = 0
            if cursor < readEnd { cursor = readEnd }
            // An entry that was settled and is no longer kept is not read again.
            if !settled.isEmpty { settled = settled.filter { $0 > cursor } }
        } else if first > 1_024, first > slots.count / 2 {
            slots.removeFirst(first)
            first = 0
        }
    }

    /// Where an offset stands; nil where it was not read.
    ///
    /// Where every entry is the sink's, they stand as far apart as their offsets, else closer.
    private func place(of offset: Offset) -> Int? {
        guard first < slots.count, offset >= slots[first].offset else { return nil }
        let farthest = first + Int(offset.rawValue - slots[first].offset.rawValue)
        if farthest < slots.count, slots[farthest].offset == offset { return farthest }
        var range = first..<min(farthest, slots.count)
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            if slots[middle].offset == offset { return middle }
            range =
                slots[middle].offset < offset
                ? (middle + 1)..<range.upperBound : range.lowerBound..<middle
        }
        return nil
    }
}
