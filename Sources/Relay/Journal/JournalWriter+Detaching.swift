import GRDB
import Logging

/// What an operator was told of sinks that stay behind.
struct SinkLags {
    private var warned: Set<String> = []

    /// True where this is news.
    mutating func begin(_ sink: String) -> Bool { warned.insert(sink).inserted }

    mutating func end(_ sink: String) { warned.remove(sink) }
}

/// Why a sink does not get what was routed to it.
enum DetachReason: String {
    /// It stayed behind for longer than its `maxBehind`.
    case age
    /// The journal was full, and it was furthest behind, or disabled.
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
/// The sink's place is moved behind those entries, and its worker notices with its next settle: what is with
/// the sink by then is settled all the same.
extension JournalWriter {
    /// One step of a pass: some of what a sink has left waiting for longer than it may.
    ///
    /// - Parameters:
    ///   - sinkID: The pass is done with sinks up to this number.
    ///   - from: The pass has looked at the next sink's entries up to here, and none of them waits.
    /// - Returns: What the pass does next.
    func detachOld(after sinkID: Int64, from: Int64, at now: Int64) throws -> JournalRetention.Stage {
        guard let policies = kept.policies else { return .entries(after: 0) }
        var next = JournalRetention.Stage.entries(after: 0)
        var detached: (sink: String, entries: Int)?
        try alone { db in
            guard let sink = try SinkPlace.all(db).first(where: { $0.id > sinkID }) else { return }
            next = .detaching(after: sink.id, from: 0)
            let policy = policies[sink.name] ?? SinkPolicy(name: sink.name)
            let holds = policy.holds(retention: retention.age)
            guard try sink.hasWaiting(db) else { return lags.end(sink.name) }
            let look = try lookBack(at: sink, from: from, holds, at: now, db)
            if let oldest = look.oldest {
                warn(sink, waitsSince: oldest, holds, at: now)
            } else if look.isAtEnd {
                lags.end(sink.name)
            }
            if let given = look.givenUp {
                let count = try giveUp(
                    given, of: sink, through: look.lastOld, because: DetachReason.age.text,
                    isOneOutage: true, at: now, db)
                detached = (sink.name, count)
            }
            // Its place tells where it goes on where that was moved.
            let from = look.givenUp == nil ? look.seenTo : 0
            if !look.isAtEnd { next = .detaching(after: sinkID, from: from) }
        }
        // What was not committed was not given up.
        if let detached { losses.detached(detached.entries, detached.sink, at: now) }
        return next
    }

    /// A sink was moved back, or is gone: what the pass has looked at says nothing of what waits there.
    func lookBackAnew() {
        if case .detaching(let done, _) = retention.stage {
            retention.stage = .detaching(after: done, from: 0)
        }
    }

    /// A look at a bounded number of entries behind a sink's place.
    private struct LookBack {
        /// Since when the first of them that the sink has not settled waits.
        var oldest: Int64?
        /// What has waited for longer than the sink may take.
        var givenUp: EntryRange?
        /// Everything up to here came in longer ago than that.
        var lastOld: Int64 = 0
        var seenTo: Int64
        /// Nothing further on is old enough to be of interest.
        var isAtEnd = false
    }

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
        var (looks, parkedCount) = (0, 0)
        var arrivals = Arrivals(now: now)
        let rows = try StoredRow.fetchCursor(
            db,
            sql: """
                SELECT "offset", received_at, route_id, replay FROM entries WHERE "offset" > ?
                ORDER BY "offset" LIMIT ?
                """,
            arguments: [start, JournalRetention.looksMax])
        while let row = try rows.next() {
            let offset: Int64 = try row[0]
            let replay: String? = try row[3]
            looks += 1
            look.seenTo = offset
            let waits = try sink.waits(for: offset, route: row[2], routes: numbers, parked: parked)
            // What is sent to others again says nothing of how old this sink's entries are.
            guard waits || replay == nil else { continue }
            let came = try arrivals.instant(of: offset, receivedAt: row[1], replay: replay, db)
            if waits, look.oldest == nil { look.oldest = came }
            if now - came > holds.nanoseconds {
                look.lastOld = offset
                if waits { try look.givenUp.add(EntryRange(offset, receivedAt: row[1])) }
                // Each has a row with its attempts.
                parkedCount += parked.contains(offset) ? 1 : 0
                if parkedCount == JournalRetention.deletesMax { return look }
            } else if look.oldest != nil || now - came <= holds.nanoseconds / 2 {
                // The first young one ends what is old; where nothing waits, the first that is no warning.
                look.isAtEnd = true
                return look
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
}
