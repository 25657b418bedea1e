import Synchronization

/// How much all sinks together have in memory of what they have not delivered (``Event/footprint``); each has
/// an even share, so that many sinks do not take much more than a few.
///
/// May be used from any thread.
public final class ReadAheadBudget: Sendable {
    private let bytes: Int
    private let sinks: Atomic<Int>

    /// The least, however many sinks there are.
    private static let shareMin = 128 * 1024

    public init(bytes: Int = 12 * 1024 * 1024) {
        self.bytes = bytes
        sinks = Atomic(1)
    }

    /// From now on so many sinks are delivered to.
    func share(among sinks: Int) { self.sinks.store(max(1, sinks), ordering: .relaxed) }

    /// The share of one sink by now.
    ///
    /// A sink that has a user's events wait for each other has to see past those that wait: it has all.
    func share(foldsUsers: Bool) -> Int {
        foldsUsers ? max(bytes / sinks.load(ordering: .relaxed), min(bytes, Self.shareMin)) : bytes
    }
}
