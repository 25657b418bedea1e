import CDispatch  // On Linux `stat` counts to it.
import Foundation
import GRDB

/// What the journal takes of its disk, against what it may take.
///
/// The writer's thread owns one; whoever tells of a journal measures another.
struct JournalSpace {
    /// Of the limit: from here an operator is warned.
    static let warnedShare = 0.7
    /// From here room is made.
    static let reliefShare = 0.9
    /// Written between two measurements, at most.
    private static let measureBytesMax = 1024 * 1024

    let sizeMax: Int
    /// The same, or the whole disk where that is smaller: what limits of single tables are parts of.
    let sizeMaxOnDisk: Int
    var reserve: JournalReserve
    private let path: String
    /// Pages in use, when last measured.
    private var pageBytes = 0
    /// Of the write-ahead log's file, when last measured.
    private(set) var logBytes = 0
    /// What it may take: the maximum, or what its disk has for it where that is less.
    private(set) var limitBytes: Int
    /// What its files take of the disk, and what anybody may still take; nil where the system does not tell.
    private(set) var roomBytes: Int?
    /// What may be used before the disk is full: less than the limit where others have filled it.
    private var endBytes = Int.max
    /// Whether pages that are free can go back to the disk: not in a file that was made without
    /// `auto_vacuum = INCREMENTAL`.
    private(set) var canShrink = true
    private var unmeasuredBytes = 0
    /// As the file was made.
    private(set) var bytesPerPage = JournalFile.pageBytes

    /// - Parameter journalPath: Of the file itself, whatever links lead to it.
    init(journalPath: String, sizeMax: Int) {
        self.sizeMax = sizeMax
        limitBytes = sizeMax
        reserve = JournalReserve(journalPath: journalPath, sizeMax: sizeMax)
        sizeMaxOnDisk = min(sizeMax, reserve.disk?.totalBytes ?? sizeMax)
        path = journalPath
    }

    /// Pages in use and the write-ahead log, when last measured.
    ///
    /// Of the log no more than it may have: its file is longer where it could not be cut in time, and no
    /// entry should go for that.
    var usedBytes: Int { pageBytes + min(logBytes, logBytesCounted) }
    var share: Double { Double(usedBytes) / Double(limitBytes) }
    var isNearLimit: Bool { share >= Self.reliefShare }
    /// Whether the maximum is what is near, and not the end of the disk.
    var isNearMax: Bool { Double(usedBytes) >= Self.reliefShare * Double(sizeMax) }
    /// Whether room has to be made: also where the disk is full of other files, as far as that helps.
    var needsRelief: Bool { isNearLimit || (reserve.isReleased && usedBytes > reserve.bytes) }
    /// Whether the disk is what is short.
    var shortage: DiskShortage.Look {
        if isNearMax { return .ended }
        // That the log has just been cut ends nothing: this is the share with a long one.
        let steadyShare = Double(pageBytes + logBytesCounted) / Double(limitBytes)
        if needsRelief || steadyShare >= Self.reliefShare { return .short }
        return steadyShare < Self.reliefShare - 0.05 ? .ended : .nearlyShort
    }
    /// The write-ahead log is copied into the file before it takes more of the maximum, or more than the
    /// reserve has room for.
    var logBytesMax: Int { min(sizeMax / 16, reserve.bytes / 2) }
    /// The most of the log that counts.
    private var logBytesCounted: Int { 2 * logBytesMax }
    var isLogLarge: Bool { logBytes > logBytesCounted }

    /// Why nothing more can be taken in; nil where it can.
    var refusal: String? {
        if reserve.isReleased { return JournalError.diskIsFull }
        guard usedBytes + unmeasuredBytes >= sizeMax else { return nil }
        return
            "the journal has reached journal.maxSize, and nothing in it may be deleted yet; raise it, or "
            + "mend the sinks that are behind"
    }

    /// Bodies that a step of a replay appends at most; what is larger goes alone.
    ///
    /// Of the limit, so that a step fits between where room is made and the limit.
    var replayBytesMax: Int { min(1 << 20, limitBytes / 64) }

    /// Whether one more step of a replay costs no sink what waits for it, and intake nothing.
    ///
    /// So it is where no room has to be made for it, and for a few steps at once where that would take events
    /// that every sink has; and where the disk has that room. Without the reserve it has none.
    func hasRoomForReplays(_ db: Database) throws -> Bool {
        try reserve.isTaken && hasRoomForReplays(areOldestSettled: try Self.areOldestSettled(db))
    }

