/// What has to be settled next, gathered until the settle before it has committed.
struct PendingSettlement {
    private let sink: String
    private let epoch: Int64
    private var outcomes: [SettledOutcome: Int] = [:]
    private var retries = 0
    private var parked: [Offset: ParkedDelivery] = [:]
    private var unparked: Set<Offset> = []
    private var deadLetters: [DeadLetter] = []
    private var states: [Subject: FoldState] = [:]
    private var isDirty = false
    /// The cursor that was settled, or asked to be.
    private var cursor: Offset
    /// Under way; kept until it has committed.
    private var underWay: Settlement?
    private var isSending = false

    /// Moves of the cursor over entries of other sinks are settled only when they are this far, or with
    /// others: they can be found again.
    private static let idleMoveMin: Int64 = 10_000

    init(sink: String, epoch: Int64, cursor: Offset) {
        self.sink = sink
        self.epoch = epoch
        self.cursor = cursor
    }

    /// Whether everything that was gathered has committed.
    var isIdle: Bool { underWay == nil && !isDirty }

    mutating func count(_ outcome: SettledOutcome) {
        outcomes[outcome, default: 0] += 1
        isDirty = true
    }

    mutating func countRetry() {
        retries += 1
        isDirty = true
    }

    mutating func park(_ delivery: ParkedDelivery) {
        parked[delivery.offset] = delivery
        unparked.remove(delivery.offset)
        isDirty = true
    }

    mutating func unpark(_ offset: Offset) {
        parked[offset] = nil
        unparked.insert(offset)
        isDirty = true
    }

    mutating func deadLetter(_ letter: DeadLetter) {
        deadLetters.append(letter)
        isDirty = true
    }

    mutating func keep(_ state: FoldState, of subject: Subject) {
        states[subject] = state
        isDirty = true
    }

    /// What a receipt said of the user and the journal may not know yet.
    func state(of subject: Subject) -> FoldState? { states[subject] ?? underWay?.states[subject] }

    mutating func cursorMoved(_ window: DeliveryWindow) {
        if window.cursor.rawValue - cursor.rawValue >= Self.idleMoveMin { isDirty = true }
    }

    /// The next settlement to send; nil while one is under way, or where there is nothing to say.
    mutating func take(_ window: DeliveryWindow) -> Settlement? {
        guard !isSending else { return nil }
        if let underWay {
            isSending = true
            return underWay
        }
        guard isDirty else { return nil }
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
            states: states
        )
        self = PendingSettlement(sink: sink, epoch: epoch, cursor: window.cursor)
        underWay = settlement
        isSending = true
        return settlement
    }

    mutating func succeeded() {
        underWay = nil
        isSending = false
    }

    mutating func failed() { isSending = false }
}
