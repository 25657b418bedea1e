import Foundation
import GRDB

/// What the journal takes of its disk, against what it may take.
///
/// Owned by the writer thread.
struct JournalSpace {
    /// Of the maximum: from here an operator is warned.
    static let warnedShare = 0.7
    /// From here room is made.
    static let reliefShare = 0.9
    /// Written between two measurements.
    private static let measureBytes = 1024 * 1024

    let sizeMax: Int
    var reserve: JournalReserve
    private let logPath: String
    /// Pages in use and the write-ahead log, when last measured.
    private(set) var usedBytes = 0
    private(set) var logBytes = 0
    private var unmeasuredBytes = 0

    init(journalPath: String, sizeMax: Int) {
        self.sizeMax = sizeMax
        reserve = JournalReserve(journalPath: journalPath, sizeMax: sizeMax)
        logPath = journalPath + "-wal"
    }

    var share: Double { Double(usedBytes) / Double(sizeMax) }
    var isNearMax: Bool { share >= Self.reliefShare }
    /// The write-ahead log is copied into the file before it takes more of the maximum, or more than the
    /// reserve has room for.
    var logBytesMax: Int { min(sizeMax / 16, reserve.bytes / 2) }
    var isLogLarge: Bool { logBytes > 2 * logBytesMax }

    /// Why nothing more can be taken in; nil where it can.
    var refusal: String? {
        if reserve.isReleased { return JournalError.diskIsFull }
        guard usedBytes + unmeasuredBytes >= sizeMax else { return nil }
        return
            "the journal has reached journal.maxSize, and nothing in it may be deleted yet; raise it, or "
            + "mend the sinks that are behind"
    }

    /// Notes what was written; true where it is time to measure.
    mutating func wrote(_ bytes: Int) -> Bool {
        unmeasuredBytes += bytes
        return unmeasuredBytes >= Self.measureBytes || isNearMax
    }

    mutating func measure(_ db: Database) throws {
        usedBytes = try Self.pageBytesInUse(db)
        logBytes = Self.bytes(ofLog: logPath)
        // Its file is longer where it could not be cut in time; no entry should go for that.
        usedBytes += min(logBytes, 2 * logBytesMax)
        unmeasuredBytes = 0
    }

    static func pageBytesInUse(_ db: Database) throws -> Int {
        func pragma(_ name: String) throws -> Int {
            try Int.fetchOne(db.cachedStatement(sql: "PRAGMA \(name)")) ?? 0
        }
        return (try pragma("page_count") - pragma("freelist_count")) * JournalFile.pageBytes
    }

    static func bytes(ofFile path: String) -> Int {
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        return (attributes?[.size] as? NSNumber)?.intValue ?? 0
    }

    /// The same for the write-ahead log while events come in: Foundation looks up the owner's name as well,
    /// in the system's files.
    ///
    /// Not for the database: to close a file that SQLite has locked is to drop its locks (`sqlite.org`, "How
    /// To Corrupt An SQLite Database File", 2.2). It never locks the log.
    private static func bytes(ofLog path: String) -> Int {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return 0 }
        defer { close(file) }
        return max(0, Int(lseek(file, 0, SEEK_END)))
    }
}
