import Config
import GRDB
@testable import Relay
import RelayTesting
import Rules
import Synchronization

/// The real journal's core, on a database in memory, beside the ledger of a simulation: given the same
/// appends, settlements and operations it must hand out the same leases, entries and states.
///
/// Its tail is so short that it reads back as often as not.
final class JournalMirror {
    /// Where all mirrors have their one reserve.
    private static let folder = Result { try TemporaryFolder() }

    private let queue: DatabaseQueue
    private let clock = Clock()
    private let tail = JournalTail(entriesMax: 6)
    private var stored = StoredEntries()
    private var writer: JournalWriter
    private var count = 0
    private var epoch: Int64 = 0

    /// A clock that may go back, as the simulation's does.
    private final class Clock: RelayClock {
        private let time = Mutex<Int64>(0)

        var now: Int64 { time.withLock(\.self) }
        func set(_ now: Int64) { time.withLock { $0 = now } }
        func sleep(for duration: Duration) async throws(CancellationError) {}
    }

    /// Databases of runs that are over, to be used again: to make the tables, and to compile the statements
    /// anew, takes longer than a run.
    private static let spare = Mutex<[DatabaseQueue]>([])

    init() throws {
        queue = try Self.spare.withLock { $0.popLast() } ?? JournalSchema.fresh()
        try queue.write { try Self.empty($0) }
        writer = try Self.open(queue, clock, tail)
    }

    deinit { Self.spare.withLock { $0.append(queue) } }

    private static func empty(_ db: Database) throws {
        let tables = try String.fetchAll(
            db,
            sql: """
                SELECT name FROM sqlite_master
                WHERE type = 'table' AND name NOT LIKE 'sqlite%'
                    AND name NOT IN ('grdb_migrations', 'counters')
                """)
        // What refers to others goes first, and all of it is gone in the end.
        try db.execute(sql: "PRAGMA defer_foreign_keys = ON")
        for table in tables { try db.execute(sql: "DELETE FROM \(table)") }
        try db.execute(sql: "UPDATE counters SET value = 0")
    }

    private static func open(
        _ queue: DatabaseQueue, _ clock: Clock, _ tail: JournalTail
    ) throws -> JournalWriter {
        try JournalWriter(
            queue, clock: clock,
            limits: JournalConfiguration(path: folder.get().file("mirror"), retention: .seconds(86_400)),
            logger: .quiet, publish: { tail.publish($0, upTo: $1) }, checkpointIsDue: { _ in })
    }

    /// The process died, and another opens what it had committed.
    func reopen() throws {
        writer = try Self.open(queue, clock, tail)
        tail.begin(at: Int64(count))
        stored = StoredEntries()
    }

    // MARK: - What the worker does

    func append(_ event: Event, isRouted: Bool) throws {
        count += 1
        // The simulation has few distinct events; here each is one of its own.
        let digest = EventDigest(org: "mirror", eventID: "\(count)")
        let route = Route(choices: isRouted ? [Route.Choice(sink: "sink", rule: "rule")] : [])
        try writer.transaction {
            _ = try writer.append(
                Submission(events: [Submission.RoutedEvent(event: event, route: route)]), digests: [digest])
        }
    }

    /// Whether the lease is still good.
    func settle(_ settlement: Settlement, at now: Int64) throws -> Bool {
        clock.set(now)
        var result = SettleResult.whole
        try writer.transaction { result = try writer.settle(settlement, at: now) }
        return result == .whole
    }

    func intend(_ offsets: [Offset]) throws {
        let epoch = epoch
        try writer.transaction { try writer.intend("sink", epoch: epoch, offsets) }
    }

    func lease(at now: Int64) throws -> SinkLease {
        clock.set(now)
        var lease: SinkLease?
        try writer.transaction { lease = try writer.lease("sink") }
        guard let whole = try lease?.withParked(from: queue) else { throw JournalError.closed }
        epoch = whole.epoch
        return whole
    }

    func page(after offset: Offset, limit: ReadLimit) throws -> JournalPage {
        if let page = tail.read("sink", after: offset.rawValue, limit: limit) { return page }
        return try queue.unsafeRead {
            try stored.page("sink", after: offset, horizon: tail.horizon, limit: limit, $0)
        }
    }

    func entries(at offsets: [Offset]) throws -> [JournalEntry] {
        try queue.unsafeRead { try stored.entries("sink", at: offsets, $0) }
    }

    func states(of subjects: [Subject]) throws -> [Subject: FoldState] {
        try queue.unsafeRead { try StoredEntries.states("sink", of: subjects, $0) }
    }

    // MARK: - What an operator does, and retention

    func pause(reason: String, at now: Int64) throws {
        clock.set(now)
        try writer.transaction { _ = try writer.pause("sink", reason: reason, at: now) }
    }

    func resume(at now: Int64) throws {
        clock.set(now)
        try writer.transaction { _ = try writer.resume("sink", at: now) }
    }

    func detach(upTo offset: Offset, at now: Int64) throws {
        try writer.transaction {
            let db = try writer.database
            guard let place = try SinkPlace.named("sink", db) else { throw JournalError.closed }
            let last = offset.rawValue
            var given = try place.entries(
                after: place.cursor, through: last, routes: try writer.routes.ids(naming: "sink", db), db)
            given.add(try place.parkedEntries(through: last, db))
            try writer.giveUp(given, of: place, through: last, because: "test", at: now, db)
        }
    }

    func seek(to offset: Offset, at now: Int64) throws {
        guard let survey = try WaitingSurvey("sink", to: offset.rawValue, queue) else {
            throw JournalError.closed
        }
        try writer.transaction {
            _ = try writer.seek("sink", to: offset, by: survey, looksMax: .max, reason: "test", at: now)
        }
    }

    /// What its counts and letters say that is not so, when everything is delivered.
    func problem(
        givenUp: Int, dead: Set<Offset>, attempts: [Offset: Int]
    ) throws -> String? {
        let letters = try queue.unsafeRead {
            try Row.fetchAll($0, sql: #"SELECT "offset", failures, sink_id FROM dead_letters"#)
        }
        let logged = try queue.unsafeRead {
            try Row.fetchAll($0, sql: #"SELECT "offset", count(*) FROM attempts GROUP BY "offset""#)
        }
        for row in logged where row[1] > attempts[Offset(rawValue: row[0])] ?? 0 {
            return "\(row[1] as Int) attempts of \(row[0] as Int64) are logged, and it had fewer"
        }
        let buried = Set(letters.map { Offset(rawValue: $0[0]) })
        guard dead.isSubset(of: buried) else { return "\(dead.subtracting(buried)) are no dead letters" }
        for letter in letters {
            guard let last = FailedAttempt.failures(ofText: letter[1]).last else {
                return "it died of nothing"
            }
            let logged = try queue.unsafeRead {
                try AttemptLog.read(letter[2], letter[0], upTo: last, $0)
            }
            // Moved back, it may have failed again at the same instant, and otherwise.
            guard logged.first?.number == last.number, logged.first?.at == last.at else {
                return "attempt \(last.number) is not logged"
            }
        }
        let select = "SELECT detached, \(SinkPlace.waitingSQL) FROM sinks"
        guard let row = try queue.unsafeRead({ try Row.fetchOne($0, sql: select) }) else { return "no sink" }
        let (found, waiting): (Int, Int) = (row[0], row[1])
        if found != givenUp { return "the journal has given up \(found), not \(givenUp)" }
        return waiting == 0 ? nil : "the journal counts \(waiting) that wait"
    }
}
