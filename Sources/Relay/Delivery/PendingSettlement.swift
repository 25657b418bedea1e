/// What has to be settled next, gathered until the settle before it has committed.
struct PendingSettlement {
    private let sink: String
    private let epoch: Int64
    private var outcomes: [SettledOutcome: Int] = [:]
    private var retries = 0
    private var parked: [Offset: ParkedDelivery] = [:]
    /// Of those that are recorded already, what is to be recorded anew.
    private var changed: [Offset: ParkedDelivery] = [:]
    private var unparked: Set<Offset> = []
    private var deadLetters: [DeadLetter] = []
    private var states: [Subject: FoldState] = [:]
    private var ended: [Offset] = []
    private var receipts: [DeliveryReceipt] = []
    private var attempts: [LoggedAttempt] = []
    private var hold: SinkHold?
    private var limitCounts: String?
    private var stoodStill: Int64 = 0
    private var unsent: Set<Offset> = []
    private var isDirty = false
    /// The cursor that was settled, or asked to be.
    private var cursor: Offset
    /// Under way; kept until it has committed.
    private var underWay: Settlement?
    /// Intents that end with it.
    private var ending: Set<Offset> = []
    private var isSending = false
    /// Deliveries and attempts that ended, in what is gathered and in what is under way.
    private var endings = (gathered: 0, underWay: 0)
    /// Users of whom something has ended, in the same way.
    private var lanes: (gathered: [ParkedLanes.Lane], underWay: [ParkedLanes.Lane]) = ([], [])
    private var recording: Set<ParkedLanes.Lane> = []

    /// Moves of the cursor over entries of other sinks are settled only when they are this far, or with
    /// others: they can be found again.
    private static let idleMoveMin: Int64 = 10_000

    /// Changed rows in one settlement: a clock that is set changes all that are parked, and ten thousand at
    /// once would have intake wait.
    private static let changedMax = 256

    init(sink: String, epoch: Int64, cursor: Offset) {
        self.sink = sink
        self.epoch = epoch
        self.cursor = cursor
    }

    /// Whether everything that was gathered has committed.
    var isIdle: Bool { underWay == nil && !isDirty }

    /// How many deliveries and attempts have ended and are not recorded yet: what a crash would repeat.
    var unrecorded: Int { endings.gathered + endings.underWay }

    mutating func count(_ offset: Offset, _ outcome: SettledOutcome) {
        outcomes[outcome, default: 0] += 1
        end(offset)
    }

    private mutating func end(_ offset: Offset) {
        endings.gathered += 1
        ended.append(offset)
        isDirty = true
    }

    /// A delivery of this user has ended: the next one waits until that is recorded.
    mutating func hold(_ lane: ParkedLanes.Lane) {
        if recording.insert(lane).inserted { lanes.gathered.append(lane) }
    }

    /// Whether something of a user has ended that is not recorded yet.
    func isRecording(_ lane: ParkedLanes.Lane) -> Bool { recording.contains(lane) }

    mutating func keep(_ receipt: DeliveryReceipt) { receipts.append(receipt) }

    /// It goes with what becomes of the delivery.
    mutating func log(_ attempt: FailedAttempt, of offset: Offset) {
        attempts.append(LoggedAttempt(offset: offset, attempt: attempt))
    }

    mutating func hold(_ hold: SinkHold) {
        self.hold = hold
        isDirty = true
    }

    /// What the tripwire has counted.
    mutating func keep(limitCounts: String) {
        self.limitCounts = limitCounts
        isDirty = true
    }

    /// The sink was away for so many nanoseconds more.
    mutating func standStill(for nanoseconds: Int64) {
        stoodStill += nanoseconds
        isDirty = true
    }

    /// Since when the sink is away has changed.
    mutating func awayChanged() { isDirty = true }

    /// They were intended, and are known not to have been sent.
    mutating func unsent(_ offsets: [Offset]) {
        guard !offsets.isEmpty else { return }
        unsent.formUnion(offsets)
        isDirty = true
    }

    mutating func countRetry() {
        retries += 1
        endings.gathered += 1
        isDirty = true
    }

    mutating func park(_ delivery: ParkedDelivery) {
        parked[delivery.offset] = delivery
        changed[delivery.offset] = nil
        unparked.remove(delivery.offset)
        isDirty = true
    }

    /// It was parked before, and its times have changed; it goes out with one of the next settlements.
    mutating func change(_ delivery: ParkedDelivery) {
        if parked[delivery.offset] != nil { return park(delivery) }
        changed[delivery.offset] = delivery
        isDirty = true
    }

    mutating func unpark(_ offset: Offset) {
        parked[offset] = nil
        changed[offset] = nil
        unparked.insert(offset)
        isDirty = true
    }

    mutating func deadLetter(_ letter: DeadLetter) {
        deadLetters.append(letter)
        end(letter.offset)
    }

    mutating func keep(_ state: FoldState, of subject: Subject) {
        states[subject] = state
        isDirty = true
    }

    mutating func cursorMoved(_ window: DeliveryWindow) {
        if window.cursor.rawValue - cursor.rawValue >= Self.idleMoveMin { isDirty = true }
    }

    /// The next settlement to send; nil while one is under way, or where there is nothing to say.
    ///
    /// - Parameters:
    ///   - awaySince: Since when the sink is away.
    ///   - isUnknown: Whether a parked delivery may have been sent all the same.
    mutating func take(
        _ window: DeliveryWindow, awaySince: Int64?, isUnknown: (Offset) -> Bool
    ) -> Settlement? {
        guard !isSending else { return nil }
        if let underWay {
            isSending = true
            return underWay
        }
        guard isDirty else { return nil }
        for (offset, delivery) in changed.prefix(Self.changedMax) {
            parked[offset] = delivery
            changed[offset] = nil
        }
        let settlement = Settlement(
            sink: sink,
            epoch: epoch,
            cursor: window.cursor,
            settledAbove: window.settledAbove,
            outcomes: outcomes,
            retries: retries,
            parked: parked.values.sorted { $0.offset < $1.offset },
            unparked: unparked.sorted(),
            deadLetters: deadLetters,
            states: states,
            ended: ended,
            receipts: receipts,
            attempts: attempts,
            hold: hold,
            limitCounts: limitCounts,
            unknown: parked.keys.filter(isUnknown).sorted(),
            unsent: unsent.sorted(),
            stoodStill: stoodStill,
            awaySince: awaySince
        )
        let (endings, lanes, recording, changed) = (endings.gathered, lanes.gathered, recording, changed)
        self = PendingSettlement(sink: sink, epoch: epoch, cursor: window.cursor)
        self.changed = changed
        isDirty = !changed.isEmpty
        self.endings.underWay = endings
        self.lanes.underWay = lanes
        self.recording = recording
        underWay = settlement
        ending = settlement.endedIntents
        isSending = true
        return settlement
    }

    /// Whether the intent of a delivery ends with something that has not committed: until then it cannot be
    /// intended again.
    func endsIntent(of offset: Offset) -> Bool {
        parked[offset] != nil || changed[offset] != nil || unsent.contains(offset) || ending.contains(offset)
    }

    /// - Returns: The users of whom everything is recorded by that.
    mutating func succeeded() -> [ParkedLanes.Lane] {
        let recorded = lanes.underWay
        recording.subtract(recorded)
        underWay = nil
        endings.underWay = 0
        lanes.underWay = []
        ending = []
        isSending = false
        return recorded
    }

    mutating func failed() { isSending = false }
}
