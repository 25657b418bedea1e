import GRDB
import JSON

/// Moving a sink's place, and giving up what it passes: for an operator, and where a sink stays behind.
extension JournalWriter {
    /// Moves a sink for an operator.
    ///
    /// - Parameters:
    ///   - survey: What lies between its place and the offset, counted beside the writer.
    ///   - looksMax: Offsets that may be looked at here; where more would have to be, it throws
    ///     ``WaitingSurvey/Outdated`` and has changed nothing.
    /// - Returns: Nil where the journal does not know the sink.
    func seek(
        _ sink: String, to offset: Offset, by survey: WaitingSurvey, looksMax: Int64, reason: String,
        at now: Int64
    ) throws -> SeekReport? {
        let db = try database
        guard let place = try SinkPlace.named(sink, db) else { return nil }
        let target = min(max(offset.rawValue, 0), lastOffset)
        let passed = try survey.entries(
            of: place, after: min(target, place.cursor), through: max(target, place.cursor),
            routes: try routes.ids(naming: sink, db), looksMax: looksMax, db)
        var givenUp = 0
        var repeated = 0
        if target > place.cursor {
            var waiting = passed
            waiting.add(try place.parkedEntries(through: target, db))
            givenUp = try giveUp(waiting, of: place, through: target, because: reason, at: now, db)
        } else if target < place.cursor {
            // What waited for nobody does so again.
            relief = JournalRelief()
            lookBackAnew()
            repeated = try seekBack(place, to: target, kept: passed?.count ?? 0, db)
        }
        let report = SeekReport(
            from: Offset(rawValue: place.cursor), to: Offset(rawValue: target), givenUp: givenUp,
            repeated: repeated)
        try note("sinks seek", sink: sink, entries: givenUp + repeated, at: now) { detail in
            detail.member("from", report.from.rawValue)
            detail.member("to", report.to.rawValue)
            detail.member("reason", reason)
        }
        return report
    }

    /// Everything behind the target that was settled and is still kept comes again, whatever became of it.
    ///
    /// What is with the sink by now has yet to be settled, and comes as it would have. `base` has the counts
    /// add up. What a person once let pass the limits is no longer exempt from them.
    ///
    /// - Parameter kept: The sink's entries between the target and its place.
    private func seekBack(_ place: SinkPlace, to target: Int64, kept: Int, _ db: Database) throws -> Int {
        try db.execute(
            sql: #"DELETE FROM parked WHERE sink_id = ? AND "offset" > ?"#, arguments: [place.id, target])
        // They waited already, so they count already.
        let repeated = kept + place.settledAbove.count - db.changesCount
        try move(place, .back, to: target, settledAbove: [], db)
        try db.execute(
            sql: "UPDATE sinks SET base = base - ?, exempt_to = min(exempt_to, ?) WHERE id = ?",
            arguments: [repeated, target, place.id])
        return repeated
    }

    /// Moves a place forward: what waits up to there is counted and listed as detached, and the sink will
    /// never get it.
    ///
    /// Intents stay until the next lease: what is with the sink may be wanted again before that ends.
    ///
    /// - Parameters:
    ///   - isOneOutage: Whether it belongs to what was given up for the same reason a short while ago.
    /// - Returns: How much waited.
    @discardableResult
    func giveUp(
        _ waiting: EntryRange?, of place: SinkPlace, through last: Int64, because reason: String,
        isOneOutage: Bool = false, at now: Int64, _ db: Database
    ) throws -> Int {
        try list(waiting, of: place.name, because: reason, isOneOutage: isOneOutage, at: now, db)
        try db.execute(
            sql: #"DELETE FROM parked WHERE sink_id = ? AND "offset" <= ?"#, arguments: [place.id, last])
        let cursor = max(place.cursor, last)
        try move(place, .forward, to: cursor, settledAbove: place.settledAbove.filter { $0 > cursor }, db)
        try db.execute(
            sql: "UPDATE sinks SET detached = detached + ? WHERE id = ?",
            arguments: [waiting?.count ?? 0, place.id])
        return waiting?.count ?? 0
    }

    /// From here on the worker that has the sink leased is told that it was moved, and settles only what it
    /// had begun.
    private func move(
        _ place: SinkPlace, _ change: PlaceChange, to cursor: Int64, settledAbove: Set<Int64>, _ db: Database
    ) throws {
        let above = OffsetRanges.text(of: settledAbove.map { Offset(rawValue: $0) })
        try db.execute(
            sql: """
                UPDATE sinks SET cursor = ?, settled_above = ?, is_moved = max(is_moved, ?) WHERE id = ?
                """,
            arguments: [cursor, above, change.rawValue, place.id])
    }

    /// Lists entries as detached.
    func list(
        _ given: EntryRange?, of sink: String, because reason: String, isOneOutage: Bool = false,
        at now: Int64, _ db: Database
    ) throws {
        guard let given else { return }
        if isOneOutage, try lengthen(given, of: sink, because: reason, at: now, db) { return }
        try db.execute(
            sql: """
                INSERT INTO detached (sink, at, reason, first_offset, last_offset, first_received_at,
                    last_received_at, entries)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                sink, now, reason, given.offsets.lowerBound, given.offsets.upperBound,
                given.receivedAt.lowerBound, given.receivedAt.upperBound, given.count,
            ])
    }

    /// Adds to the sink's newest range where that is of the same reason and less than a day old; false where
    /// it is not.
    private func lengthen(
        _ given: EntryRange, of sink: String, because reason: String, at now: Int64, _ db: Database
    ) throws -> Bool {
        try db.execute(
            sql: """
                UPDATE detached SET
                    first_offset = min(first_offset, ?), last_offset = max(last_offset, ?),
                    first_received_at = min(first_received_at, ?),
                    last_received_at = max(last_received_at, ?), entries = entries + ?
                WHERE id = (SELECT max(id) FROM detached WHERE sink = ?) AND reason = ? AND at > ?
                """,
            arguments: [
                given.offsets.lowerBound, given.offsets.upperBound, given.receivedAt.lowerBound,
                given.receivedAt.upperBound, given.count, sink, reason,
                now - Duration.seconds(86_400).nanoseconds,
            ])
        return db.changesCount > 0
    }

    // MARK: - Surveys

    /// Entries behind this offset stay, because somebody counts them.
    var lastUnsurveyed: Int64 {
        surveys.removeAll { $0.hold == nil }
        return surveys.compactMap { $0.hold?.offset }.min() ?? .max
    }

    /// Keeps what lies behind an offset as long as the caller has the hold.
    func keep(_ hold: SurveyHold) { surveys.append(WeakHold(hold: hold)) }

    /// A hold that ends with its owner, however that ends.
    struct WeakHold {
        weak var hold: SurveyHold?
    }
}
