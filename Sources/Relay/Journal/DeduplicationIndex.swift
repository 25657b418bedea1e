import Foundation
import GRDB

/// Which events the journal has taken in within its retention.
///
/// The newest digests are a set in memory; the entries themselves are their durable form, so remembering an
/// event writes nothing. When the set is full it is frozen: sorted, written as one *run* of 4 KB pages, and
/// answered from then on by a Bloom filter in memory and, where that says maybe, by one page from disk. A
/// B-tree over random digests would instead dirty a page of its own for nearly every event.
///
/// Where entries must go before the set is full it is frozen as it is. Such small runs are merged like the
/// digits of a binary counter: a run takes in those before it that are no larger.
///
/// Owned by the writer thread.
final class DeduplicationIndex {
    /// Digests in memory before they are frozen.
    static let runDigests = 131_072
    private static let pageDigests = 256

    private struct Run {
        let id: Int64
        let filter: BloomFilter
    }

    private let runCapacity: Int
    /// Not frozen yet; those of the transaction under way included.
    private var current: Set<EventDigest> = []
    /// Taken in by the transaction under way.
    private var pending: [EventDigest] = []
    private var runs: [Run] = []

    /// Reads the filters of all runs, and the digests of the entries that came after the last one.
    init(_ db: Database, runCapacity: Int = DeduplicationIndex.runDigests) throws {
        self.runCapacity = runCapacity
        let rows = try StoredRow.fetchCursor(db, sql: "SELECT id, filter FROM seen_runs ORDER BY id DESC")
        while let row = try rows.next() {
            try runs.append(Run(id: row[0], filter: BloomFilter(bytes: Array(row[1] as Data))))
        }
        let entries = try StoredRow.fetchCursor(
            db,
            sql: """
                SELECT hooks.org, event_id FROM entries JOIN hooks ON hooks.id = hook_id
                WHERE "offset" > (SELECT coalesce(max(last_offset), 0) FROM seen_runs) AND replay IS NULL
                """
        )
        while let row = try entries.next() {
            try current.insert(EventDigest(org: row[0], eventID: row[1]))
        }
    }

    /// Remembers a digest; answers false where it was known.
    func insert(_ digest: EventDigest, _ db: Database) throws -> Bool {
        guard try !isFrozen(digest, db), current.insert(digest).inserted else { return false }
        pending.append(digest)
        return true
    }

    /// Whether a digest is known.
    func contains(_ digest: EventDigest, _ db: Database) throws -> Bool {
        try current.contains(digest) || isFrozen(digest, db)
    }

    /// How many digests the transaction under way has taken in; for ``forget(since:)``.
    var pendingCount: Int { pending.count }

    /// Takes back what a caller's savepoint had remembered.
    func forget(since count: Int) {
        current.subtract(pending[count...])
        pending.removeSubrange(count...)
    }

    func didCommit() {
        pending.removeAll(keepingCapacity: true)
    }

    func didRollBack() {
        current.subtract(pending)
        pending.removeAll(keepingCapacity: true)
    }

    // MARK: - Runs

    var isFull: Bool { current.count >= runCapacity }

    /// Writes the set in memory as a run, inside a transaction of its own; `lastOffset` is the newest
    /// entry's.
    func freeze(lastOffset: Int64, newestReceivedAt: Int64, _ db: Database) throws {
        var digests = Array(current)
        var newest = newestReceivedAt
        merged = []
        while let run = runs.dropFirst(merged.count).first, isMerged(run, into: digests.count) {
            let select = "SELECT newest_received_at FROM seen_runs WHERE id = ?"
            newest = max(newest, try Int64.fetchOne(db, sql: select, arguments: [run.id]) ?? newest)
            digests += try stored(run, db)
            try delete(run.id, db)
            merged.insert(run.id)
        }
        digests.sort()
        var filter = BloomFilter(capacity: digests.count)
        for digest in digests { filter.insert(digest) }
        try db.execute(
            sql: "INSERT INTO seen_runs (last_offset, newest_received_at, filter) VALUES (?, ?, ?)",
            arguments: [lastOffset, newest, Data(filter.bytes)]
        )
        let run = db.lastInsertedRowID
        let insert = try db.cachedStatement(
            sql: "INSERT INTO seen_pages (run_id, first, digests) VALUES (?, ?, ?)")
        for start in stride(from: 0, to: digests.count, by: Self.pageDigests) {
            var page: [UInt8] = []
            for digest in digests[start..<min(start + Self.pageDigests, digests.count)] {
                digest.append(to: &page)
            }
            try insert.execute(arguments: [run, Data(page.prefix(EventDigest.byteCount)), Data(page)])
        }
        frozen = Run(id: run, filter: filter)
    }

    /// A run that is written and not committed yet, and those whose digests it has taken over.
    private var frozen: Run?
    private var merged: Set<Int64> = []

    func didFreeze(committed: Bool) {
        if committed, let frozen {
            runs.removeAll { merged.contains($0.id) }
            runs.insert(frozen, at: 0)
            current.removeAll(keepingCapacity: true)
        }
        (frozen, merged) = (nil, [])
    }

    private func isMerged(_ run: Run, into count: Int) -> Bool {
        run.filter.capacity <= count && run.filter.capacity < runCapacity / 2
    }

    private func stored(_ run: Run, _ db: Database) throws -> [EventDigest] {
        let select = "SELECT digests FROM seen_pages WHERE run_id = ?"
        return try Data.fetchAll(db, sql: select, arguments: [run.id]).flatMap { page in
            let bytes = Array(page)
            return (0..<bytes.count / EventDigest.byteCount).map {
                EventDigest(bytes[($0 * EventDigest.byteCount)...])
            }
        }
    }

    private func delete(_ run: Int64, _ db: Database) throws {
        try db.execute(sql: "DELETE FROM seen_pages WHERE run_id = ?", arguments: [run])
        try db.execute(sql: "DELETE FROM seen_runs WHERE id = ?", arguments: [run])
    }

    /// Deletes one run whose newest entry is older than the retention: a run is some 2 MB; nil where there is
    /// none.
    func expire(before receivedAt: Int64, _ db: Database) throws -> Int64? {
        let select = "SELECT id FROM seen_runs WHERE newest_received_at < ? ORDER BY id LIMIT 1"
        guard let run = try Int64.fetchOne(db, sql: select, arguments: [receivedAt]) else { return nil }
        try delete(run, db)
        return run
    }

    /// The run that ``expire(before:_:)`` has deleted is gone for good.
    func didExpire(_ run: Int64?) { runs.removeAll { $0.id == run } }

    private func isFrozen(_ digest: EventDigest, _ db: Database) throws -> Bool {
        for run in runs where run.filter.mayContain(digest) {
            if try isOnDisk(digest, run: run.id, db) { return true }
        }
        return false
    }

    private func isOnDisk(_ digest: EventDigest, run: Int64, _ db: Database) throws -> Bool {
        var wanted: [UInt8] = []
        digest.append(to: &wanted)
        let statement = try db.cachedStatement(
            sql: """
                SELECT digests FROM seen_pages WHERE run_id = ? AND first <= ? ORDER BY first DESC LIMIT 1
                """
        )
        guard let page = try Data.fetchOne(statement, arguments: [run, Data(wanted)]) else { return false }
        let bytes = Array(page)
        var range = 0..<(bytes.count / EventDigest.byteCount)
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            let found = EventDigest(bytes[(middle * EventDigest.byteCount)...])
            if found == digest { return true }
            range = found < digest ? (middle + 1)..<range.upperBound : range.lowerBound..<middle
        }
        return false
    }
}
