import GRDB
import Logging

/// Where a sink stands, as its row in the journal says.
struct SinkPlace {
    let id: Int64
    let name: String
    let cursor: Int64
    let settledAbove: Set<Int64>

    static func all(_ db: Database) throws -> [SinkPlace] {
        try Row.fetchAll(db, sql: "SELECT id, name, cursor, settled_above FROM sinks ORDER BY id").map {
            row in
            SinkPlace(
                id: row[0], name: row[1], cursor: row[2],
                settledAbove: Set((OffsetRanges.offsets(ofText: row[3]) ?? []).map(\.rawValue)))
        }
    }

    /// How many entries were routed to a sink and are not settled; over its row.
    static let waitingSQL = """
        (SELECT coalesce(sum(entries), 0) FROM routes, json_each(choices)
         WHERE json_extract(value, '$[0]') = name)
        - base - delivered - superseded - skipped - dead - detached
        """

    /// Whether a sink has had no event yet, and nobody has held it; over its row.
    static let isUntouchedSQL = """
        delivered + superseded + skipped + retried + dead + detached = 0 AND hold IS NULL
        AND \(waitingSQL) = 0
        """

    func hasWaiting(_ db: Database) throws -> Bool {
        let select = "SELECT \(Self.waitingSQL) > 0 FROM sinks WHERE id = ?"
        return try Bool.fetchOne(db, sql: select, arguments: [id]) ?? false
    }
}

/// What an operator was told of sinks that stay behind.
struct SinkLags {
    private var warned: Set<String> = []
    private var untold: [String: Int] = [:]

    /// True where this is news.
    mutating func begin(_ sink: String) -> Bool { warned.insert(sink).inserted }

    mutating func end(_ sink: String) { warned.remove(sink) }

    mutating func detached(_ entries: Int, _ sink: String) { untold[sink, default: 0] += entries }

    /// How much was given up since the last call, by sink.
    mutating func takeDetached() -> [(key: String, value: Int)] {
        defer { untold = [:] }
        return untold.sorted { $0.key < $1.key }
    }
}

/// Why a sink does not get what was routed to it.
enum DetachReason: String {
    /// It stayed behind for longer than its `maxBehind`.
    case age
    /// The journal was full, and it was furthest behind.
    case size
    /// The same of the journal's disk.
    case disk

    var text: String {
        switch self {
        case .age: "behind for longer than maxBehind"
        case .size: "the journal was near its maxSize"
        case .disk: "the journal's disk was nearly full"
        }
    }
}

/// Gives up what a sink has left waiting for too long, so that no sink can fill the journal.
///
/// The sink's place is moved behind those entries, and its worker notices with its next settle.
extension JournalWriter {
    /// Moves a sink's place behind `last`; what it has not settled up to there is counted and listed as a
    /// range.
    @discardableResult
    func detach(
        _ sink: SinkPlace, to last: Int64, because reason: DetachReason, at now: Int64, _ db: Database
    ) throws -> Int {
        let given = try waiting(sink, to: last, db)
        let above = sink.settledAbove.filter { $0 > last }.map { Offset(rawValue: $0) }
        for table in ["parked", "intents"] {
            try db.execute(
                sql: "DELETE FROM \(table) WHERE sink_id = ? AND \"offset\" <= ?", arguments: [sink.id, last])
        }
        try db.execute(
            sql: """
                UPDATE sinks SET cursor = ?, settled_above = ?, detached = detached + ?, epoch = epoch + 1,
                    is_moved = 1
                WHERE id = ?
                """,
            arguments: [max(sink.cursor, last), OffsetRanges.text(of: above), given.count, sink.id])
        if let range = given.range {
            try list(range, given.count, sink, reason.text, at: now, db)
            lags.detached(given.count, sink.name)
        }
        return given.count
    }

    /// What a sink has not settled up to an offset.
    private struct Waiting {
        struct Range {
            var offsets: ClosedRange<Int64>
            var receivedAt: ClosedRange<Int64>
        }

