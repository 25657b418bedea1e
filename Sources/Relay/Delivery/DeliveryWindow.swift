import JSON

/// The part of the log that a sink is working on: what was read behind the cursor and is not settled yet.
///
/// Its invariant is the cursor's: everything at or below ``cursor`` is settled or parked; ``settled``
/// are the
/// offsets above it of which that is true as well. It never holds more than ``offsetsMax`` offsets, so what
/// may repeat after a crash, and what the cursor's row carries, stay small. Each offset costs the same,
/// however full the window is.
struct DeliveryWindow {
    /// Bodies in memory; above it nothing is read ahead.
    static let bytesMax = 64 * 1024 * 1024

    let offsetsMax: Int
    private(set) var cursor: Offset
    /// Where the next read goes on.
    private(set) var readEnd: Offset
    /// Above the cursor, but for what a restart has left over until it is read again.
    private(set) var settled: Set<Offset>
    /// Read and not settled.
    private var entries: [Offset: JournalEntry] = [:]
    /// What was read behind the cursor, ascending, settled or not; it begins at `first`.
    private var order: [Offset] = []
    private var first = 0
    private var bytes = 0

    init(_ lease: SinkLease, offsetsMax: Int = 4_096) {
        self.offsetsMax = offsetsMax
        cursor = lease.cursor
        readEnd = lease.cursor
        settled = Set(lease.settledAbove)
    }

    /// How many entries may be read now; never nothing where the window holds no entry at all.
    var room: Int {
        if entries.isEmpty { return max(1, offsetsMax - settled.count) }
        return bytes < Self.bytesMax ? max(0, offsetsMax - entries.count - settled.count) : 0
    }

    var isEmpty: Bool { entries.isEmpty }

    func entry(_ offset: Offset) -> JournalEntry? { entries[offset] }

    /// What is settled above the cursor, ascending.
    var settledAbove: [Offset] { settled.filter { $0 > cursor }.sorted() }

    /// Takes a page in, and tells which of its entries are new: not settled out of order before a restart.
    mutating func add(_ page: JournalPage) -> [JournalEntry] {
        let new = page.entries.filter { !settled.contains($0.offset) }
        for entry in page.entries { order.append(entry.offset) }
        for entry in new {
            entries[entry.offset] = entry
            bytes += entry.event.body.bytes.count
        }
        readEnd = page.end
        advance()
        return new
    }

    /// Settles an offset, or notes that it is parked: either way it is no longer in the window.
    ///
    /// Nothing happens to an offset that is not there.
    mutating func close(_ offset: Offset) {
        guard let entry = entries.removeValue(forKey: offset) else { return }
        bytes -= entry.event.body.bytes.count
        settled.insert(offset)
        advance()
    }

    /// Lets go of everything, to be read again later: a sink that is down holds no memory.
    mutating func rewind() {
        entries = [:]
        order = []
        first = 0
        bytes = 0
        readEnd = cursor
    }

    private mutating func advance() {
        while first < order.count, entries[order[first]] == nil {
            cursor = order[first]
            settled.remove(cursor)
            first += 1
        }
        if first == order.count {
            order.removeAll(keepingCapacity: true)
            first = 0
            if cursor < readEnd { cursor = readEnd }
            // An entry that was settled and is no longer kept is not read again.
            if !settled.isEmpty { settled = settled.filter { $0 > cursor } }
        } else if first > 1_024, first > order.count / 2 {
            order.removeFirst(first)
            first = 0
        }
    }
}
