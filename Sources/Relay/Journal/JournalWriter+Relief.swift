import GRDB

/// Makes room near the limit.
///
/// Bodies over the limits of their own go first, then entries that every sink has settled, before their age
/// and oldest first; then what waits for sinks that are disabled is given up, and at last what waits for the
/// sink that is furthest behind, step by step.
extension JournalWriter {
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
            if let pinned = relief.firstPinned, try queue.read({ try sinks(pinning: pinned, $0) }).isEmpty {
                // Perhaps others behind it are not pinned any more either.
                relief.firstPinned = nil
                relief.lookAgain(behind: pinned - 1)
            }
            if space.isLogLarge, !relief.hasCutLog {
                // Without it there may be room enough. Copied here, for while the thread that cuts it has not
                // come to that, what is written would make it still longer.
                relief.hasCutLog = true
                copyLog()
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
        return try deleteAgain() || deleteOldest(at: now) || deleteBehindPinned() || giveUpSome(at: now)
    }

    private func copyLog() {
        // Where it fails, the next step needs room that is not there, and waits for it.
        _ = try? queue.writeWithoutTransaction { try $0.checkpoint(.passive) }
    }

    // MARK: - What every sink has settled

    /// Deletes some of what was given up, or waited for a sink when it was looked at last; false where there
    /// is nothing to look at again.
    private func deleteAgain() throws -> Bool {
        if let givenUp = relief.givenUp {
            relief.givenUp = try delete(in: givenUp)
        } else if let again = relief.again {
            // As long as there is something to delete; one that waits for a retry may lie before much of it.
            relief.again = try delete(in: again, endsEarly: true)
        } else {
            return false
        }
        return true
    }

    /// Deletes some of a part of what was looked at.
    ///
    /// - Parameter endsEarly: Whether it is left where nothing goes and something is pinned.
    /// - Returns: What has yet to be looked at of it.
    private func delete(
        in stretch: ClosedRange<Int64>, endsEarly: Bool = false
    ) throws -> ClosedRange<Int64>? {
        let found = try deleteEarly(after: stretch.lowerBound - 1, through: stretch.upperBound)
        let isLeft = endsEarly && found.deleted == 0 && found.firstPinned != nil
        guard found.isAtEnd || found.seenTo >= stretch.upperBound || isLeft else {
            return found.seenTo + 1...stretch.upperBound
        }
        relief.firstPinned = try relief.firstPinned ?? firstKept(behind: stretch.upperBound)
        return nil
    }

    /// Deletes some of the oldest settled entries; false where none are left.
    private func deleteOldest(at now: Int64) throws -> Bool {
        let end = relief.end ?? lastOffset
        relief.end = end
        let found = try deleteEarly(after: relief.after)
        relief.after = found.seenTo
        if found.isAtEnd || found.seenTo >= end { relief.looked(at: now) }
        return found.deleted > 0 || !found.isAtEnd
    }

    /// Before anything is given up: what was settled behind the first that is pinned goes; false where there
    /// is none close behind it.
    private func deleteBehindPinned() throws -> Bool {
        guard let pinned = relief.firstPinned, pinned < relief.after else { return false }
        let found = try deleteEarly(after: pinned, through: relief.after)
        guard found.deleted > 0 else { return false }
        relief.lookAgain(behind: found.seenTo)
        return true
    }

    /// Deletes some of the settled entries in a part of the log, whatever their age.
    private func deleteEarly(after: Int64, through end: Int64 = .max) throws -> SettledEntries {
        let found = try deleteSettled(after: after, through: end) { _, _, _ in true }
        retention.deleted.entries += found.deleted
        relief.firstPinned = relief.firstPinned ?? found.firstPinned
        return found
    }

    /// The first entry behind an offset that was looked at and has stayed: it is pinned.
    private func firstKept(behind offset: Int64) throws -> Int64? {
        try queue.read { db in
            try Int64.fetchOne(
                db, sql: #"SELECT min("offset") FROM entries WHERE "offset" > ? AND "offset" <= ?"#,
                arguments: [offset, relief.after])
        }
    }

    // MARK: - What is given up

    /// Has sinks give up some; false where nothing waits, or not for long, and where that would not help the
    /// disk, or it has not been full for long.
    private func giveUpSome(at now: Int64) throws -> Bool {
        guard kept.policies != nil, let pinned = relief.firstPinned else { return false }
        let reason = space.isNearMax ? DetachReason.size : .disk
        let room = space.reserve.isReleased ? space.roomBytes : nil
        let givenBack = retention.deleted.pages * space.bytesPerPage
        guard reason == .size || mayGiveUpForDisk(at: now, roomBytes: room, givenBack: givenBack) else {
            relief.wait(at: now)
            return false
        }
        guard
            let given = try giveUpOfDisabled(because: reason, at: now)
                ?? giveUpOfFurthestBehind(from: pinned, because: reason, at: now)
        else {
            relief.wait(at: now)
            return false
        }
        // What was not committed was not given up.
        for (sink, entries) in given.sinks { losses.detached(entries, sink, at: now) }
        if reason == .disk, !given.sinks.isEmpty {
            shortage.gaveUp(at: now, roomBytes: room, givenBack: givenBack)
        }
        relief.givenUp = given.offsets
        if given.offsets.contains(pinned) { relief.firstPinned = nil }
        return true
    }

