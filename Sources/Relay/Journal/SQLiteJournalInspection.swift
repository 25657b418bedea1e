import Foundation
import GRDB
import JSON

/// Reads a journal's file for an operator, on a thread and a read-only connection of its own; beside a
/// running relay, in the same process or in another.
public final class SQLiteJournalInspection: JournalInspection {
    /// Of the file itself, whatever links lead to it.
    private let path: String
    private let sizeMax: Int?
    /// Not measured yet; without a maximum, its disk is the limit.
    let space: JournalSpace
    private let clock: any RelayClock
    let thread = SerialThread(name: "journal-inspect")
    let queue: DatabaseQueue

    /// - Parameters:
    ///   - sizeMax: The configuration's, to be shown beside what is used.
    ///   - clock: Tells how old is what waits.
    /// - Throws: ``JournalError/unusable(reason:)`` where there is no journal at the path, or one that
    ///   another version wrote: its tables may have the same names and mean something else.
    public convenience init(
        path: String, sizeMax: Int? = nil, clock: any RelayClock = SystemClock()
    ) throws(JournalError) {
        try self.init(path, sizeMax: sizeMax, clock: clock)
        do {
            try queue.read(Self.checkVersion)
        } catch {
            throw JournalError(error)
        }
    }

    /// Of a journal whatever its version: for who copies it as it is, or is about to upgrade it.
    public static func ofAnyVersion(
        path: String, sizeMax: Int? = nil
    ) throws(JournalError) -> SQLiteJournalInspection {
        try SQLiteJournalInspection(path, sizeMax: sizeMax, clock: SystemClock())
    }

    private init(_ path: String, sizeMax: Int?, clock: any RelayClock) throws(JournalError) {
        guard FileManager.default.fileExists(atPath: path) else {
            throw .unusable(
                reason: "there is no journal at \(path); start the relay once, or name its config")
        }
        let path = JournalFile.place(of: path)
        self.path = path
        self.sizeMax = sizeMax
        space = JournalSpace(journalPath: path, sizeMax: sizeMax ?? .max)
        self.clock = clock
        do {
            queue = try JournalFile.openForReading(path)
        } catch {
            throw JournalError(error)
        }
    }

    private static func checkVersion(_ db: Database) throws {
        let version = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
        guard version != JournalSchema.version else { return }
        let reason =
            switch version {
            case 0: "the file is no journal, or one that was never begun"
            case ..<JournalSchema.version:
                """
                an older okta-relay wrote it (schema \(version), this one reads \(JournalSchema.version)): \
                the next `serve`, or command that changes something, upgrades it, and keeps a copy
                """
            default:
                """
                a newer okta-relay wrote it (schema \(version), this one reads \(JournalSchema.version)): \
                use that version
                """
            }
        throw JournalError.unusable(reason: reason)
    }

