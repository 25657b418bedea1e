/// Where making room stands, while the journal is near its limit.
///
/// To look at all of a large log takes thousands of steps, so what was found lasts for a while, also where
/// there is room enough in between.
struct JournalRelief {
    /// After nothing could be deleted, it is not looked for again this long.
    static let pause = Duration.seconds(5)
    /// To count what lies in the log takes about that long.
    static let surveyPause = Duration.milliseconds(500)
    /// What stays is looked at again this often.
    private static let lookAgain = Duration.seconds(60)

    /// Entries up to here were looked at, and stay, but for what was given up since.
    var after: Int64 = 0
    /// The first of them that a sink still needs.
    var firstPinned: Int64?
    /// What sinks have given up, and is to be deleted.
    var givenUp: ClosedRange<Int64>?
    /// What is looked at again, as long as some of it goes.
    var again: ClosedRange<Int64>?
    /// The log's end when looking began.
    var end: Int64?
    var hasCutLog = false
    private var restsUntil: Int64?
    /// When all there was had been looked at; what comes is, too.
    private var lookedAt: Int64?

    /// Whether what stays was looked at long ago.
    func isOutdated(at now: Int64) -> Bool {
        lookedAt.map { now < $0 || now - $0 >= Self.lookAgain.nanoseconds } ?? false
    }

    func isResting(at now: Int64) -> Bool {
        guard let restsUntil else { return false }
        return now < restsUntil && restsUntil - now <= Self.pause.nanoseconds
    }

    /// All there was has been looked at.
    mutating func looked(at now: Int64) { lookedAt = lookedAt ?? now }

    /// What lies behind an offset and was looked at may not be pinned any more.
    mutating func lookAgain(behind offset: Int64) {
        let first = min(again?.lowerBound ?? .max, offset + 1)
        again = first <= after ? first...after : nil
    }

    mutating func rest(at now: Int64) {
        self = JournalRelief()
        restsUntil = now + Self.pause.nanoseconds
    }

    /// Rests, and goes on then where it stands: what must stay for now needs no other look at once.
    mutating func wait(at now: Int64, for duration: Duration = JournalRelief.pause) {
        hasCutLog = false
        restsUntil = now + duration.nanoseconds
    }
}
