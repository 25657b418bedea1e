import GRDB

/// Since when entries are in the log: an event that a replay or a redrive brought anew came in long before,
/// and a clock that was ahead has stamped some with a time that is yet to come.
struct Arrivals {
    /// A replay or a redrive: when it ended, or when it began where it is not over.
    private enum Job {
        case over(Int64)
        case underWay(Int64)
    }

    /// Offsets behind an entry among which one is looked for that tells its age.
    private static let followersMax = 100_000

    let now: Int64
    private var jobs: [String: Job] = [:]
    /// The last entry that was found to tell ages.
    private var follower: (offset: Int64, receivedAt: Int64) = (0, 0)
    /// Whether none was found behind the last entry that was asked for.
    private var isLast = false

    init(now: Int64) { self.now = now }

    /// - Parameter offset: The entry; those that are asked for one after the other ascend.
    mutating func instant(
        of offset: Int64, receivedAt: Int64, replay: String?, _ db: Database
    ) throws -> Int64 {
        // None is before 1970, but where the journal is damaged; then times between would overflow.
        guard let replay else {
            return receivedAt <= now ? max(0, receivedAt) : try followedAt(offset, db)
        }
        let known = try jobs[replay] ?? job(replay, db)
        jobs[replay] = known
        switch known {
        case .over(let end): return end <= now ? end : try followedAt(offset, db)
        case .underWay(let start): return try max(start, followedAt(offset, db))
        }
    }

    /// A replay's entries are as old as its end, for some of them are; a redrive takes no time, and has it
    /// in its name.
    private func job(_ replay: String, _ db: Database) throws -> Job {
        let select = "SELECT started_at, ended_at FROM replays WHERE id = ?"
        if let row = try StoredRow.fetchOne(db, sql: select, arguments: [replay]) {
            if let end = try row[1] as Int64? { return .over(end) }
            return try .underWay(row[0])
        }
        let time = replay.split(separator: "-", maxSplits: 1).last.flatMap { Timestamp(String($0)) }
        return .over(time?.nanoseconds ?? now)
    }

    /// When the next event came in that is no job's, by a clock that was right: what lies before it in the
    /// log is no younger.
    ///
    /// Now, where none follows: a replay may take longer than a sink may be behind.
    private mutating func followedAt(_ offset: Int64, _ db: Database) throws -> Int64 {
        if follower.offset > offset { return follower.receivedAt }
        if isLast { return now }
        let row = try StoredRow.fetchOne(
            db,
            sql: """
                SELECT "offset", received_at FROM entries
                WHERE "offset" > ?1 AND "offset" <= ?1 + ?2 AND replay IS NULL AND received_at <= ?3
                ORDER BY "offset" LIMIT 1
                """,
            arguments: [offset, Self.followersMax, now])
        guard let row else {
            isLast = true
            return now
        }
        follower = try (row[0], row[1])
        return follower.receivedAt
    }
}
