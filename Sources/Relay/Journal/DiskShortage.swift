/// Since when the disk is short, while the journal is not near its maximum, and whether giving up events
/// helps.
///
/// Somebody else's flood of a moment must cost no backlog, and one that goes on would take whatever it is
/// given.
struct DiskShortage {
    /// What a look at the journal's room shows.
    enum Look {
        /// Room has to be made, for the disk ends.
        case short
        /// None has to be made, but the disk is nearly short: where making room ends.
        case nearlyShort
        /// The disk has room, or the maximum is what is near.
        case ended
    }

    /// For a disk that has been short for less, nothing is given up, nor what has waited for less.
    ///
    /// A little longer than an idle writer's pause between two looks.
    static let patience = Duration.seconds(40)
    /// After the disk had nothing of what was given up, nothing more is given up for it this long.
    static let pause = Duration.seconds(600)
    /// Where something was given up so shortly before, the disk that is short again is short for the same
    /// reason: a journal that fills it by itself needs no new patience.
    private static let memory = Duration.seconds(300)

    private var isShort = false
    /// Nothing is given up before; nil where the disk was not short.
    private var patientUntil: Int64?
    private var gaveUpAt: Int64?
    /// The room there was when something was given up last, and the bytes that the disk had been given back.
    private var given: (roomBytes: Int, back: Int)?

    mutating func look(_ look: Look, at now: Int64) {
        switch look {
        case .ended: self = DiskShortage()
        case .nearlyShort: isShort = false
        case .short:
            // A clock that was set back makes nobody wait for longer.
            if let patientUntil, patientUntil - now > Self.pause.nanoseconds { self = DiskShortage() }
            if !isShort { begin(at: now) }
            isShort = true
        }
    }

    private mutating func begin(at now: Int64) {
        let goesOn = gaveUpAt.map { now >= $0 && now - $0 < Self.memory.nanoseconds } ?? false
        if goesOn, patientUntil != nil { return }
        patientUntil = max(now + Self.patience.nanoseconds, patientUntil ?? .min)
    }

    /// Whether events may be given up now.
    ///
    /// - Parameters:
    ///   - roomBytes: What the journal takes and what the disk has left; nil where that tells nothing.
    ///   - givenBack: Bytes given back to the disk so far.
    mutating func mayGiveUp(at now: Int64, roomBytes: Int?, givenBack: Int) -> Bool {
        guard let patientUntil, now >= patientUntil else { return false }
        guard let given, let roomBytes, givenBack > given.back else { return true }
        // Others have taken all that was given back.
        guard given.roomBytes - roomBytes >= givenBack - given.back else { return true }
        self.patientUntil = now + Self.pause.nanoseconds
        self.given = nil
        return false
    }

    /// Notes that something was given up; the others are those of ``mayGiveUp(at:roomBytes:givenBack:)``.
    mutating func gaveUp(at now: Int64, roomBytes: Int?, givenBack: Int) {
        gaveUpAt = now
        given = roomBytes.map { (roomBytes: $0, back: givenBack) }
    }
}