    /// What one step has had sinks give up.
    private struct GivenUp {
        /// Sinks that something in there waited for, and how much that was.
        var sinks: [(name: String, entries: Int)] = []
        let offsets: ClosedRange<Int64>
    }

    /// Has a disabled sink give up some of the oldest that waits for it, for that must hold no room; nil
    /// where none of it waits for nobody else.
    private func giveUpOfDisabled(because reason: DetachReason, at now: Int64) throws -> GivenUp? {
        let disabled = Set(kept.policies?.values.filter { !$0.isEnabled }.map(\.name) ?? [])
        guard !disabled.isEmpty else { return nil }
        var given: GivenUp?
        try alone { db in
            let places = try SinkPlace.all(db).filter { disabled.contains($0.name) }
            let ids = places.map(\.id)
            let ends = try routeEnds(without: ids, db)
            let starts = try places.map { try ($0, $0.start(db)) }.sorted { $0.1 < $1.1 }
            for (sink, start) in starts where try sink.hasWaiting(db) {
                let routes = try routes.ids(naming: sink.name, db)
                let look = try sink.firstWaiting(behind: start, routes: routes, db)
                if look.entries.isEmpty, look.isAtEnd { continue }
                var last = look.seenTo
                if let first = look.entries.first {
                    let needed = try neededOffsets(from: first.offset, to: look.seenTo, without: ids, db)
                    let free = look.entries.last { offset, route in
                        offset <= ends[route] ?? 0 && !needed.contains(offset)
                    }
                    guard let free else { continue }
                    last = try min(free.offset, lastToGiveUp(from: first.offset, db) ?? free.offset)
                }
                // Where nothing waits, its place goes on all the same.
                let count = try giveUpWaiting(of: sink, through: last, because: reason, at: now, db)
                given = GivenUp(sinks: count > 0 ? [(sink.name, count)] : [], offsets: start + 1...last)
                return
            }
        }
        return given
    }

    /// Has the sinks that the oldest entry waits for give up some; nil where it has not waited for long
    /// enough.
    private func giveUpOfFurthestBehind(
        from pinned: Int64, because reason: DetachReason, at now: Int64
    ) throws -> GivenUp? {
        // What is in flight settles, and is not given up for a disk.
        let receivedBefore = reason == .disk ? now - DiskShortage.patience.nanoseconds : .max
        var given: GivenUp?
        try alone { db in
            guard let last = try lastToGiveUp(from: pinned, receivedBefore: receivedBefore, db) else {
                return
            }
            var step = GivenUp(offsets: pinned...last)
            let names = try sinks(pinning: pinned, db)
            for sink in try SinkPlace.all(db) where names.contains(sink.name) {
                let count = try giveUpWaiting(of: sink, through: last, because: reason, at: now, db)
                step.sinks.append((sink.name, count))
            }
            given = step
        }
        return given
    }

    /// Has a sink give up all that waits for it up to an offset, parked or not; how much that was.
    private func giveUpWaiting(
        of sink: SinkPlace, through last: Int64, because reason: DetachReason, at now: Int64, _ db: Database
    ) throws -> Int {
        var waiting = try sink.entries(
            after: sink.cursor, through: last, routes: routes.ids(naming: sink.name, db), db)
        waiting.add(try sink.parkedEntries(through: last, db))
        return try giveUp(
            waiting, of: sink, through: last, because: reason.text, isOneOutage: true, at: now, db)
    }

    private func mayGiveUpForDisk(at now: Int64, roomBytes: Int?, givenBack: Int) -> Bool {
        // What is given up on a full disk is to give it back some room.
        guard space.canShrink || !space.reserve.isReleased else { return false }
        return shortage.mayGiveUp(at: now, roomBytes: roomBytes, givenBack: givenBack)
    }

    /// How far one step gives up, which is no more than one step deletes; nil where the first entry is too
    /// young already.
    private func lastToGiveUp(
        from first: Int64, receivedBefore instant: Int64 = .max, _ db: Database
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

    /// The sinks that keep an entry from being deleted.
    private func sinks(pinning offset: Int64, _ db: Database) throws -> Set<String> {
        let select = """
            SELECT sinks.name FROM entries JOIN routes ON routes.id = route_id JOIN json_each(choices)
                JOIN sinks ON sinks.name = json_extract(json_each.value, '$[0]')
            WHERE entries."offset" = ?1 AND (cursor < ?1 OR EXISTS (
                SELECT 1 FROM parked WHERE sink_id = sinks.id AND parked."offset" = ?1))
            """
        return try String.fetchSet(db, sql: select, arguments: [offset])
    }
}
