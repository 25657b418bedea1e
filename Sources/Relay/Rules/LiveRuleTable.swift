public import Rules
import Synchronization

/// The rule table that is in force: a reload swaps the whole table while requests go on with the one they
/// read.
///
/// May be used from any thread.
public final class LiveRuleTable: Sendable {
    private let table: Mutex<RuleTable>

    public init(_ table: RuleTable) { self.table = Mutex(table) }

    /// The table in force now; immutable, so whoever holds it sees one consistent set of rules.
    public var current: RuleTable { table.withLock { $0 } }

    /// Puts another table in force.
    public func swap(_ next: RuleTable) { table.withLock { $0 = next } }
}
