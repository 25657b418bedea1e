/// The part of the log that a sink is working on: what was read behind the cursor and is not settled yet.
///
/// Its invariant is the cursor's: everything at or below ``cursor`` is settled or parked; ``settled`` are the
/// offsets above it of which that is true as well. It never holds more than ``offsetsMax`` offsets, so what
/// may repeat after a crash, and what the cursor's row carries, stay small.
struct DeliveryWindow {
    static let offsetsMax = 4_096

    private(set) var cursor: Offset
    /// Where the next read goes on.
    private(set) var readEnd: Offset
    /// Above the cursor.
    private(set) var settled: Set<Offset>
    /// Read and not settled, ascending.
    private var open: [Offset] = []
    private var entries: [Offset: JournalEntry] = [:]
    /// Open and not handed to the sink, ascending.
    private(set) var queue: [Offset] = []

    init(_ lease: SinkLease) {
        cursor = lease.cursor
        readEnd = lease.cursor
        settled = Set(lease.settledAbove)
    }

    var hasRoom: Bool { open.count + settled.count < Self.offsetsMax }
    var isEmpty: Bool { open.isEmpty }

    func entry(_ offset: Offset) -> JournalEntry? { entries[offset] }

    /// Takes a page in; entries that were settled out of order before a restart are left out.
    mutating func add(_ page: JournalPage) {
        for entry in page.entries where !settled.contains(entry.offset) {
            open.append(entry.offset)
            queue.append(entry.offset)
            entries[entry.offset] = entry
        }
        readEnd = page.end
        advance()
    }

    /// Takes offsets out of the queue: they are with the sink now.
    mutating func take(_ offsets: Set<Offset>) {
        queue.removeAll { offsets.contains($0) }
    }

    /// Puts offsets back in line, at their old places.
    mutating func putBack(_ offsets: [Offset]) {
        queue = (queue + offsets.filter { entries[$0] != nil }).sorted()
    }

    /// Settles offsets, or notes that they are parked: either way they are no longer in the window.
    mutating func close(_ offsets: Set<Offset>) {
        open.removeAll { offsets.contains($0) }
        queue.removeAll { offsets.contains($0) }
        for offset in offsets where entries.removeValue(forKey: offset) != nil { settled.insert(offset) }
        advance()
    }

    /// Lets go of everything that is not with the sink, to be read again later: a sink that is down holds no
    /// memory.
    mutating func rewind() {
        guard queue.count == open.count else { return }
        open = []
        queue = []
        entries = [:]
        readEnd = cursor
    }

    private mutating func advance() {
        if let first = open.first {
            if let last = settled.filter({ $0 < first }).max() { cursor = max(cursor, last) }
        } else {
            cursor = max(cursor, readEnd)
        }
        let reached = cursor
        settled = settled.filter { $0 > reached }
    }
}
