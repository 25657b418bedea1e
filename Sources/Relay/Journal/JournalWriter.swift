import Config
import Foundation
import GRDB
import JSON
import Logging
import Rules

/// What the writer thread does inside its transactions: appends, leases and settlements.
///
/// Made on the writer thread and never seen elsewhere, which is why nothing here is locked.
final class JournalWriter {
    let queue: DatabaseQueue
    let clock: any RelayClock
    let logger: Logger
    /// What is older is deleted; see `JournalWriter+Retention.swift`.
    var retention: JournalRetention
    private var ageClock: AgeClock
    /// Tells readers of what a commit appended for any sink, and of the last offset that it gave away.
    private let publish: ([JournalTail.Entry], Int64) -> Void
    let checkpointIsDue: (JournalCheckpointer.Kind) -> Void
    /// How much room there is; see `JournalWriter+Space.swift`.
    var space: JournalSpace
    var relief = JournalRelief()
    var shortage = DiskShortage()
    var sizeWarning = SizeWarning()
    /// See `JournalWriter+Policies.swift`.
    var kept = KeptPolicies()
    /// What ``kept`` was after the last commit; a rollback takes its renames back.
    private var committedKept = KeptPolicies()
    var lags = SinkLags()
    var losses = UntoldLosses()
    /// See `JournalWriter+Seek.swift`.
    var surveys: [WeakHold] = []

    let seen: DeduplicationIndex
    var routes = RouteCatalogue()
    private var hooks: [String: Int64] = [:]
    private(set) var lastOffset: Int64
    /// What ``lastOffset`` was after the last commit; a rollback gives its offsets back.
    ///
    /// Otherwise a sink could
    /// be leased behind offsets that a restart uses again, and miss those entries.
    private var committedOffset: Int64
    private var lastReceivedAt: Int64 = 0

    /// Whether what is old goes where there is nothing else to do, or only when it is asked for.
    var retainsByItself = true

    /// The connection, while a transaction runs.
    private var current: Database?
    private var appended: [JournalTail.Entry] = []
    /// Whether the newest transaction took something in.
    private(set) var hasAppended = false
    private var counts = AppendCounts()
    private var bytesSinceCheckpoint = 0
    /// Those of them that ``space`` knows of.
    private var bytesMeasured = 0

