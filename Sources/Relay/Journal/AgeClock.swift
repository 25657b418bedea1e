/// The wall clock, as far as it may be believed when something is deleted for its age.
///
/// What is deleted does not come back when a clock that was set too far forward is set right. So a step
/// forward is believed when it has lasted for a day; until then time goes on as it had before. A step back
/// makes everything younger, and is believed at once; and so is the clock at a start.
struct AgeClock {
    /// What is smaller is not doubted.
    static let smallStep = Duration.seconds(3_600)
    static let doubted = Duration.seconds(86_400)

    private let clock: any RelayClock
    /// How far the wall clock was ahead of the one that nobody sets, when it was believed last.
    private var lead: Int64
    /// Since when it says something else, by the clock that nobody sets, and how far it was ahead then.
    private var doubt: (since: Int64, lead: Int64)?

    init(_ clock: any RelayClock) {
        self.clock = clock
        lead = clock.now - clock.uptime
    }

    var isDoubting: Bool { doubt != nil }

    /// Nanoseconds since 1970.
    mutating func read() -> Int64 {
        let (now, uptime) = (clock.now, clock.uptime)
        let ahead = now - uptime
        if ahead - lead >= Self.smallStep.nanoseconds {
            // Set once more, it begins anew.
            guard let doubt, abs(ahead - doubt.lead) < Self.smallStep.nanoseconds else {
                doubt = (uptime, ahead)
                return uptime + lead
            }
            if uptime - doubt.since < Self.doubted.nanoseconds { return uptime + lead }
        }
        (doubt, lead) = (nil, ahead)
        return now
    }
}
