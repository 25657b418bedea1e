import Config
import GRDB

/// Where retention stands: it walks over what is old in passes, a small step at a time.
struct JournalRetention {
    /// What retention has deleted since the journal was opened.
    struct Counts: Sendable, Equatable {
        var entries = 0
        /// Receipts, quarantined inputs, and what else is not an entry.
        var records = 0
        /// Dead letters and quarantined inputs that lost their bytes.
        var bodies = 0
        /// Pages of the file that were given back to the disk.
        var pages = 0
    }

    /// Entries that one step deletes at most, and looks at: neither may stall the writer.
    static let deletesMax = 500
    static let looksMax = 4_000
    /// The same for what is not an entry.
    static let recordsMax = 100
    /// Bytes of events that one step deletes at most; what is larger goes alone.
    static let bytesMax = 8 << 20
    /// What one step gives back.
    static let givenBackBytesMax = 1 << 20
    /// What stays free in the file, so that a full disk still lets the journal settle and delete.
    static let freeBytes = 4 << 20
    /// A pass begins at most this often.
    static let pause = Duration.seconds(60)

    enum Stage: Equatable {
        case resting
        /// Sinks up to this number are done; the next one's entries up to the offset have been looked at.
        case detaching(after: Int64, from: Int64)
        /// Entries up to this offset have been looked at.
        case entries(after: Int64)
        /// Kinds of records before this index are done.
        case records(Int)
        case bodies
        case pages
    }

    /// The first numbers of rows of a number and the bytes that go with it, as far as one step deletes them.
    ///
    /// - Parameter enough: When that many bytes go, the rest may stay.
    static func withinBytes(_ rows: StoredRow.Rows, enough: Int = .max) throws -> [Int64] {
        var numbers: [Int64] = []
        var bytes = 0
        while bytes < enough, let row = try rows.next() {
            bytes += try row[1] as Int
            guard numbers.isEmpty || bytes <= bytesMax else { break }
            numbers.append(try row[0])
        }
        return numbers
    }

    let limits: JournalConfiguration
    var stage = Stage.resting
    var deleted = Counts()
    /// The tables of which the log has that their rows go before their time.
    var toldEarly: Set<String> = []
    /// When the last pass ended, in nanoseconds since 1970.
    private var restedAt: Int64?
    private(set) var deletedBefore = Counts()

    init(_ limits: JournalConfiguration) { self.limits = limits }

    /// Settled entries that are older are deleted.
    var age: Duration { limits.retention }

    var isUnderWay: Bool { stage != .resting }

    /// Whether the pass is at what it has to tell of.
    var isGivingUp: Bool {
        switch stage {
        case .detaching, .bodies: true
        case .resting, .entries, .records, .pages: false
        }
    }

    /// Begins a pass where the last one is long enough ago; a clock that was set back does not delay it.
    mutating func beginIfDue(at now: Int64) {
        guard stage == .resting else { return }
        if let restedAt, now >= restedAt, now - restedAt < Self.pause.nanoseconds { return }
        begin()
    }

    mutating func begin() {
        deletedBefore = deleted
        stage = .detaching(after: 0, from: 0)
    }

    /// Has the next pass begin without a pause.
    mutating func beginEarly() { restedAt = nil }

    mutating func rest(at now: Int64) {
        stage = .resting
        restedAt = now
    }
}
