import GRDB
import Logging

/// Keeps the journal within `maxSize`, or what its disk has for it, and alive on a full disk.
///
/// Near the limit, bodies over the limits of their own go first, then entries that every sink has settled,
/// before their age and oldest first; then the sink that is furthest behind is detached, step by step. What
/// is taken in is refused only when even that was not enough, or not fast enough; settling goes on, and makes
/// room.
extension JournalWriter {
    /// Throws where nothing more may be taken in.
    func refuseWithoutRoom() throws {
        takeReserveAgain()
        if let reason = space.refusal { throw JournalError.cannotCommit(reason: reason) }
    }

    /// Where the disk was full, looks whether it still is.
    func takeReserveAgain() {
        guard space.reserve.isReleased, space.reserve.take() else { return }
        logger.notice("the journal's disk has room again; events are taken in")
    }

    /// Measures now and then, and makes room while it is needed.
    func afterWriting(_ bytes: Int) {
        guard space.wrote(bytes) else { return }
        measure()
        if space.isNearLimit { _ = retentionStep() }
    }

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
        shortage.begin(at: clock.now)
        logger.error(
            "the journal's disk is full; events are refused with 503 until there is room, deliveries go on")
        retention.beginEarly()
    }

    // MARK: - Near the limit

    /// One step that makes room; false where none is needed or none can be made.
    func relieve(at now: Int64) -> Bool {
        guard !relief.isResting(at: now) else { return false }
        // Others take room on the disk, and give it back.
        measure()
        noteShortage(at: now)
        guard space.needsRelief else {
            relief = JournalRelief()
            return false
        }
        do {
            if space.isLogLarge, !relief.hasCutLog {
                // Without it there may be room enough.
                relief.hasCutLog = true
                checkpointIsDue(.truncate)
                return true
            }
            let isMade = try makeRoom(at: now)
            if !isMade { relief.rest(at: now) }
            measure()
            relief.hasCutLog = relief.hasCutLog && space.isLogLarge
            if !space.needsRelief { relief = JournalRelief() }
            return isMade
        } catch {
            relief.rest(at: now)
            noteFailure(error)
            return false
        }
    }

    /// Notes since when the disk is what is short.
    private func noteShortage(at now: Int64) {
        if space.isNearMax {
            shortage.end()
        } else if space.needsRelief {
            shortage.begin(at: now)
        } else if space.share < JournalSpace.reliefShare - 0.05 {
            // A little less does not end it: a journal that fills its disk by itself needs no new patience.
            shortage.end()
        }
    }

    /// What costs least goes first; false where nothing is left that may go.
    private func makeRoom(at now: Int64) throws -> Bool {
        let isTight = space.reserve.isReleased
        // On a full disk the log must be used anew, and must not grow.
        defer { if isTight { copyLog() } }
        if isTight, try giveBackPages() > 0 { return true }
        return try expireBodies() > 0 || deleteEarly() || detachFurthestBehind(at: now)
    }

    private func copyLog() {
        // Where it fails, the next step needs room that is not there, and waits for it.
        _ = try? queue.writeWithoutTransaction { try $0.checkpoint(.passive) }
    }

    /// Gives some of the file's free pages back to the disk; how many.
    func giveBackPages() throws -> Int {
        var pages = 0
        try queue.writeWithoutTransaction { db in
            let free = try Int.fetchOne(db, sql: "PRAGMA freelist_count") ?? 0
            // What a step writes must fit into the reserve, or a full disk would undo it; to have that again,
            // nearly all are given back.
            let reserve = space.reserve.bytes / (space.reserve.isReleased ? 4 : 1)
            let kept = min(JournalRetention.pagesReserve, reserve / JournalFile.pageBytes)
            let most = min(JournalRetention.pagesMax, max(1, space.logBytesMax / JournalFile.pageBytes))
            pages = min(max(0, free - kept), most)
            guard pages > 0 else { return }
            _ = try Row.fetchAll(db, sql: "PRAGMA incremental_vacuum(\(pages))")
            // A file that was made without auto_vacuum = INCREMENTAL gives none.
            let left = try Int.fetchOne(db, sql: "PRAGMA freelist_count") ?? free
            pages = max(0, free - left)
        }
        retention.deleted.pages += pages
        return pages
    }

    /// Deletes some of the oldest settled entries; false where none are left.
    private func deleteEarly() throws -> Bool {
        let found = try deleteSettled(after: relief.after) { _ in true }
        retention.deleted.entries += found.deleted
        relief.after = found.seenTo
        relief.firstPinned = relief.firstPinned ?? found.firstPinned
        return found.deleted > 0 || !found.isAtEnd
    }

    /// Has the sink that the oldest entry waits for give up some; false where nothing waits, or not for long,
    /// and where that would not help the disk, or it has not been full for long.
    private func detachFurthestBehind(at now: Int64) throws -> Bool {
        guard kept.policies != nil, let pinned = relief.firstPinned else { return false }
        let reason = space.isNearMax ? DetachReason.size : .disk
        let room = space.reserve.isReleased ? space.roomBytes : nil
        let pages = retention.deleted.pages
        guard reason == .size || shortage.mayGiveUp(at: now, roomBytes: room, pages: pages) else {
            return false
        }
        // What is in flight settles, and is not given up for a disk.
        let receivedBefore = reason == .disk ? now - DiskShortage.patience.nanoseconds : .max
        var (isOld, isMade) = (false, false)
        try alone { db in
            guard let last = try lastToGiveUp(from: pinned, receivedBefore: receivedBefore, db) else {
                return
            }
            isOld = true
            for sink in try SinkPlace.all(db) where try pins(sink, pinned, db) {
                // Nothing before the first that is pinned waits for anybody.
                var given = try sink.entries(
                    after: max(sink.cursor, pinned - 1), through: last,
                    routes: routes.ids(naming: sink.name, db), db)
                given.add(try sink.parkedEntries(through: last, db))
                try detach(given, of: sink, through: last, because: reason, at: now, db)
                isMade = true
            }
        }
        guard isOld else { return false }
        if isMade { shortage.gaveUp(roomBytes: room, pages: pages) }
        // Where no sink needs the entry after all, it is passed over.
        relief.after = isMade ? pinned - 1 : pinned
        relief.firstPinned = nil
        return true
    }

    /// How far one step gives up; nil where the first entry is too young already.
    private func lastToGiveUp(
        from first: Int64, receivedBefore instant: Int64, _ db: Database
    ) throws -> Int64? {
        let last = try Int64.fetchOne(
            db,
            sql: """
                SELECT coalesce(min(iif(received_at >= ?, "offset" - 1, NULL)), max("offset")) FROM (
                    SELECT "offset", received_at FROM entries WHERE "offset" >= ?
                    ORDER BY "offset" LIMIT ?)
                """,
            arguments: [instant, first, JournalRetention.deletesMax])
        return last.flatMap { $0 >= first ? $0 : nil }
    }

    /// Whether the sink is what keeps the entry from being deleted.
    private func pins(_ sink: SinkPlace, _ offset: Int64, _ db: Database) throws -> Bool {
        let select = #"SELECT route_id FROM entries WHERE "offset" = ?"#
        guard let route = try Int64.fetchOne(db, sql: select, arguments: [offset]),
            try routes.choices(of: route, db)[sink.name] != nil
        else { return false }
        if sink.cursor < offset { return true }
        return try Bool.fetchOne(
            db, sql: #"SELECT EXISTS (SELECT 1 FROM parked WHERE sink_id = ? AND "offset" = ?)"#,
            arguments: [sink.id, offset]) ?? false
    }
}

