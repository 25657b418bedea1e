/// Notices that the wall clock was set, by how it and a clock that nobody sets go apart.
struct ClockWatch {
    /// What is smaller is not told of: a clock that is slewed, and the time between two readings.
    static let unnoticed = Duration.seconds(1)

    private let clock: any RelayClock
    /// How far the wall clock was ahead of the other one, when it was told of last.
    private var lead: Int64

    init(_ clock: any RelayClock) {
        self.clock = clock
        lead = clock.now - clock.uptime
    }

    /// What the wall clock says, and by how many nanoseconds it was set since the last call, forward or back;
    /// nil where it was not.
    mutating func read() -> (now: Int64, step: Int64?) {
        let now = clock.now
        let step = now - clock.uptime - lead
        guard abs(step) >= Self.unnoticed.nanoseconds else { return (now, nil) }
        lead += step
        return (now, step)
    }
}
