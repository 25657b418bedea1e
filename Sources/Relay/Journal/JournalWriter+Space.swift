import Dispatch
import GRDB
import Logging

/// Keeps the journal within `maxSize`, or what its disk has for it, and alive on a full disk.
///
/// Near the limit room is made (see `JournalWriter+Relief.swift`). What is taken in is refused only when even
/// that was not enough, or not fast enough; settling goes on, and makes room.
extension JournalWriter {
    /// Throws where nothing more may be taken in.
    func refuseWithoutRoom() throws {
        if space.reserve.isReleased { takeReserveAgain() }
        if let reason = space.refusal { throw JournalError.cannotCommit(reason: reason) }
    }

    /// Where the disk was full, or had no room for the reserve, looks whether it still is so.
    func takeReserveAgain() {
        let wasReleased = space.reserve.isReleased
        guard space.reserve.take(), wasReleased else { return }
        logger.notice("the journal's disk has room again; events are taken in")
    }

    /// Measures now and then, and makes room while it is needed.
    func afterWriting(_ bytes: Int) {
        guard space.wrote(bytes) else { return }
        measure()
        // A command takes no room but for what it appends.
        guard retainsByItself || hasAppended else { return }
        let makeRoom = retainsByItself ? retentionStep : { self.relieve(at: self.clock.now) }
        // The sink that is behind may settle something in each commit, and what comes be settled at once: to
        // look at both comes before anything is given up, and must not be all that there is time for.
        let end = DispatchTime.now() + Self.relievingTime
        var steps = 0
        while space.isNearLimit, steps < Self.relievingStepsMin || DispatchTime.now() < end, makeRoom() {
            steps += 1
        }
    }

    /// What making room takes of each commit, while callers wait for the next one.
    private static let relievingTime = DispatchTimeInterval.milliseconds(20)
    private static let relievingStepsMin = 6

    func measure() {
        do {
            try queue.writeWithoutTransaction { try space.measure($0) }
        } catch {
            // The next commit tells what is wrong.
        }
        sizeWarning.update(space, logger)
    }

    /// A disk without room: the reserve is let go, so that settling and deleting go on.
    func noteFailure(_ error: any Error) {
        guard let error = error as? DatabaseError,
            error.resultCode == .SQLITE_FULL
                || (error.resultCode == .SQLITE_IOERR && space.reserve.isDiskFull)
        else { return }
        // Cutting the log gives its room back.
        checkpointIsDue(.truncate)
        guard !space.reserve.isReleased else { return }
        space.reserve.release()
        shortage.look(.short, at: clock.now)
        logger.error(
            "the journal's disk is full; events are refused with 503 until there is room, deliveries go on")
        retention.beginEarly()
    }

    /// Gives some of the file's free pages back to the disk; how many.
    func giveBackPages() throws -> Int {
        var pages = 0
        try queue.writeWithoutTransaction { db in
            let free = try Int.fetchOne(db, sql: "PRAGMA freelist_count") ?? 0
            // What a step writes must fit into the reserve, or a full disk would undo it; to have that again,
            // nearly all are given back.
            let reserve = space.reserve.bytes / (space.reserve.isReleased ? 4 : 1)
            let kept = min(JournalRetention.freeBytes, reserve) / space.bytesPerPage
            let most = max(1, min(JournalRetention.givenBackBytesMax, space.logBytesMax) / space.bytesPerPage)
            pages = min(max(0, free - kept), most)
            guard pages > 0 else { return }
            _ = try StoredRow.fetchAll(db, sql: "PRAGMA incremental_vacuum(\(pages))")
            // A file that was made without auto_vacuum = INCREMENTAL gives none.
            let left = try Int.fetchOne(db, sql: "PRAGMA freelist_count") ?? free
            pages = max(0, free - left)
        }
        retention.deleted.pages += pages
        return pages
    }
}

/// Tells an operator once that the journal grows towards its limit, and once that it has reached its maximum.
struct SizeWarning {
    private enum Level: Int { case none, near, full }
    private var level = Level.none

    mutating func update(_ space: JournalSpace, _ logger: Logger) {
        let share = space.share
        // Where the disk ends first, the write that finds it full tells.
        let isFull = space.usedBytes >= space.sizeMax
        let reached: Level = isFull ? .full : share >= JournalSpace.warnedShare ? .near : .none
        defer {
            // A little less does not end it, so that it is not said again and again.
            if reached.rawValue > level.rawValue || share < JournalSpace.warnedShare - 0.05 {
                level = reached
            }
        }
        guard reached.rawValue > level.rawValue else { return }
        let metadata: Logger.Metadata = [
            "usedBytes": "\(space.usedBytes)", "maxBytes": "\(space.limitBytes)",
        ]
        if reached == .full {
            logger.error(
                "the journal has reached journal.maxSize; events are refused with 503 until there is room",
                metadata: metadata)
        } else {
            let limit = space.limitBytes < space.sizeMax ? "what its disk has for it" : "journal.maxSize"
            logger.warning(
                """
                the journal takes 70 % of \(limit); from 90 % old events go early, then those of sinks that \
                are disabled or furthest behind
                """,
                metadata: metadata)
        }
    }
}
