import GRDB
import Logging

/// Keeps the journal within `maxSize` and alive on a full disk.
///
/// Near the maximum, entries that every sink has settled go before their age, oldest first; then the sink
/// that is furthest behind is detached, step by step. What is taken in is refused only when even that was
/// not enough, or not fast enough; settling goes on, and makes room.
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
        if space.isNearMax { _ = retentionStep() }
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
        logger.error(
            "the journal's disk is full; events are refused with 503 until there is room, deliveries go on")
        retention.beginEarly()
    }

    // MARK: - Near the maximum

    /// One step that makes room; false where none is needed or none can be made.
    func relieve(at now: Int64) -> Bool {
        guard space.isNearMax, !relief.isResting(at: now) else { return false }
        do {
            if space.isLogLarge, !relief.hasCutLog {
                // Without it there may be room enough.
                relief.hasCutLog = true
                checkpointIsDue(.truncate)
                return true
            }
            let isMade = try deleteEarly() || detachFurthestBehind(at: now)
            if !isMade { relief.rest(at: now) }
            measure()
            relief.hasCutLog = relief.hasCutLog && space.isLogLarge
            if !space.isNearMax { relief = JournalRelief() }
            return isMade
        } catch {
            relief.rest(at: now)
            noteFailure(error)
            return false
        }
    }

    /// Deletes some of the oldest settled entries; false where none are left.
    private func deleteEarly() throws -> Bool {
        let found = try deleteSettled(after: relief.after) { _ in true }
        relief.after = found.seenTo
        relief.firstPinned = relief.firstPinned ?? found.firstPinned
        return found.deleted > 0 || !found.isAtEnd
    }

    /// Has the sink that the oldest entry waits for give up some; false where nothing waits.
    private func detachFurthestBehind(at now: Int64) throws -> Bool {
        guard policies != nil, let pinned = relief.firstPinned else { return false }
        try alone { db in
            for sink in try SinkPlace.all(db) where try pins(sink, pinned, db) {
                let last = try Int64.fetchOne(
                    db,
                    sql: """
                        SELECT max("offset") FROM (SELECT "offset" FROM entries WHERE "offset" >= ?
                            ORDER BY "offset" LIMIT ?)
                        """,
                    arguments: [pinned, JournalRetention.deletesMax])
                // Nothing before the first that is pinned waits for anybody.
                var given = try sink.entries(
                    after: max(sink.cursor, pinned - 1), through: last ?? pinned,
                    routes: routes.ids(naming: sink.name, db), db)
                given.add(try sink.parkedEntries(through: last ?? pinned, db))
                try detach(given, of: sink, through: last ?? pinned, because: .size, at: now, db)
            }
        }
        relief.after = pinned - 1
        relief.firstPinned = nil
        return true
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

/// Where making room stands, while the journal is near its maximum.
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

/// Tells an operator once that the journal grows towards its maximum, and once that it is there.
struct SizeWarning {
    private enum Level: Int { case none, near, full }
    private var level = Level.none

    mutating func update(_ space: JournalSpace, _ logger: Logger) {
        let share = space.share
        let reached: Level = share >= 1 ? .full : share >= JournalSpace.warnedShare ? .near : .none
        defer {
            // A little less does not end it, so that it is not said again and again.
            if reached.rawValue > level.rawValue || share < JournalSpace.warnedShare - 0.05 {
                level = reached
            }
        }
        guard reached.rawValue > level.rawValue else { return }
        let metadata: Logger.Metadata = ["usedBytes": "\(space.usedBytes)", "maxBytes": "\(space.sizeMax)"]
        if reached == .full {
            logger.error(
                "the journal has reached journal.maxSize; events are refused with 503 until there is room",
                metadata: metadata)
        } else {
            logger.warning(
                """
                the journal takes 70 % of journal.maxSize; from 90 % old events go early, then those of the \
                sink furthest behind
                """,
                metadata: metadata)
        }
    }
}