        var count = 0
        var range: Range?

        mutating func add(_ offset: Int64, receivedAt: Int64) {
            count += 1
            var all = range ?? Range(offsets: offset...offset, receivedAt: receivedAt...receivedAt)
            all.offsets = min(all.offsets.lowerBound, offset)...max(all.offsets.upperBound, offset)
            all.receivedAt =
                min(all.receivedAt.lowerBound, receivedAt)...max(all.receivedAt.upperBound, receivedAt)
            range = all
        }
    }

    private func waiting(_ sink: SinkPlace, to last: Int64, _ db: Database) throws -> Waiting {
        var waiting = Waiting()
        let parked = try Row.fetchCursor(
            db,
            sql: """
                SELECT entries."offset", received_at FROM parked
                    JOIN entries ON entries."offset" = parked."offset"
                WHERE sink_id = ? AND parked."offset" <= ?
                """,
            arguments: [sink.id, last])
        while let row = try parked.next() { waiting.add(row[0], receivedAt: row[1]) }
        let rows = try Row.fetchCursor(
            db,
            sql: """
                SELECT "offset", received_at FROM entries
                WHERE "offset" > ? AND "offset" <= ? AND route_id IN (SELECT value FROM json_each(?))
                """,
            arguments: [sink.cursor, last, "\(try routes.ids(naming: sink.name, db))"])
        while let row = try rows.next() {
            if !sink.settledAbove.contains(row[0]) { waiting.add(row[0], receivedAt: row[1]) }
        }
        return waiting
    }

