import Config
import Relay

/// What the destination has left unanswered of the requests that must not be sent twice, and when the next
/// one may go.
///
/// Each that is lost costs an event, or a question about it. So once one is lost, the next goes alone, behind
/// a `GET` that is answered; and when two users in a row have lost one, behind a pause as well, which doubles
/// with each loss. Only an answer to such a request ends that: that a gateway, or another kind of request,
/// is answered says nothing about them. Pure: the caller brings the time, by a clock that nobody sets.
struct HTTPSilence: Sendable {
    /// What has to come before the next request.
    enum Permit: Equatable {
        case granted
        /// A `GET` that is answered: ``heardAnything()``.
        case question
        /// One user's matter so far: it is not this one's turn until the trial has ended. Other requests
        /// have theirs.
        case wait(Duration)
        case refused(reason: String)
    }

    /// A request that is under way.
    struct Ticket: Sendable, Equatable {
        /// Whether it is the one by which the destination is judged.
        fileprivate var isTrial: Bool
    }

    /// How long to wait before asking again whether a trial has ended.
    static let wait = Duration.seconds(1)
    private static let pauseMin = Duration.seconds(1)

    /// The longest pause.
    private let pauseMax: Duration
    private var trouble = TroubleScope.none
    /// Losses that were everybody's, but for those that were under way together.
    private var losses = 0
    private var notBefore: Int64 = 0
    private var isTrialUnderWay = false
    private var hasAnsweredQuestion = false

    /// - Parameter costsEvents: Whether a request that is lost is a dead letter, so that few may be.
    init(costsEvents: Bool) { pauseMax = .seconds(costsEvents ? 900 : 16) }

    func permit(at now: Int64) -> Permit {
        guard trouble != .none else { return .granted }
        if isTrialUnderWay, trouble != .everybody { return .wait(Self.wait) }
        if isTrialUnderWay { return .refused(reason: "one creation at a time, until one is answered") }
        let pause = notBefore - now
        if pause > 0 {
            let seconds = (pause + 999_999_999) / 1_000_000_000
            return .refused(reason: "creations get no answer; the next is sent in \(seconds) s")
        }
        return hasAnsweredQuestion ? .granted : .question
    }

    /// The destination has answered a `GET`.
    mutating func heardAnything() { hasAnsweredQuestion = true }

    /// A request is about to be sent; nil where another one has to be answered first.
    mutating func begin() -> Ticket? {
        guard trouble != .none else { return Ticket(isTrial: false) }
        guard !isTrialUnderWay else { return nil }
        isTrialUnderWay = true
        return Ticket(isTrial: true)
    }

    /// It was answered, so that its outcome is known.
    mutating func answered(_ ticket: Ticket) {
        let isUnderWay = isTrialUnderWay && !ticket.isTrial
        self = HTTPSilence(pauseMax: pauseMax)
        isTrialUnderWay = isUnderWay
    }

    /// It is known not to have been taken, which says nothing more.
    mutating func notTaken(_ ticket: Ticket) {
        guard ticket.isTrial else { return }
        isTrialUnderWay = false
        hasAnsweredQuestion = false
    }

    /// Nobody knows what became of it; true when that is everybody's matter.
    mutating func lost(_ ticket: Ticket, of who: String, at now: Int64) -> Bool {
        let isEverybodys = trouble.met(who)
        if isEverybodys, ticket.isTrial || losses == 0 {
            losses += 1
            let doublings = min(losses - 1, 20)
            let pause = min(Self.pauseMin.nanoseconds << Int64(doublings), pauseMax.nanoseconds)
            notBefore = now + pause
        }
        notTaken(ticket)
        hasAnsweredQuestion = false
        return isEverybodys
    }

    private init(pauseMax: Duration) { self.pauseMax = pauseMax }
}
