/// Where retention stands: it walks over the old entries in passes, a small step at a time.
struct JournalRetention {
    /// What retention has deleted since the journal was opened.
    struct Counts: Sendable, Equatable {
        var entries = 0
        var quarantined = 0
        /// Pages of the file that were given back to the disk.
        var pages = 0
    }

    /// Entries that one step deletes at most, and looks at: neither may stall the writer.
    static let deletesMax = 500
    static let looksMax = 4_000
    static let quarantineMax = 100
    /// Pages that one step gives back: 1 MB.
    static let pagesMax = 64
    /// Free pages that stay in the file, so that a full disk still lets the journal settle and delete: 4
    /// MB.
    static let pagesReserve = 256
    /// A pass begins at most this often.
    static let pause = Duration.seconds(60)

    enum Stage: Equatable {
        case resting
        /// Entries up to this offset have been looked at.
        case entries(after: Int64)
        case quarantine
        case pages
    }

    /// What is older is deleted.
    let age: Duration
    var stage = Stage.resting
    var deleted = Counts()
    /// When the last pass ended, in nanoseconds since 1970.
    private var restedAt: Int64?
    private(set) var deletedBefore = Counts()

    init(_ age: Duration) { self.age = age }

    var isUnderWay: Bool { stage != .resting }

    /// Begins a pass where the last one is long enough ago; a clock that was set back does not delay it.
    mutating func beginIfDue(at now: Int64) {
        guard stage == .resting else { return }
        if let restedAt, now >= restedAt, now - restedAt < Self.pause.nanoseconds { return }
        begin()
    }

    mutating func begin() {
        deletedBefore = deleted
        stage = .entries(after: 0)
    }

    mutating func rest(at now: Int64) {
        stage = .resting
        restedAt = now
    }
}