    public func status() async throws(JournalError) -> JournalStatus {
        try await onThread { [path, sizeMax, clock, space] db in
            let space = try space.measured(db)
            let counters = try StoredRow.fetchAll(db, sql: "SELECT name, value FROM counters")
            let pairs = try counters.map { try ($0[0] as String, $0[1] as Int) }
            let counts = Dictionary(pairs) { first, _ in first }
            return JournalStatus(
                accepted: counts["accepted"] ?? 0,
                duplicates: counts["duplicates"] ?? 0,
                unrouted: counts["unrouted"] ?? 0,
                quarantined: counts["quarantined"] ?? 0,
                horizon: Offset(
                    rawValue: try Int64.fetchOne(db, sql: #"SELECT max("offset") FROM entries"#) ?? 0),
                sizeBytes: JournalSpace.bytes(ofFile: path) + space.logBytes,
                sinks: try StoredRow.fetchAll(db, sql: Self.sinksSQL).map {
                    try Self.sinkStatus($0, at: clock.now, db)
                },
                usedBytes: space.usedBytes,
                sizeMaxBytes: sizeMax.map { _ in space.limitBytes },
                expired: counts["expired"] ?? 0,
                deadLettersExpired: counts["dead_letters_expired"] ?? 0,
                quarantineExpired: counts["quarantine_expired"] ?? 0
            )
        }
    }

    public func deadLetters(
        _ filter: DeadLetterFilter, _ page: PageRequest
    ) async throws(JournalError) -> [DeadLetterRecord] {
        try await onThread { db in
            var condition = filter.condition
            condition.add("dead_letters.id < ?", page.before)
            if let sink = filter.sink {
                // Their ids are in an index; one sink may have few letters of many, and another nearly all.
                condition.add(
                    """
                    dead_letters.id IN (SELECT id FROM dead_letters
                        WHERE sink_id = (SELECT id FROM sinks WHERE name = ?))
                    """, sink)
            }
            let sql = Self.deadLettersSQL(where: condition.text) + " ORDER BY dead_letters.id DESC LIMIT ?"
            return try StoredRow.fetchAll(db, sql: sql, arguments: condition.arguments + [page.limit])
                .map { try Self.deadLetter($0, body: nil) }
        }
    }

    public func deadLetter(id: Int64) async throws(JournalError) -> DeadLetterRecord? {
        try await onThread { db in
            let sql = Self.deadLettersSQL(where: "dead_letters.id = ?")
            guard let row = try StoredRow.fetchOne(db, sql: sql, arguments: [id]) else { return nil }
            let select = #"SELECT body, sink_id, "offset", failures FROM dead_letters WHERE id = ?"#
            guard let rest = try StoredRow.fetchOne(db, sql: select, arguments: [id]) else { return nil }
            var failures = FailedAttempt.failures(ofText: try rest[3])
            if let last = failures.last, last.number > failures.count {
                failures = try failures.completed(by: AttemptLog.read(rest[1], rest[2], upTo: last, db))
            }
            return try Self.deadLetter(row, body: (rest[0] as Data?).map { Array($0) }, failures: failures)
        }
    }

    /// Inputs whose bytes are read in one transaction.
    private static let quarantineChunk = 200

    public func quarantine(
        _ filter: QuarantineFilter, _ page: PageRequest
    ) async throws(JournalError) -> [QuarantineRecord] {
        var found: [QuarantineRecord] = []
        var before = page.before
        while found.count < page.limit {
            let chunk = filter.looksAtBytes ? Self.quarantineChunk : page.limit
            let (start, room) = (before, page.limit - found.count)
            let (records, last) = try await onThread { try Self.quarantine(filter, start, chunk, room, $0) }
            found += records
            guard filter.looksAtBytes, let last else { break }
            before = last
        }
        return found
    }

    /// Records among some that are older than one; and the id of the oldest of those, nil where there are no
    /// more.
    private static func quarantine(
        _ filter: QuarantineFilter, _ before: Int64?, _ chunk: Int, _ room: Int, _ db: Database
    ) throws -> (records: [QuarantineRecord], last: Int64?) {
        var condition = filter.condition
        condition.add("id < ?", before)
        let sql = """
            SELECT id, received_at, hook, reason, length(bytes), NULL, has_bytes,
                iif(has_bytes AND ?, bytes, NULL)
            FROM quarantine WHERE \(condition.text) ORDER BY id DESC LIMIT ?
            """
        let arguments: StatementArguments = [filter.looksAtBytes] + condition.arguments + [chunk]
        let rows = try StoredRow.fetchCursor(db, sql: sql, arguments: arguments)
        var records: [QuarantineRecord] = []
        var (count, last) = (0, nil as Int64?)
        while records.count < room, let row = try rows.next() {
            count += 1
            last = try row[0]
            guard filter.accepts(try (row[7] as Data?).map { Array($0) }) else { continue }
            records.append(try quarantineRecord(row))
        }
        return (records, count == chunk ? last : nil)
    }

    public func quarantined(id: Int64) async throws(JournalError) -> QuarantineRecord? {
        try await onThread { db in
            let sql =
                """
                SELECT id, received_at, hook, reason, length(bytes), iif(has_bytes, bytes, NULL), has_bytes
                FROM quarantine WHERE id = ?
                """
            return try StoredRow.fetchOne(db, sql: sql, arguments: [id]).map(Self.quarantineRecord)
        }
    }

    public func detached(
        _ filter: DetachedFilter, _ page: PageRequest
    ) async throws(JournalError) -> [DetachedRange] {
        try await onThread { db in
            var condition = filter.condition
            condition.add("id < ?", page.before)
            let sql = """
                SELECT id, sink, at, reason, first_offset, last_offset, first_received_at, last_received_at,
                    entries
                FROM detached WHERE \(condition.text) ORDER BY id DESC LIMIT ?
                """
            let rows = try StoredRow.fetchAll(db, sql: sql, arguments: condition.arguments + [page.limit])
            return try rows.map { row in
                let (id, first, last): (Int64, Int64, Int64) = try (row[0], row[4], row[5])
                guard first <= last else {
                    throw JournalDamage(what: "the range \(id) of what was given up ends before it begins")
                }
                return try DetachedRange(
                    id: id, sink: row[1], at: row[2], reason: row[3],
                    offsets: Offset(rawValue: first)...Offset(rawValue: last),
                    firstReceivedAt: row[6], lastReceivedAt: row[7], entries: row[8])
            }
        }
    }

    func onThread<T: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> T
    ) async throws(JournalError) -> T {
        let result = await thread.run { [queue] in
            Result {
                // Kept however the transaction ends: it cannot end well where it has met a damaged page.
                var read: Result<T, any Error>?
                do {
                    try queue.read { db in read = Result { try body(db) } }
                } catch {
                    if read == nil { throw error }
                }
                guard let read else { throw JournalError.closed }
                return try read.get()
            }
        }
        do {
            return try result.get()
        } catch {
            throw JournalError(error)
        }
    }
}

// MARK: - Rows

extension SQLiteJournalInspection {
    private static let sinksSQL = """
        SELECT name, cursor, delivered, superseded, skipped, retried, dead, detached, hold, hold_reason,
            held_at,
            (SELECT count(*) FROM parked WHERE sink_id = sinks.id) AS parked,
            \(SinkPlace.waitingSQL) AS waiting
        FROM sinks ORDER BY name
        """

