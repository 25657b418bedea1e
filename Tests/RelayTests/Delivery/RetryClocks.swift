@testable import Relay

/// How long deliveries have been tried for, told from outside of the machine: the time in which the sink was
/// away or held does not count.
struct RetryClocks {
    private struct Start {
        let counted: Int64
        let forgotten: Int64
    }

    /// `retry.for`, in nanoseconds.
    let giveUpAfter: Int64
    /// Nanoseconds in which the sink could be delivered to.
    private var counted: Int64 = 0
    /// Of outages, what the machine has not told the journal.
    private var untold: Int64 = 0
    /// What died untold with a process.
    private var forgotten: Int64 = 0
    private var outage: Int64 = 0
    private var longestOutage: Int64 = 0
    /// Time of which it depends on who noticed first whether it counts.
    private var slack: Int64 = 0
    private var starts: [Offset: Start] = [:]

    init(giveUpAfter: Duration) { self.giveUpAfter = giveUpAfter.nanoseconds }

    /// Time passes.
    mutating func pass(_ nanoseconds: Int64, isAway: Bool, isHeld: Bool) {
        if isHeld { return }
        guard isAway else {
            counted += nanoseconds
            outage = 0
            return
        }
        untold += nanoseconds
        outage += nanoseconds
        longestOutage = max(longestOutage, outage)
    }

    /// That much time counts or does not.
    mutating func mayCount(_ nanoseconds: Int64) { slack += nanoseconds }

    /// The journal was told of so much of an outage; of what was none, more than there was.
    mutating func told(_ nanoseconds: Int64) {
        slack += max(0, nanoseconds - untold)
        untold = max(0, untold - nanoseconds)
    }

    /// Another machine begins, which only knows what the journal does: of these that they were put off, and
    /// that the sink was away for so long besides.
    mutating func begin(knowing known: some Sequence<Offset>, told nanoseconds: Int64) {
        let known = Set(known)
        starts = starts.filter { known.contains($0.key) }
        told(nanoseconds)
        forgotten += untold
        (untold, outage) = (0, 0)
    }

    /// The first attempt of a delivery has failed, unless it had before.
    mutating func start(_ offset: Offset) {
        starts[offset] = starts[offset] ?? Start(counted: counted, forgotten: forgotten)
    }

    /// Why a delivery must not be given up now; nil where it may.
    ///
    /// Of several that go as one, the oldest counts.
    func tooEarly(_ offsets: [Offset]) -> String? {
        let spent = offsets.compactMap { starts[$0] }.map { start in
            counted - start.counted + forgotten - start.forgotten
        }
        guard let longest = spent.max() else { return "given up before it was ever put off" }
        return longest + slack >= giveUpAfter ? nil : "given up after \(Duration.nanoseconds(longest))"
    }

    /// Why a delivery should have been given up by now; nil where it need not.
    ///
    /// One that began within an outage may get the length of that on top.
    func tooLate(_ offset: Offset) -> String? {
        guard let start = starts[offset] else { return nil }
        let spent = counted - start.counted
        return spent <= giveUpAfter + longestOutage + slack ? nil : "tried for \(Duration.nanoseconds(spent))"
    }
}
