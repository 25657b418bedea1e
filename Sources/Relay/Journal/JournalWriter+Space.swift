import Dispatch
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
        // The sink that is behind may settle something in each commit, and what comes be settled at once: to
        // look at both comes before anything is given up, and must not be all that there is time for.
        let end = DispatchTime.now() + Self.relievingTime
        var steps = 0
        while space.isNearLimit, steps < Self.relievingStepsMin || DispatchTime.now() < end, retentionStep() {
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

    // MARK: - Near the limit

    /// One step that makes room; false where none is needed or none can be made.
    func relieve(at now: Int64) -> Bool {
        guard !relief.isResting(at: now) else { return false }
        // Others take room on the disk, and give it back.
        measure()
        shortage.look(space.shortage, at: now)
        guard space.needsRelief else {
            relief.hasCutLog = false
            return false
        }
        do {
            if relief.isOutdated(at: now) { relief = JournalRelief() }
            if let pinned = relief.firstPinned, try !isPinned(pinned) { relief.lookAgain(from: pinned) }
            if space.isLogLarge, !relief.hasCutLog {
                // Without it there may be room enough.
                relief.hasCutLog = true
                checkpointIsDue(.truncate)
                return true
            }
            let isMade = try makeRoom(at: now)
            if !isMade, !relief.isResting(at: now) { relief.rest(at: now) }
            measure()
            relief.hasCutLog = relief.hasCutLog && space.isLogLarge
            return isMade
        } catch {
            relief.rest(at: now)
            noteFailure(error)
            return false
        }
    }

    /// What costs least goes first; false where nothing is left that may go.
    private func makeRoom(at now: Int64) throws -> Bool {
        let isTight = space.reserve.isReleased
        // On a full disk the log must be used anew, and must not grow.
        defer { if isTight { copyLog() } }
        if isTight, try giveBackPages() > 0 { return true }
        if try expireBodies(at: now) > 0 { return true }
        // What somebody counts has to stay.
        guard lastUnsurveyed == .max else {
            relief.wait(at: now, for: JournalRelief.surveyPause)
            return false
        }
        return try deleteGivenUp() || deleteUnpinned() || deleteOldest(at: now) || deleteBehindPinned()
            || detachFurthestBehind(at: now)
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

    /// Deletes what the oldest entry that was pinned had before it wait for; false where it still is.
    private func deleteUnpinned() throws -> Bool {
        guard let start = relief.again, start < relief.after else {
            relief.again = nil
            return false
        }
        let found = try deleteEarly(after: start, through: relief.after)
        relief.firstPinned = relief.firstPinned ?? found.firstPinned
        // As long as there is something to delete; one that waits for a retry may lie before much of it.
        let isOver =
            found.isAtEnd || found.seenTo >= relief.after || found.deleted == 0 && found.firstPinned != nil
        relief.again = isOver ? nil : found.seenTo
        return true
    }

    /// Before anything is given up: what was settled behind the first that is pinned goes; false where there
    /// is none close behind it.
    private func deleteBehindPinned() throws -> Bool {
        guard let pinned = relief.firstPinned, pinned < relief.after else { return false }
        let found = try deleteEarly(after: pinned, through: relief.after)
        guard found.deleted > 0 else { return false }
        relief.again = found.seenTo
        return true
    }

    /// Deletes some of the settled entries in a part of the log, whatever their age.
    private func deleteEarly(after: Int64, through end: Int64 = .max) throws -> SettledEntries {
        let found = try deleteSettled(after: after, through: end) { _, _, _ in true }
        retention.deleted.entries += found.deleted
        return found
    }

    /// Deletes some of the oldest settled entries; false where none are left.
    private func deleteOldest(at now: Int64) throws -> Bool {
        let end = relief.end ?? lastOffset
        relief.end = end
        let found = try deleteEarly(after: relief.after)
        relief.after = found.seenTo
        relief.firstPinned = relief.firstPinned ?? found.firstPinned
        if found.isAtEnd || found.seenTo >= end { relief.looked(at: now) }
        return found.deleted > 0 || !found.isAtEnd
    }

    /// Deletes what the last step has sinks give up; false where there is none.
    private func deleteGivenUp() throws -> Bool {
        guard let range = relief.givenUp else { return false }
        let found = try deleteEarly(after: range.lowerBound - 1, through: range.upperBound)
        relief.firstPinned = relief.firstPinned ?? found.firstPinned
        if found.isAtEnd || found.seenTo >= range.upperBound {
            relief.givenUp = nil
            relief.firstPinned = try relief.firstPinned ?? firstKept(behind: range.upperBound)
        } else {
            relief.givenUp = found.seenTo + 1...range.upperBound
        }
        return true
    }

    /// The first entry behind an offset that was looked at and has stayed: it is pinned.
    private func firstKept(behind offset: Int64) throws -> Int64? {
        try queue.read { db in
            try Int64.fetchOne(
                db, sql: #"SELECT min("offset") FROM entries WHERE "offset" > ? AND "offset" <= ?"#,
                arguments: [offset, relief.after])
        }
    }

    /// Has the sink that the oldest entry waits for give up some; false where nothing waits, or not for long,
    /// and where that would not help the disk, or it has not been full for long.
    private func detachFurthestBehind(at now: Int64) throws -> Bool {
        guard kept.policies != nil, let pinned = relief.firstPinned else { return false }
        let reason = space.isNearMax ? DetachReason.size : .disk
        let room = space.reserve.isReleased ? space.roomBytes : nil
        let givenBack = retention.deleted.pages * space.bytesPerPage
        guard reason == .size || mayGiveUpForDisk(at: now, roomBytes: room, givenBack: givenBack) else {
            relief.wait(at: now)
            return false
        }
        // What is in flight settles, and is not given up for a disk.
        let receivedBefore = reason == .disk ? now - DiskShortage.patience.nanoseconds : .max
        var lastGivenUp: Int64?
        var detached: [(sink: String, entries: Int)] = []
        try alone { db in
            guard let last = try lastToGiveUp(from: pinned, receivedBefore: receivedBefore, db) else {
                return
            }
            lastGivenUp = last
            for sink in try SinkPlace.all(db) where try pins(sink, pinned, db) {
                var given = try sink.entries(
                    after: sink.cursor, through: last,
                    routes: routes.ids(naming: sink.name, db), db)
                given.add(try sink.parkedEntries(through: last, db))
                let count = try giveUp(
                    given, of: sink, through: last, because: reason.text, isOneOutage: true, at: now, db)
                detached.append((sink.name, count))
            }
        }
        guard let lastGivenUp else {
            relief.wait(at: now)
            return false
        }
        // What was not committed was not given up.
        for (sink, entries) in detached { losses.detached(entries, sink, at: now) }
        if reason == .disk, !detached.isEmpty {
            shortage.gaveUp(at: now, roomBytes: room, givenBack: givenBack)
        }
        if detached.isEmpty {
            // No sink needs the entry after all: it is passed over.
            relief.firstPinned = try firstKept(behind: pinned)
        } else {
            relief.firstPinned = nil
            relief.givenUp = pinned...lastGivenUp
        }
        return true
    }

    private func mayGiveUpForDisk(at now: Int64, roomBytes: Int?, givenBack: Int) -> Bool {
        // What is given up on a full disk is to give it back some room.
        guard space.canShrink || !space.reserve.isReleased else { return false }
        return shortage.mayGiveUp(at: now, roomBytes: roomBytes, givenBack: givenBack)
    }

    /// How far one step gives up, which is no more than one step deletes; nil where the first entry is too
    /// young already.
    private func lastToGiveUp(
        from first: Int64, receivedBefore instant: Int64, _ db: Database
    ) throws -> Int64? {
        let end = try Int64.fetchOne(
            db,
            sql: """
                SELECT min("offset") FROM (
                    SELECT "offset", received_at FROM entries WHERE "offset" >= ?
                    ORDER BY "offset" LIMIT ?)
                WHERE received_at >= ?
                """,
            arguments: [first, JournalRetention.deletesMax, instant])
        let rows = try StoredRow.fetchCursor(
            db,
            sql: """
                SELECT entries."offset", coalesce(length(body), 0) FROM entries
                    LEFT JOIN bodies ON bodies."offset" = entries."offset"
                WHERE entries."offset" >= ? AND entries."offset" < ? ORDER BY entries."offset" LIMIT ?
                """,
            arguments: [first, end ?? .max, JournalRetention.deletesMax])
        return try JournalRetention.withinBytes(rows).last
    }

    /// Whether any sink keeps the entry from being deleted.
    private func isPinned(_ offset: Int64) throws -> Bool {
        let select = """
            SELECT EXISTS (
                SELECT 1 FROM entries JOIN routes ON routes.id = route_id JOIN json_each(choices)
                    JOIN sinks ON sinks.name = json_extract(json_each.value, '$[0]')
                WHERE entries."offset" = ?1 AND (cursor < ?1 OR EXISTS (
                    SELECT 1 FROM parked WHERE sink_id = sinks.id AND parked."offset" = ?1)))
            """
        return try queue.read { try Bool.fetchOne($0, sql: select, arguments: [offset]) ?? false }
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
