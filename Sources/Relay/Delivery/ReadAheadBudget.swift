import Synchronization

/// How much sinks have in memory of what they have not delivered (``Event/footprint``).
///
/// Those that fold users share it evenly, so that many of them do not take much more than a few. One that has
/// a user's events wait for each other has to see past those that wait, and has twice as much for itself. May
/// be used from any thread.
public final class ReadAheadBudget: Sendable {
    private let bytes: Int
    private let sharing: Atomic<Int>

    /// The least, however many share.
    private static let shareMin = 128 * 1024

    public init(bytes: Int = 12 * 1024 * 1024) {
        self.bytes = bytes
        sharing = Atomic(1)
    }

    /// From now on so many sinks that fold users are delivered to.
    func share(among sinks: Int) { sharing.store(max(1, sinks), ordering: .relaxed) }

    /// The share of one sink by now.
    func share(foldsUsers: Bool) -> Int {
        foldsUsers ? max(bytes / sharing.load(ordering: .relaxed), min(bytes, Self.shareMin)) : 2 * bytes
    }
}