    /// The same by what was measured.
    func hasRoomForReplays(areOldestSettled: @autoclosure () throws -> Bool) rethrows -> Bool {
        // On their pages and in the log, bodies take about twice as much.
        let step = 2 * replayBytesMax
        let next = usedBytes + unmeasuredBytes + step
        // A disk that ends before the limit is full before room is made: a log's worth is left for intake.
        guard endBytes >= limitBytes || next + logBytesMax <= endBytes else { return false }
        let relief = Int(Self.reliefShare * Double(limitBytes))
        if next < relief { return true }
        return try next < min(relief + 2 * step, limitBytes) && areOldestSettled()
    }

    /// Whether every sink has most of the oldest events, which is where making room begins.
    private static func areOldestSettled(_ db: Database) throws -> Bool {
        let isSettled = #""offset" <= settled_to AND "offset" NOT IN (SELECT "offset" FROM parked)"#
        return try Bool.fetchOne(
            db,
            sql: """
                SELECT coalesce(avg(\(isSettled)), 0) >= 0.5
                FROM (SELECT "offset", route_id FROM entries ORDER BY "offset" LIMIT ?)
                    JOIN (\(JournalWriter.routeEndsSQL)) ON route = route_id
                """,
            arguments: [JournalRetention.looksMax, Int64.max, "[]"]) ?? false
    }

    /// Notes what was written; true where it is time to measure.
    mutating func wrote(_ bytes: Int) -> Bool {
        unmeasuredBytes += bytes
        return unmeasuredBytes >= min(Self.measureBytesMax, limitBytes / 64) || isNearLimit
    }

    /// The same, measured now.
    func measured(_ db: Database) throws -> JournalSpace {
        var space = self
        try space.measure(db)
        return space
    }

    mutating func measure(_ db: Database) throws {
        canShrink = try Self.pragma("auto_vacuum", db) == 2
        bytesPerPage = try Self.pragma("page_size", db)
        let pages = try Self.pragma("page_count", db) - Self.pragma("freelist_count", db)
        note(
            pageBytes: pages * bytesPerPage, logBytes: Self.bytes(ofFile: Self.logPath(path)),
            roomBytes: Self.roomBytes(path))
    }

    /// Notes what was measured.
    mutating func note(pageBytes: Int, logBytes: Int, roomBytes: Int?) {
        (self.pageBytes, self.logBytes, self.roomBytes) = (pageBytes, logBytes, roomBytes)
        unmeasuredBytes = 0
        let room = roomBytes.map { reserve.isReleased ? $0 - reserve.bytes : $0 }
        // A disk that others have filled makes the journal no smaller than it must be to go on.
        limitBytes = min(sizeMax, max(room ?? sizeMax, 3 * reserve.bytes, 1))
        endBytes = room.map { $0 - max(0, logBytes - logBytesCounted) } ?? .max
    }

    private static func pragma(_ name: String, _ db: Database) throws -> Int {
        try Int.fetchOne(db.cachedStatement(sql: "PRAGMA \(name)")) ?? 0
    }

    /// What the disk has for a journal: what its files take already, and what anybody may still take.
    ///
    /// Nil where the system does not tell. Neither the journal nor its folder need be there.
    ///
    /// - Parameter countsReserve: Whether the journal's reserve is among what it takes.
    static func roomBytes(_ journalPath: String, countsReserve: Bool = false) -> Int? {
        var folder = JournalFile.folder(of: journalPath)
        while !FileManager.default.fileExists(atPath: folder), folder != "/", folder != "." {
            folder = JournalFile.folder(of: folder)
        }
        let files = [journalPath, logPath(journalPath)] + (countsReserve ? [journalPath + ".reserve"] : [])
        return Disk(of: folder).map { files.map(bytes(ofFile:)).reduce($0.availableBytes, +) }
    }

    static func logPath(_ journalPath: String) -> String { journalPath + "-wal" }

    static func bytes(ofFile path: String) -> Int {
        // Not by FileManager, which looks up the names of owner and group as well: this is asked for with
        // every megabyte that is written.
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : 0
    }
}

extension SQLiteJournal {
    /// What its disk has for a journal at that path: what it takes already, its reserve included, and what
    /// anybody may still take.
    ///
    /// Nil where the system does not tell. Neither the journal nor its folder need be there.
    public static func roomBytes(path: String) -> Int? {
        JournalSpace.roomBytes(JournalFile.place(of: path), countsReserve: true)
    }
}