    init(
        _ queue: DatabaseQueue,
        clock: any RelayClock,
        limits: JournalConfiguration,
        logger: Logger,
        publish: @escaping ([JournalTail.Entry], Int64) -> Void,
        checkpointIsDue: @escaping (JournalCheckpointer.Kind) -> Void
    ) throws {
        self.queue = queue
        self.clock = clock
        retention = JournalRetention(limits)
        ageClock = AgeClock(clock)
        space = JournalSpace(journalPath: limits.path, sizeMax: limits.sizeMax)
        self.logger = logger
        self.publish = publish
        self.checkpointIsDue = checkpointIsDue
        (seen, committedOffset) = try queue.writeWithoutTransaction { db in
            let last = try Int64.fetchOne(db, sql: #"SELECT max("offset") FROM entries"#) ?? 0
            return (try DeduplicationIndex(db), last)
        }
        lastOffset = committedOffset
        if !space.reserve.take() {
            logger.warning("the journal's disk has no room for the reserve that a full disk is survived with")
        }
        measure()
    }

    func close() {
        losses.tell(logger, at: clock.now)
        try? queue.writeWithoutTransaction { db in _ = try db.checkpoint(.truncate) }
        try? queue.close()
    }

    // MARK: - Transactions

    /// Whether the transaction is still open; some SQLite errors roll all of it back by themselves.
    var isInTransaction: Bool { current?.isInsideTransaction == true }

    func transaction(_ body: () throws -> Void) throws {
        do {
            try queue.writeWithoutTransaction { db in
                current = db
                defer { current = nil }
                try db.cachedStatement(sql: "BEGIN IMMEDIATE").execute()
                do {
                    try body()
                    try counts.write(db)
                    try db.cachedStatement(sql: "COMMIT").execute()
                } catch {
                    if db.isInsideTransaction { try? db.execute(sql: "ROLLBACK") }
                    throw error
                }
            }
        } catch {
            lastOffset = committedOffset
            kept = committedKept
            seen.didRollBack()
            routes.forget()
            hooks = [:]
            appended = []
            counts = AppendCounts()
            noteFailure(error)
            throw error
        }
        seen.didCommit()
        hasAppended = lastOffset > committedOffset
        if hasAppended { publish(appended, lastOffset) }
        committedOffset = lastOffset
        committedKept = kept
        appended.removeAll(keepingCapacity: true)
        counts = AppendCounts()
    }

    func savepoint(_ body: () throws -> Void) throws {
        let db = try database
        let appendedBefore = appended.count
        let countsBefore = counts
        let offsetBefore = lastOffset
        let keptBefore = kept
        let seenBefore = seen.pendingCount
        try db.execute(sql: "SAVEPOINT caller")
        do {
            try body()
            try db.execute(sql: "RELEASE caller")
        } catch {
            undo(db)
            // Every digest that was remembered, also of the event whose insert failed: an event that is
            // known and not stored would be answered as a duplicate when Okta sends it again.
            seen.forget(since: seenBefore)
            appended.removeSubrange(appendedBefore...)
            counts = countsBefore
            lastOffset = offsetBefore
            kept = keptBefore
            routes.forget()
            hooks = [:]
            throw error
        }
    }

    /// Takes back what the caller's savepoint wrote; where not even that works, the whole transaction.
    private func undo(_ db: Database) {
        guard db.isInsideTransaction else { return }
        do {
            try db.execute(sql: "ROLLBACK TO caller")
            try db.execute(sql: "RELEASE caller")
        } catch {
            if db.isInsideTransaction { try? db.execute(sql: "ROLLBACK") }
        }
    }

    var database: Database {
        get throws {
            guard let current else { throw JournalError.closed }
            return current
        }
    }

    /// Writes the counts of what the transaction appended so far, for work that reads them.
    func writeCounts() throws {
        try counts.write(database)
        counts = AppendCounts()
    }

    /// Now, for what is deleted when it is old.
    func nowForAges() -> Int64 {
        let wasDoubting = ageClock.isDoubting
        let now = ageClock.read()
        if ageClock.isDoubting, !wasDoubting {
            logger.error(
                """
                the wall clock was set forward; nothing is taken for old by it for a day, in case that was a \
                mistake; a restart believes it at once
                """,
                metadata: [
                    "clock": "\(Timestamp(nanoseconds: clock.now))",
                    "expected": "\(Timestamp(nanoseconds: now))",
                ])
        }
        return now
    }

    // MARK: - Append

    func append(_ submission: Submission, digests: [EventDigest]) throws -> AppendReceipt {
        try refuseWithoutRoom()
        let db = try database
        var (accepted, duplicates, unrouted) = (0, 0, 0)
        for (routed, digest) in zip(submission.events, digests) {
            // A replay brings what is known.
            guard try routed.replay != nil || seen.insert(digest, db) else {
                duplicates += 1
                continue
            }
            let route = try routes.id(of: routed.route.renaming(kept.renames), db)
            try insert(routed.event, route: route, replay: routed.replay, db)
            let choices = try routes.choices(of: route, db)
            // What no sink wants need not be remembered for one.
            if !choices.isEmpty {
                appended.append(
                    JournalTail.Entry(
                        offset: lastOffset, event: routed.event, choices: choices, replay: routed.replay))
            }
            if routed.replay == nil {
                accepted += 1
                unrouted += routed.route.isUnrouted ? 1 : 0
            }
            counts.routes[route, default: 0] += 1
        }
        for input in submission.quarantined { try insert(input, db) }
        let receipt = AppendReceipt(
            accepted: accepted, duplicates: duplicates, unrouted: unrouted,
            quarantined: submission.quarantined.count)
        counts.add(receipt)
        return receipt
    }

    private func insert(_ event: Event, route: Int64, replay: String?, _ db: Database) throws {
        lastOffset += 1
        // What comes anew is older than what came last.
        lastReceivedAt = max(lastReceivedAt, event.receivedAt)
        bytesSinceCheckpoint += event.body.bytes.count
        let hook = try hookID(event, db)
        var entry = try BoundStatement(
            db,
            """
            INSERT INTO entries
                ("offset", received_at, hook_id, route_id, event_id, event_type, envelope_id, replay)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)
            """)
        entry.bind(lastOffset)
        entry.bind(event.receivedAt)
        entry.bind(hook)
        entry.bind(route)
        entry.bind(event.id)
        entry.bind(event.type)
        entry.bind(event.envelopeID)
        entry.bind(replay)
        try entry.run()
        var body = try BoundStatement(db, #"INSERT INTO bodies ("offset", body) VALUES (?, ?)"#)
        body.bind(lastOffset)
        try body.run(lastBlob: event.body.bytes)
    }

    private func insert(_ input: QuarantinedInput, _ db: Database) throws {
        try db.cachedStatement(
            sql: "INSERT INTO quarantine (received_at, hook, reason, bytes) VALUES (?, ?, ?, ?)"
        ).execute(arguments: [input.receivedAt, input.hook, input.reason, Data(input.bytes)])
    }

    private func hookID(_ event: Event, _ db: Database) throws -> Int64 {
        let key = event.hook + "\u{0}" + event.org
        if let id = hooks[key] { return id }
        try db.execute(
            sql: "INSERT OR IGNORE INTO hooks (name, org) VALUES (?, ?)", arguments: [event.hook, event.org])
        let id = try Int64.fetchOne(
            db, sql: "SELECT id FROM hooks WHERE name = ? AND org = ?", arguments: [event.hook, event.org])
        hooks[key] = id
        return id ?? 0
    }

    // MARK: - Between transactions

    /// Callers have their answers; what keeps the files in shape runs now.
    func afterCommit() {
        if seen.isFull { freezeSeen() }
        afterWriting(bytesSinceCheckpoint - bytesMeasured + Self.pagesPerCommit * JournalFile.pageBytes)
        checkpointAfterWrite()
    }

    /// Asks for a checkpoint where the log may have become long.
    func checkpointAfterWrite() {
        bytesSinceCheckpoint += Self.pagesPerCommit * JournalFile.pageBytes
        bytesMeasured = bytesSinceCheckpoint
        // On a full disk the log must not get longer than it is.
        let isTight = space.reserve.isReleased
        if isTight || bytesSinceCheckpoint >= min(Self.checkpointBytes, space.logBytesMax) {
            (bytesSinceCheckpoint, bytesMeasured) = (0, 0)
            checkpointIsDue(isTight ? .truncate : .passive(bytesMax: space.logBytesMax))
        }
    }

    /// How much may be written before the log of the database is copied into its file.
    ///
    /// A commit that comes meanwhile shares the disk with that copy's fsync, so it is little at a time.
    private static let checkpointBytes = 4 * 1024 * 1024
    /// What a commit writes besides bodies, about: the ends of tables, counts, cursors.
    private static let pagesPerCommit = 8

    /// A failure leaves the digests in memory, and the next commit tries again.
    private func freezeSeen() {
        do {
            try alone(freeze)
            seen.didFreeze(committed: true)
        } catch {
            seen.didFreeze(committed: false)
            noteFailure(error)
            logger.warning(
                "the journal could not write its list of known events; the next commit tries again",
                metadata: ["reason": "\(JournalError(error).reason)"]
            )
        }
    }

    func freeze(_ db: Database) throws {
        // What was there at the start may be as new as now.
        try seen.freeze(lastOffset: lastOffset, newestReceivedAt: max(lastReceivedAt, clock.now), db)
    }

    /// A transaction of the writer's own, between those of its callers.
    func alone(_ body: (Database) throws -> Void) throws {
        try queue.writeWithoutTransaction { db in
            try db.inTransaction(.immediate) {
                try body(db)
                return .commit
            }
        }
    }
}

/// What a transaction adds to the journal's counts.
private struct AppendCounts {
    var accepted = 0
    var duplicates = 0
    var unrouted = 0
    var quarantined = 0
    /// Entries by route number.
    var routes: [Int64: Int] = [:]

    mutating func add(_ receipt: AppendReceipt) {
        accepted += receipt.accepted
        duplicates += receipt.duplicates
        unrouted += receipt.unrouted
        quarantined += receipt.quarantined
    }

    func write(_ db: Database) throws {
        let named = [
            ("accepted", accepted), ("duplicates", duplicates), ("unrouted", unrouted),
            ("quarantined", quarantined),
        ]
        for (name, count) in named where count > 0 {
            try db.cachedStatement(sql: "UPDATE counters SET value = value + ? WHERE name = ?")
                .execute(arguments: [count, name])
        }
        for (route, count) in routes {
            try db.cachedStatement(sql: "UPDATE routes SET entries = entries + ? WHERE id = ?")
                .execute(arguments: [count, route])
        }
    }
}
