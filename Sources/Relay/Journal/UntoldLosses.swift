import Logging

/// What the journal gave up by itself, and has not told of yet.
struct UntoldLosses {
    /// Between two lines of the log: near the maximum there is something all the time.
    private static let pause = Duration.seconds(10)

    /// Entries by sink.
    private var detached: [String: Int] = [:]
    /// Dead letters and quarantined inputs that lost their bytes, and those that are not listed any more.
    private var (bodies, records) = (0, 0)
    /// When the first of them was given up, and when it was told last; nanoseconds since 1970.
    private var (since, toldAt) = (nil as Int64?, nil as Int64?)

    mutating func detached(_ entries: Int, _ sink: String, at now: Int64) {
        detached[sink, default: 0] += entries
        since = since ?? now
    }

    mutating func expired(bodies: Int, records: Int, at now: Int64) {
        guard bodies + records > 0 else { return }
        self.bodies += bodies
        self.records += records
        since = since ?? now
    }

    /// Whether it is time to tell.
    ///
    /// - Parameter isOver: Whether no more is given up for now; otherwise the rest is waited for a while.
    func isDue(at now: Int64, isOver: Bool) -> Bool {
        guard let since else { return false }
        guard let last = isOver ? toldAt : max(toldAt ?? since, since) else { return true }
        return now < last || now - last >= Self.pause.nanoseconds
    }

    /// Tells all of it.
    mutating func tell(_ logger: Logger, at now: Int64) {
        guard since != nil else { return }
        for (sink, entries) in detached.sorted(by: { $0.key < $1.key }) {
            logger.error(
                """
                events that waited for a sink for too long, or without room, were given up; their ranges are \
                listed
                """,
                metadata: ["sink": "\(sink)", "events": "\(entries)"])
        }
        if bodies + records > 0 {
            logger.warning(
                """
                dead letters or quarantined inputs were over limits of their own: the oldest lost their \
                bytes, or are not listed any more
                """,
                metadata: ["lostBytes": "\(bodies)", "notListed": "\(records)"])
        }
        self = UntoldLosses()
        toldAt = now
    }
}