    /// Adds to the sink's newest range where that was given up for the same reason a short while ago, so that
    /// one outage is one range.
    private func list(
        _ range: Waiting.Range, _ count: Int, _ sink: SinkPlace, _ reason: String, at now: Int64,
        _ db: Database
    ) throws {
        let newest = try Row.fetchOne(
            db, sql: "SELECT id, at, reason FROM detached WHERE sink = ? ORDER BY id DESC LIMIT 1",
            arguments: [sink.name])
        let day = Duration.seconds(86_400).nanoseconds
        if let newest, newest[2] == reason, now - (newest[1] as Int64) < day {
            try db.execute(
                sql: """
                    UPDATE detached SET
                        first_offset = min(first_offset, ?), last_offset = max(last_offset, ?),
                        first_received_at = min(first_received_at, ?),
                        last_received_at = max(last_received_at, ?), entries = entries + ?
                    WHERE id = ?
                    """,
                arguments: [
                    range.offsets.lowerBound, range.offsets.upperBound, range.receivedAt.lowerBound,
                    range.receivedAt.upperBound, count, newest[0] as Int64,
                ])
            return
        }
        try db.execute(
            sql: """
                INSERT INTO detached (sink, at, reason, first_offset, last_offset, first_received_at,
                    last_received_at, entries)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                sink.name, now, reason, range.offsets.lowerBound, range.offsets.upperBound,
                range.receivedAt.lowerBound, range.receivedAt.upperBound, count,
            ])
    }

    // MARK: - By age

    /// One step of a pass: some of what a sink has left waiting for longer than it may.
    ///
    /// - Parameters:
    ///   - sinkID: The pass is done with sinks up to this number.
    ///   - from: The pass has looked at the next sink's entries up to here.
    /// - Returns: What the pass does next.
    func detachOld(after sinkID: Int64, from: Int64, at now: Int64) throws -> JournalRetention.Stage {
        guard let policies else { return .entries(after: 0) }
        var next = JournalRetention.Stage.entries(after: 0)
        try alone { db in
            guard let sink = try SinkPlace.all(db).first(where: { $0.id > sinkID }) else { return }
            next = .detaching(after: sink.id, from: 0)
            let policy = policies[sink.name] ?? SinkPolicy(name: sink.name)
            let holds = policy.holds(retention: retention.age)
            guard try sink.hasWaiting(db) else { return lags.end(sink.name) }
            let look = try lookBack(at: sink, from: from, holds, at: now, db)
            if let oldest = look.oldest, from == 0 {
                warn(sink, waitsSince: oldest, holds, at: now)
            } else if from == 0, look.isAtEnd {
                lags.end(sink.name)
            }
            if look.oldest != nil, let last = look.lastOld {
                try detach(sink, to: last, because: .age, at: now, db)
            }
            if !look.isAtEnd { next = .detaching(after: sinkID, from: look.seenTo) }
        }
        return next
    }

    /// A look at a bounded number of entries behind a sink's place.
    private struct LookBack {
        /// When the first of them that the sink has not settled came in.
        var oldest: Int64?
        /// Everything up to here came in longer ago than the sink may take.
        var lastOld: Int64?
        var seenTo: Int64
        /// Nothing further on is old enough to be of interest.
        var isAtEnd = false
    }

    /// What a replay brought anew came in long before it was appended: it is as old as its neighbours.
    private func lookBack(
        at sink: SinkPlace, from: Int64, _ holds: Duration, at now: Int64, _ db: Database
    ) throws -> LookBack {
        let parked = Set(
            try Int64.fetchAll(
                db, sql: #"SELECT "offset" FROM parked WHERE sink_id = ? ORDER BY "offset" LIMIT ?"#,
                arguments: [sink.id, JournalRetention.looksMax]))
        let numbers = Set(try routes.ids(naming: sink.name, db))
        let start = max(from, min(sink.cursor, (parked.min() ?? .max) - 1))
        var look = LookBack(seenTo: start)
        var looks = 0
        let rows = try Row.fetchCursor(
            db,
            sql: """
                SELECT "offset", received_at, route_id, replay IS NULL FROM entries WHERE "offset" > ?
                ORDER BY "offset" LIMIT ?
                """,
            arguments: [start, JournalRetention.looksMax])
        while let row = try rows.next() {
            let (offset, receivedAt, isPlain) = (row[0] as Int64, row[1] as Int64, row[3] as Bool)
            looks += 1
            look.seenTo = offset
            let isOld = now - receivedAt > holds.nanoseconds
            let isHalf = now - receivedAt > holds.nanoseconds / 2
            // The first young one ends what is old; with nothing that waits, the first that is no warning.
            if isPlain, !isOld, look.oldest != nil || !isHalf {
                look.isAtEnd = true
                return look
            }
            let isUnsettled =
                parked.contains(offset)
                || offset > sink.cursor && numbers.contains(row[2]) && !sink.settledAbove.contains(offset)
            if isUnsettled, look.oldest == nil { look.oldest = receivedAt }
            if isPlain {
                guard isOld else {
                    look.isAtEnd = look.oldest != nil
                    if look.isAtEnd { return look }
                    continue
                }
                look.lastOld = offset
            }
        }
        look.isAtEnd = looks < JournalRetention.looksMax
        return look
    }

    /// Once, when half of the time is over.
    private func warn(_ sink: SinkPlace, waitsSince receivedAt: Int64, _ holds: Duration, at now: Int64) {
        guard now - receivedAt > holds.nanoseconds / 2 else { return lags.end(sink.name) }
        guard lags.begin(sink.name) else { return }
        logger.warning(
            "a sink stays behind; its events are given up when they have waited for its maxBehind",
            metadata: [
                "sink": "\(sink.name)", "waitsSince": "\(Timestamp(nanoseconds: receivedAt))",
                "givenUpFrom": "\(Timestamp(nanoseconds: receivedAt + holds.nanoseconds))",
            ]
        )
    }

    /// Tells what was given up since it was told last.
    func reportDetached() {
        for (sink, entries) in lags.takeDetached() {
            logger.error(
                "a sink was behind for too long, and events for it were given up; their ranges are listed",
                metadata: ["sink": "\(sink)", "events": "\(entries)"])
        }
    }
}
