import Relay
import Rules

/// One batch's transaction in a database, as both dialects give it.
///
/// Used on one thread.
protocol TableSession {
    /// Begins a transaction that keeps other writers of the table out, and reads states: those of these keys
    /// and those of these subjects.
    func begin(keys: [String], subjects: [String]) throws(TableFailure) -> [StoredState]

    /// The rows with these keys, in any order: by column index, all columns but the key.
    func rows(_ keys: [[RenderedValue]]) throws(TableFailure) -> [String: RowValues]

    /// Writes and commits durably.
    func commit(_ write: TableWrite) throws(TableFailure)

    /// Ends a transaction that failed. Nothing is left to do where there is none.
    func rollback()
}

/// A row of the companion table.
struct StoredState: Sendable, Equatable {
    /// ``RowKey/text(_:)``, or a JSON string for a deleted user's tombstone.
    var key: String
    var subject: String?
    var state: String
}

/// All that a batch does to a table.
struct TableWrite: Sendable, Equatable {
    /// A row to insert, or to change in these columns.
    struct Row: Sendable, Equatable {
        var key: [RenderedValue]
        /// A column that isn't there keeps its value; the key's own need not be there.
        var values: RowValues
    }

    /// Keys of rows that go; they go before others come.
    var deletions: [[RenderedValue]] = []
    /// Each key once in upsert tables.
    var rows: [Row] = []
    /// Each key once.
    var states: [StoredState] = []

    var isEmpty: Bool { deletions.isEmpty && rows.isEmpty && states.isEmpty }
}

/// Why a transaction failed.
enum TableFailure: Error, Equatable {
    /// The database refuses a value: some row of the batch is at fault.
    case data(String)
    /// The database refuses a row, and whether that is the row's fault or the table's is unclear.
    case unclear(String)
    /// Another transaction was in the way: worth another try at once.
    case conflict(String)
    /// Nothing can be written now.
    case sink(SinkError)

    /// What it is to the engine where no row can be blamed.
    var sinkError: SinkError {
        switch self {
        case .sink(let error): error
        case .data(let reason), .unclear(let reason): .misconfigured(reason: reason)
        case .conflict(let reason): .unavailable(reason: reason)
        }
    }
}
