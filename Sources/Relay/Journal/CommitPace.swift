/// Keeps commits a little apart, so that more requests share one.
///
/// A commit writes the ends of half a dozen tables and syncs them, whatever else is in it. A thousand small
/// ones a second keep the disk so busy that it stalls all of them now and then; a few hundred larger ones do
/// not. Who comes alone does not wait: only a commit that would begin right after another one does, and not
/// once enough has gathered. Times are nanoseconds of a clock that never goes back.
package struct CommitPace {
    /// Between the beginnings of two commits, where less than ``enough`` waits: 3 ms.
    package static let gap: UInt64 = 3_000_000
    /// So much does not wait.
    package static let enough = 32

    private var earliest: UInt64 = 0

    package init() {}

    package mutating func begins(at now: UInt64) { earliest = now + Self.gap }

    /// How long the next commit waits for more, in nanoseconds.
    package func rest(gathered: Int, at now: UInt64) -> UInt64 {
        gathered >= Self.enough || now >= earliest ? 0 : earliest - now
    }
}
