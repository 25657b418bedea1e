import Config
@testable import Relay
import RelayTesting
import Rules
import Testing

@Suite struct TripwireTests {
    private static let hour = Duration.seconds(3_600).nanoseconds
    private static let start: Int64 = 1_767_225_600_000_000_000

    private func wire(_ count: Int, text: String = "", exemptTo: Int64 = 0) -> Tripwire {
        Tripwire(
            limits: [.delete: RateLimit(count: count, period: .seconds(3_600))], text: text,
            exemptTo: Offset(rawValue: exemptTo))
    }

    private func offset(_ number: Int64) -> Offset { Offset(rawValue: number) }

    private func user(_ number: Int64) -> Subject { Subject(org: "o", userID: "\(number)") }

    /// Deletes a user of the offset's number where it may; what the wire said.
    private func delete(
        _ wire: inout Tripwire, _ number: Int64, user: Int64? = nil, at time: Int64
    ) -> Tripwire.Gate {
        let subject = self.user(user ?? number)
        let gate = wire.gate(offset(number), .delete, subject, at: time)
        guard gate == .pass else { return gate }
        wire.begin(offset(number), .delete, subject, at: time)
        wire.end(offset(number), isDelivered: true, at: time)
        return gate
    }

    @Test func oneMoreThanTheLimitTripsItAndTheReasonHasTheCounts() {
        var wire = wire(3)
        for number in 1...3 { #expect(delete(&wire, Int64(number), at: Self.start) == .pass) }
        guard case .trip(let reason) = delete(&wire, 4, at: Self.start) else {
            Issue.record("not tripped")
            return
        }
        #expect(reason.hasPrefix("3 of operation delete were delivered in the last hour"))
        #expect(reason.contains("the limit is 3/h"))
        #expect(wire.gate(offset(5), .update, user(5), at: Self.start) == .pass)
    }

    @Test func whatIsInFlightIsWaitedForAndOnlyWhatWasDeliveredCounts() {
        var wire = wire(2)
        for number in [Int64(1), 2] {
            #expect(wire.gate(offset(number), .delete, user(number), at: Self.start) == .pass)
            wire.begin(offset(number), .delete, user(number), at: Self.start)
        }
        #expect(wire.gate(offset(3), .delete, user(3), at: Self.start) == .wait)
        wire.end(offset(1), isDelivered: false, at: Self.start)
        #expect(delete(&wire, 3, at: Self.start) == .pass)
        #expect(wire.gate(offset(4), .delete, user(4), at: Self.start) == .wait)
    }

    /// No span of the period sees more than the limit, wherever it begins.
    @Test func thePeriodSlides() {
        var wire = wire(10)
        var delivered: [Int64] = []
        var time = Self.start + 12_345
        var number: Int64 = 0
        for step in 0..<4_000 {
            time += Int64(step * 7_919 % 97) * 1_000_000_000
            number += 1
            if delete(&wire, number, at: time) == .pass { delivered.append(time) }
            let inPeriod = delivered.filter { $0 > time - Self.hour }.count
            #expect(inPeriod <= 10)
        }
        #expect(delivered.count > 300)
    }

    @Test func oneUsersDeletionCountsOnceHoweverManyEventsTellOfIt() {
        var wire = wire(2)
        for number in 1...6 {
            #expect(delete(&wire, Int64(number), user: Int64((number - 1) / 3), at: Self.start) == .pass)
        }
        #expect(delete(&wire, 7, user: 9, at: Self.start) != .pass)
    }

    /// A table of memberships: each removal takes a row, whoever's it is; a user's deletion takes them all.
    @Test func removalsThatAreNoDeletionOfTheirUserCountOneByOne() {
        let limit = RateLimit(count: 3, period: .seconds(3_600))
        let bench = DeliveryBench(
            DeliveryBench.sql, users: [], policy: DeliveryPolicy(limits: [.delete: limit]),
            operation: { $0.type == "group.user_membership.remove" ? .delete : $0.meaning.operation })
        func append(_ type: String, _ user: String) {
            bench.append([EventSample(type: type, user: user, second: Int64(bench.log.count)).event])
            bench.news()
            bench.answerAll()
        }
        for type in ["user.lifecycle.delete.initiated", "user.lifecycle.delete.completed"] {
            append(type, "gone")
        }
        for _ in 0..<2 { append("group.user_membership.remove", "in many groups") }
        #expect(bench.delivered == 4)
        append("group.user_membership.remove", "in many groups")
        #expect(bench.delivered == 4)
        guard case .held(let hold) = bench.breaker.state else {
            Issue.record("\(bench.breaker.state)")
            return
        }
        #expect(hold.reason.hasPrefix("3 of operation delete"))
    }

    @Test func itRemembersAcrossRestartsAndForgetsWhenItIsResumed() {
        var first = wire(3)
        for number in 1...3 { _ = delete(&first, Int64(number), at: Self.start) }
        let text = first.takeText() ?? ""
        let again = first.takeText()
        #expect(again == nil)
        var second = wire(3, text: text)
        #expect(delete(&second, 4, at: Self.start + 1) != .pass)
        #expect(delete(&second, 4, at: Self.start + 2 * Self.hour) == .pass)
        // A person let everything up to 40 pass: that is not counted; what follows counts anew.
        var resumed = wire(3, text: text, exemptTo: 40)
        for number in 4...40 { #expect(delete(&resumed, Int64(number), at: Self.start + 1) == .pass) }
        for number in 41...43 { #expect(delete(&resumed, Int64(number), at: Self.start + 1) == .pass) }
        #expect(delete(&resumed, 44, at: Self.start + 1) != .pass)
    }

    @Test func aDamagedTextCountsAsNothing() {
        for text in ["x", "0;delete", "0;delete:1", "0;delete:a=b,=,7=", ";;;", "0;nothing:1=1"] {
            var wire = wire(1, text: text)
            #expect(delete(&wire, 1, at: Self.start) == .pass)
        }
    }

    @Test func aClockThatIsSetBackNeitherLosesNorMultipliesCounts() {
        var wire = wire(2)
        _ = delete(&wire, 1, at: Self.start)
        _ = delete(&wire, 2, at: Self.start)
        let earlier = Self.start - 3 * Self.hour
        wire.clockWasSet(to: earlier)
        #expect(delete(&wire, 3, at: earlier + 1) != .pass)
        #expect(delete(&wire, 3, at: earlier + 2 * Self.hour) == .pass)
    }

    /// Whoever set it back may have been wrong.
    @Test func aClockThatIsSetBackAndForwardLosesNoCounts() {
        var wire = wire(2)
        _ = delete(&wire, 1, at: Self.start)
        _ = delete(&wire, 2, at: Self.start)
        wire.clockWasSet(to: Self.start - 3 * Self.hour)
        #expect(delete(&wire, 3, at: Self.start - 3 * Self.hour + 1) != .pass)
        #expect(delete(&wire, 3, at: Self.start + 1) != .pass)
        #expect(delete(&wire, 3, at: Self.start + 2 * Self.hour) == .pass)
    }
}
