import Testing

@testable import Sinks

/// When the next request may go that must not be sent twice.
@Suite("The HTTP sink: creations that get no answer")
struct HTTPSilenceTests {
    private static let second: Int64 = 1_000_000_000

    private func seconds(_ count: Int64) -> Int64 { count * Self.second }

    private func begin(_ silence: inout HTTPSilence) throws -> HTTPSilence.Ticket {
        let ticket = silence.begin()
        return try #require(ticket)
    }

    /// Loses requests of different users, each as soon as it may go; when they went, in seconds.
    private func trials(_ count: Int, costsEvents: Bool) -> [Int64] {
        var silence = HTTPSilence(costsEvents: costsEvents)
        var now: Int64 = 0
        var times: [Int64] = []
        while times.count < count {
            switch silence.permit(at: now) {
            case .refused, .wait: now += Self.second
            case .question: silence.heardAnything()
            case .granted:
                guard let ticket = silence.begin() else { return times }
                _ = silence.lost(ticket, of: "u\(times.count)", at: now)
                times.append(now / Self.second)
            }
        }
        return times
    }

    @Test func thePauseDoublesWithEachLoss() {
        let times = trials(14, costsEvents: true)
        let gaps = zip(times.dropFirst(), times).map { $0 - $1 }
        #expect(gaps == [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900])
        let cheap = trials(10, costsEvents: false)
        #expect(zip(cheap.dropFirst(), cheap).map { $0 - $1 } == [0, 1, 2, 4, 8, 16, 16, 16, 16])
    }

    @Test func thoseThatWereUnderWayTogetherAreOneLoss() throws {
        var silence = HTTPSilence(costsEvents: true)
        let tickets = (0..<8).compactMap { _ in silence.begin() }
        for (user, ticket) in tickets.enumerated() { _ = silence.lost(ticket, of: "u\(user)", at: 0) }
        #expect(tickets.count == 8)
        guard case .refused = silence.permit(at: seconds(1) - 1) else {
            Issue.record("no pause")
            return
        }
        #expect(silence.permit(at: seconds(1)) == .question)
    }

    @Test func oneUserAloneCausesNoPause() throws {
        var silence = HTTPSilence(costsEvents: false)
        for _ in 0..<5 {
            if silence.permit(at: 0) == .question { silence.heardAnything() }
            let ticket = try begin(&silence)
            let isEverybodys = silence.lost(ticket, of: "u1", at: 0)
            #expect(!isEverybodys)
        }
        #expect(silence.permit(at: 0) == .question)
    }

    @Test func oneGoesAtATimeUntilOneIsAnswered() throws {
        var silence = HTTPSilence(costsEvents: true)
        let first = try begin(&silence)
        _ = silence.lost(first, of: "u1", at: 0)
        silence.heardAnything()
        let trial = try begin(&silence)
        let second = silence.begin()
        #expect(second == nil)
        // One user's matter is no outage: whoever else comes waits a moment.
        #expect(silence.permit(at: 0) == .wait(.seconds(1)))
        silence.answered(trial)
        #expect(silence.permit(at: 0) == .granted)
        let after = [silence.begin(), silence.begin()]
        #expect(!after.contains(nil))
    }

    @Test func anOutageOfAllRefusesWhoComesBehindATrial() throws {
        var silence = HTTPSilence(costsEvents: true)
        let tickets = (0..<2).compactMap { _ in silence.begin() }
        for (user, ticket) in tickets.enumerated() { _ = silence.lost(ticket, of: "u\(user)", at: 0) }
        silence.heardAnything()
        _ = try begin(&silence)
        guard case .refused = silence.permit(at: seconds(60)) else {
            Issue.record("not refused")
            return
        }
    }

    @Test func whatWasNotTakenIsAskedForAnew() throws {
        var silence = HTTPSilence(costsEvents: true)
        let first = try begin(&silence)
        _ = silence.lost(first, of: "u1", at: 0)
        silence.heardAnything()
        let trial = try begin(&silence)
        silence.notTaken(trial)
        #expect(silence.permit(at: 0) == .question)
    }
}
