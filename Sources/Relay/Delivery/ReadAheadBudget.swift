import Synchronization

/// How much all sinks together have in memory of what they have not delivered, in bytes of event bodies; each
/// has an even share.
///
/// An event takes some times the bytes of its body, and many sinks must not take much more than a few. May be
/// used from any thread.
public final class ReadAheadBudget: Sendable {
    private let bytes: Int
    private let sinks: Atomic<Int>

    /// However many sinks there are: the least for one that has a user's events wait for each other, and has
    /// to see past those that wait, and the least for any other.
    private static let (shareMinOfLines, shareMin) = (8 * 1024 * 1024, 64 * 1024)

    public init(bytes: Int = 16 * 1024 * 1024) {
        self.bytes = bytes
        sinks = Atomic(1)
    }

    /// From now on so many sinks are delivered to.
    func share(among sinks: Int) { self.sinks.store(max(1, sinks), ordering: .relaxed) }

    /// The share of one sink by now.
    func share(foldsUsers: Bool) -> Int {
        let share = bytes / sinks.load(ordering: .relaxed)
        return max(share, min(bytes, foldsUsers ? Self.shareMin : Self.shareMinOfLines))
    }
}