    private static func sinkStatus(_ row: StoredRow, at now: Int64, _ db: Database) throws -> SinkStatus {
        let waiting: Int = try row["waiting"]
        let oldest =
            waiting > 0 ? try oldestWaiting(row["name"], after: row["cursor"], at: now, db) : nil
        return try SinkStatus(
            name: row["name"],
            cursor: Offset(rawValue: row["cursor"]),
            waiting: waiting,
            oldestWaitingReceivedAt: oldest?.receivedAt,
            oldestWaitingSince: oldest?.since,
            delivered: row["delivered"],
            superseded: row["superseded"],
            skipped: row["skipped"],
            retried: row["retried"],
            parked: row["parked"],
            dead: row["dead"],
            detached: row["detached"],
            hold: SinkHold(kind: row["hold"], reason: row["hold_reason"], since: row["held_at"])
        )
    }

    /// Of the first of the parked entries and the first one behind the cursor, when the earlier one came in,
    /// and since when the one waits that waits for longest; what lies behind them has waited for less.
    private static func oldestWaiting(
        _ sink: String, after cursor: Int64, at now: Int64, _ db: Database
    ) throws -> (receivedAt: Int64, since: Int64)? {
        var routes = RouteCatalogue()
        let numbers = try routes.ids(naming: sink, db)
        let rows = try StoredRow.fetchAll(
            db,
            sql: """
                SELECT "offset", received_at, replay FROM entries WHERE "offset" IN (
                    (SELECT "offset" FROM entries
                     WHERE "offset" > ? AND route_id IN (SELECT value FROM json_each(?))
                     ORDER BY "offset" LIMIT 1),
                    (SELECT min("offset") FROM parked
                     WHERE sink_id = (SELECT id FROM sinks WHERE name = ?)))
                ORDER BY "offset"
                """,
            arguments: [cursor, "\(numbers)", sink]
        )
        var arrivals = Arrivals(now: now)
        let since = try rows.map {
            try arrivals.instant(of: $0[0], receivedAt: $0[1], replay: $0[2], db)
        }.min()
        guard let since else { return nil }
        return try (rows.map { try $0[1] as Int64 }.min() ?? since, since)
    }

    private static func deadLettersSQL(where filter: String) -> String {
        // Crossed, so that SQLite goes by the letters' ids and not by the sink, whose letters it would sort.
        """
        SELECT dead_letters.id, sinks.name, rule, event_id, event_type, user_id, died_at, failures,
            body IS NULL
        FROM dead_letters CROSS JOIN sinks ON sinks.id = sink_id
        WHERE \(filter)
        """
    }

    /// - Parameter failures: Nil: those that the row keeps.
    private static func deadLetter(
        _ row: StoredRow, body: [UInt8]?, failures: [FailedAttempt]? = nil
    ) throws -> DeadLetterRecord {
        try DeadLetterRecord(
            id: row[0],
            sink: row[1],
            rule: row[2],
            eventID: row[3],
            eventType: row[4],
            userID: row[5],
            diedAt: row[6],
            failures: failures ?? FailedAttempt.failures(ofText: row[7]),
            body: body,
            isExpired: row[8]
        )
    }

    private static func quarantineRecord(_ row: StoredRow) throws -> QuarantineRecord {
        try QuarantineRecord(
            id: row[0],
            receivedAt: row[1],
            hook: row[2],
            reason: row[3],
            sizeBytes: row[4],
            bytes: (row[5] as Data?).map { Array($0) },
            isExpired: !(row[6] as Bool)
        )
    }
}
