import GRDB

/// Some of the log's entries: how many they are, between which offsets they lie, and when they came in.
struct EntryRange: Sendable, Equatable {
    private(set) var count: Int
    private(set) var offsets: ClosedRange<Int64>
    private(set) var receivedAt: ClosedRange<Int64>

    /// What a query for these values selects from `entries`.
    static let columns = #"count(*), min("offset"), max("offset"), min(received_at), max(received_at)"#

    /// One entry.
    init(_ offset: Int64, receivedAt: Int64) {
        count = 1
        offsets = offset...offset
        self.receivedAt = receivedAt...receivedAt
    }

    /// From a row of ``columns``; nil where there are no entries.
    init?(_ row: StoredRow?) throws {
        guard let row, try row[0] > 0 else { return nil }
        count = try row[0]
        offsets = try row[1]...row[2]
        receivedAt = try row[3]...row[4]
    }

    fileprivate mutating func join(_ other: EntryRange) {
        count += other.count
        offsets = offsets.joined(other.offsets)
        receivedAt = receivedAt.joined(other.receivedAt)
    }

    /// The same without some that are not among them any more, wherever they lay; nil without any.
    func without(_ gone: Int) -> EntryRange? {
        guard gone < count else { return nil }
        var left = self
        left.count -= gone
        return left
    }
}

extension EntryRange? {
    /// Adds other entries.
    mutating func add(_ other: EntryRange?) {
        guard let other else { return }
        if self == nil { self = other } else { self?.join(other) }
    }
}

extension ClosedRange<Int64> {
    fileprivate func joined(_ other: Self) -> Self {
        Swift.min(lowerBound, other.lowerBound)...Swift.max(upperBound, other.upperBound)
    }
}