/// Where making room stands, while the journal is near its limit.
struct JournalRelief {
    /// After nothing could be deleted, it is not looked for again this long.
    private static let pause = Duration.seconds(5)

    /// Entries up to here were looked at, and stay.
    var after: Int64 = 0
    /// The first of them that a sink still needs.
    var firstPinned: Int64?
    var hasCutLog = false
    private var restsUntil: Int64?

    func isResting(at now: Int64) -> Bool {
        guard let restsUntil else { return false }
        return now < restsUntil && restsUntil - now <= Self.pause.nanoseconds
    }

    mutating func rest(at now: Int64) {
        self = JournalRelief()
        restsUntil = now + Self.pause.nanoseconds
    }
}

/// Since when the disk is short, while the journal is not near its maximum, and whether giving up events
/// helps.
///
/// Somebody else's flood of a moment must cost no backlog, and one that goes on would take whatever it is
/// given.
struct DiskShortage {
    /// For a disk that has been short for less, nothing is given up, nor what has waited for less.
    ///
    /// A little longer than an idle writer's pause between two looks.
    static let patience = Duration.seconds(40)
    /// After the disk had nothing of what was given up, nothing more is given up for it this long.
    static let pause = Duration.seconds(600)

    /// Nothing is given up before; nil while the disk is not short.
    private var patientUntil: Int64?
    /// The room there was when something was given up last, and the pages that the disk had been given back.
    private var given: (roomBytes: Int, pages: Int)?

    mutating func begin(at now: Int64) {
        // A clock that was set back makes nobody wait for longer.
        if let patientUntil, patientUntil - now <= Self.pause.nanoseconds { return }
        patientUntil = now + Self.patience.nanoseconds
    }

    mutating func end() { self = DiskShortage() }

    /// Whether events may be given up now.
    ///
    /// - Parameters:
    ///   - roomBytes: What the journal takes and what the disk has left; nil where that tells nothing.
    ///   - pages: Those given back to the disk so far.
    mutating func mayGiveUp(at now: Int64, roomBytes: Int?, pages: Int) -> Bool {
        guard let patientUntil, now >= patientUntil else { return false }
        guard let given, let roomBytes, pages > given.pages else { return true }
        // Others have taken all that was given back.
        let (taken, back) = (given.roomBytes - roomBytes, (pages - given.pages) * JournalFile.pageBytes)
        guard taken >= back else { return true }
        self.patientUntil = now + Self.pause.nanoseconds
        self.given = nil
        return false
    }

    /// Notes that something was given up; the parameters are those of ``mayGiveUp(at:roomBytes:pages:)``.
    mutating func gaveUp(roomBytes: Int?, pages: Int) {
        given = roomBytes.map { (roomBytes: $0, pages: pages) }
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
                the journal takes 70 % of \(limit); from 90 % old events go early, then those of the sink \
                furthest behind
                """,
                metadata: metadata)
        }
    }
}
