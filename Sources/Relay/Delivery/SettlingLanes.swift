import Config

/// Users whose events are gathered before any of them is delivered: each from its first event on, for as long
/// as the sink's settle window.
///
/// Pure: time comes in.
struct SettlingLanes {
    private let window: Int64?
    private var waiting = WaitingLanes()
    /// Up to when everything that was received has been read: what belongs together may be cut by the end of
    /// a page, and is read before it goes.
    private var readTo = Int64.max
    /// When a lane was last due, while it has anything in line: what was received by then goes with the rest.
    private var closed: [ParkedLanes.Lane: Int64] = [:]

    init(_ window: Duration?) { self.window = window?.nanoseconds }

    /// Whether lanes are gathered at all.
    var isActive: Bool { window != nil }

    /// When the next lane is due, in nanoseconds since 1970.
    var earliest: Int64? { waiting.earliest }

    /// Whether a lane has to wait whose first event was received at that time; from now on, if so.
    mutating func gather(_ lane: ParkedLanes.Lane, from receivedAt: Int64, at now: Int64) -> Bool {
        guard let window else { return false }
        if waiting.lanes.contains(lane) { return true }
        if let closed = closed[lane], receivedAt <= closed { return false }
        // An event from the future, by a clock that was set back, waits no longer than others.
        let due = min(receivedAt, now) + window
        guard due > min(now, readTo) else {
            closed[lane] = now
            return false
        }
        waiting.insert(lane, until: due)
        return true
    }

    /// Everything that was received before this time has been read, in nanoseconds since 1970; `max` where
    /// there is no more, or no room for it.
    mutating func isRead(to time: Int64) { readTo = time }

    /// The lanes whose time has come.
    mutating func takeDue(at now: Int64) -> [ParkedLanes.Lane] {
        let due = waiting.takeDue(at: min(now, readTo))
        for lane in due { closed[lane] = now }
        return due
    }

    /// A lane has nothing in line any more.
    mutating func emptied(_ lane: ParkedLanes.Lane) { closed[lane] = nil }

    /// Forgets everything; the lanes that waited.
    mutating func removeAll() -> Set<ParkedLanes.Lane> {
        defer { (waiting, closed, readTo) = (WaitingLanes(), [:], .max) }
        return waiting.lanes
    }

    mutating func clockWasSet(by nanoseconds: Int64) {
        waiting.clockWasSet(by: nanoseconds)
        if readTo < .max { readTo += nanoseconds }
        for lane in closed.keys { closed[lane]? += nanoseconds }
    }
}
