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

    /// What deletes a user, or does something else; the user is that of the first offset's number, and all
    /// but the decider are updates.
    private func candidate(
        _ operation: Operation, _ offsets: Int64..., decider: Int64? = nil, user: Int64? = nil
    ) -> Tripwire.Candidate {
        let group = DeliveryGroup(
            key: offset(offsets.last ?? 0), earlier: offsets.dropLast().map { offset($0) })
        let decider = decider ?? offsets.last
        return Tripwire.Candidate(
            group: group, operations: offsets.map { $0 == decider ? operation : .update },
            subject: self.user(user ?? offsets[0]))
    }

    /// It failed like this.
    private func parked(
        _ number: Int64, _ status: Int? = 500, at time: Int64 = Self.start
    ) -> ParkedDelivery {
        let failure = FailedAttempt(number: 1, at: time, reason: "", status: status)
        return ParkedDelivery(
            offset: offset(number), subject: user(number), failures: [failure], notBefore: 0)
    }

    /// Deletes a user of the offset's number where it may; what the wire said.
    private func delete(
        _ wire: inout Tripwire, _ number: Int64, user: Int64? = nil, _ end: Tripwire.End = .delivered,
        at time: Int64
    ) -> Tripwire.Gate {
        send(&wire, candidate(.delete, number, user: user), end, at: time)
    }

    /// Sends it where it may go; what the wire said.
    private func send(
        _ wire: inout Tripwire, _ candidate: Tripwire.Candidate, _ end: Tripwire.End = .delivered,
        at time: Int64
    ) -> Tripwire.Gate {
        let gate = wire.gate(candidate, at: time)
        guard gate == .pass else { return gate }
        wire.begin(candidate, at: time)
        wire.end(candidate.group.key, end, at: time)
        return gate
    }

    @Test func oneMoreThanTheLimitTripsItAndTheReasonHasTheCounts() {
        var wire = wire(3)
        for number in 1...3 { #expect(delete(&wire, Int64(number), at: Self.start) == .pass) }
        guard case .trip(let reason) = delete(&wire, 4, at: Self.start) else {
            Issue.record("not tripped")
            return
        }
        #expect(reason.hasPrefix("3 of operation delete were, or may have been, delivered in the last hour"))
        #expect(reason.contains("the limit is 3/h"))
        #expect(wire.gate(candidate(.update, 5), at: Self.start) == .pass)
    }

    @Test func whatIsInFlightIsWaitedForAndWhatWasRefusedDoesNotCount() {
        var wire = wire(2)
        for number in [Int64(1), 2] {
            #expect(wire.gate(candidate(.delete, number), at: Self.start) == .pass)
            wire.begin(candidate(.delete, number), at: Self.start)
        }
        #expect(wire.gate(candidate(.delete, 3), at: Self.start) == .wait)
        wire.end(offset(1), .notDone, at: Self.start)
        #expect(delete(&wire, 3, at: Self.start) == .pass)
        #expect(wire.gate(candidate(.delete, 4), at: Self.start) == .wait)
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

    @Test func itRemembersAcrossRestartsAndForgetsWhenItIsResumed() {
        var first = wire(3)
        for number in 1...3 { _ = delete(&first, Int64(number), at: Self.start) }
        let text = first.takeText(at: Self.start) ?? ""
        let again = first.takeText(at: Self.start)
        #expect(again == nil)
        var second = wire(3, text: text)
        #expect(delete(&second, 4, at: Self.start + 1) != .pass)
        #expect(delete(&second, 4, at: Self.start + 2 * Self.hour) == .pass)
        // A person let everything up to 40 pass: that is not counted; what follows counts anew.
        var resumed = wire(3, text: text, exemptTo: 40)
        for number in 4...40 { #expect(delete(&resumed, Int64(number), at: Self.start + 1) == .pass) }
        for number in 41...43 { #expect(delete(&resumed, Int64(number), at: Self.start + 1) == .pass) }
        #expect(delete(&resumed, 44, at: Self.start + 1) != .pass)
        // Moved back, the sink has nothing to pass uncounted, and what was counted stays.
        let counted = resumed.takeText(at: Self.start + 1) ?? ""
        var movedBack = wire(3, text: counted, exemptTo: 20)
        #expect(delete(&movedBack, 45, at: Self.start + 1) != .pass)
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
        wire.clockWasSet(by: -3 * Self.hour)
        #expect(delete(&wire, 3, at: earlier + 1) != .pass)
        let text = wire.takeText(at: earlier + 1)
        #expect(text == "0;delete:\(earlier)=2")
        #expect(delete(&wire, 3, at: earlier + 2 * Self.hour) == .pass)
    }

    /// Whoever set it back may have been wrong.
    @Test func aClockThatIsSetBackAndForwardLosesNoCounts() {
        var wire = wire(2)
        _ = delete(&wire, 1, at: Self.start)
        _ = delete(&wire, 2, at: Self.start)
        wire.clockWasSet(by: -3 * Self.hour)
        #expect(delete(&wire, 3, at: Self.start - 3 * Self.hour + 1) != .pass)
        wire.clockWasSet(by: 3 * Self.hour)
        #expect(delete(&wire, 3, at: Self.start + 1) != .pass)
        #expect(delete(&wire, 3, at: Self.start + 2 * Self.hour) == .pass)
    }

    /// As a time service does it, a thousand times; what was counted grows not much older for that.
    @Test func aClockThatIsSetALittleForgetsNoCounts() {
        var wire = wire(2)
        for number in 1...2 { _ = delete(&wire, Int64(number), at: Self.start) }
        var now = Self.start
        for step in 0..<1_000 {
            let nanoseconds = Duration.milliseconds(step.isMultiple(of: 2) ? -1_500 : 1_500).nanoseconds
            wire.clockWasSet(by: nanoseconds)
            now += nanoseconds
            #expect(delete(&wire, 3, at: now) != .pass)
        }
        let text = wire.takeText(at: now) ?? ""
        var next = self.wire(2, text: text)
        next.begins(at: now)
        #expect(delete(&next, 3, at: now + Self.hour / 2) != .pass)
        #expect(delete(&next, 3, at: now + 2 * Self.hour) == .pass)
    }

    // MARK: - What may have been done

    @Test func whatMayHaveBeenDoneCountsOnceWhileItIsTriedAgain() {
        var wire = wire(3)
        for _ in 0..<5 {
            for number in 1...3 { #expect(delete(&wire, Int64(number), .open, at: Self.start) == .pass) }
        }
        #expect(delete(&wire, 4, at: Self.start) != .pass)
        // They still go, and count for nothing more.
        for number in 1...3 { #expect(delete(&wire, Int64(number), at: Self.start) == .pass) }
        // What goes again in another period is of that one.
        let later = Self.start + 2 * Self.hour
        for number in 11...13 { _ = delete(&wire, Int64(number), .open, at: later) }
        for number in 11...13 { _ = delete(&wire, Int64(number), at: later + 2 * Self.hour) }
        #expect(delete(&wire, 14, at: later + 2 * Self.hour) != .pass)
    }

    /// That many users are deleted at an HTTP sink, which may delete three an hour.
    private func deleting(_ users: Int) -> DeliveryBench {
        let limit = RateLimit(count: 3, period: .seconds(3_600))
        let bench = DeliveryBench(
            DeliveryBench.http, users: [], policy: DeliveryPolicy(limits: [.delete: limit]))
        bench.append(
            (0..<users).map {
                EventSample(type: "user.lifecycle.delete.initiated", user: "gone \($0)", second: 1).event
            })
        bench.news()
        return bench
    }

    /// Twenty users are deleted at a CRM that says 500 to it, or nothing, and may have done it all the same.
    @Test(arguments: [500, nil] as [Int?])
    func anEndpointThatAnswersNoDeletionWellIsStopped(_ status: Int?) {
        let bench = deleting(20)
        var asked: Set<Int64> = []
        for _ in 0..<200 {
            while let offset = bench.withSink.first?.first {
                asked.insert(offset)
                let outcome = Receipt.Outcome.retry(after: nil, reason: "HTTP 500")
                if status == nil, asked.count < 3 {
                    bench.fail(offset)
                } else {
                    let receipt = Receipt(offset: Offset(rawValue: offset), outcome, status: status)
                    bench.answer(offset, receipts: [receipt])
                }
            }
            bench.advance(by: .seconds(10))
        }
        #expect(asked.count == 3)
        guard case .held(let hold) = bench.breaker.state else {
            Issue.record("\(bench.breaker.state)")
            return
        }
        #expect(hold.reason.hasPrefix("3 of operation delete"))
        // What goes again in any case is not written down.
        let counts = bench.settlements.compactMap(\.limitCounts).last
        #expect(counts?.hasSuffix("=3") == (status != nil), "\(counts ?? "none")")
    }

    @Test func whatWasNotSentOrNotAllowedHasDeletedNobody() {
        let bench = deleting(3)
        bench.fail(1, .misconfigured(reason: "HTTP 401"))
        bench.fail(2, isSent: false)
        #expect(bench.settlements.allSatisfy { $0.limitCounts == nil })
        // It goes again in any case, and counts for the next lease when it does.
        bench.fail(3)
        #expect(bench.settlements.compactMap(\.limitCounts) == ["0"])
    }

    /// A batch that a sink folds holds several events of a user, and may come back in any order.
    @Test(arguments: [Tripwire.End.delivered, .openInLine, .notDone], [false, true])
    func eventsOfADeletionThatGoTogetherCountOnce(first: Tripwire.End, isReversed: Bool) {
        var wire = wire(2)
        for end in [Tripwire.End.openInLine, .delivered] {
            for number in [Int64(1), 2] {
                let event = candidate(.delete, number, user: 9)
                #expect(wire.gate(event, at: Self.start) == .pass)
                wire.begin(event, at: Self.start)
            }
            let ends = [(offset(1), first), (offset(2), end)]
            for (offset, end) in isReversed ? ends.reversed() : ends {
                wire.end(offset, end, at: Self.start)
            }
        }
        #expect(wire.takeText(at: Self.start) == "0;delete:\(Self.start)=1")
    }

    // MARK: - What is merged

    @Test func whatIsMergedIsCountedByWhatDecides() {
        let limits: [Operation: RateLimit] = [
            .deactivate: RateLimit(count: 2, period: .seconds(3_600)),
            .delete: RateLimit(count: 1, period: .seconds(3_600)),
        ]
        var wire = Tripwire(limits: limits, exemptTo: offset(10))
        // A deactivation that a person has let pass stays so with a newer update.
        for number in 1...5 {
            let group = candidate(.deactivate, Int64(number), 20 + Int64(number), decider: Int64(number))
            #expect(send(&wire, group, at: Self.start) == .pass)
        }
        // One that came later is counted, and goes alone after it went with an update.
        let both = candidate(.deactivate, 30, 31, decider: 30)
        for _ in 0..<3 { #expect(send(&wire, both, .open, at: Self.start) == .pass) }
        #expect(send(&wire, candidate(.deactivate, 30), .open, at: Self.start) == .pass)
        // Turned into a deletion it counts as one too; that it may have been a deactivation stays true.
        #expect(send(&wire, candidate(.delete, 30, 31, 32), at: Self.start) == .pass)
        #expect(wire.takeText(at: Self.start) == "10;deactivate:\(Self.start)=1;delete:\(Self.start)=1")
        #expect(send(&wire, candidate(.deactivate, 40), at: Self.start) == .pass)
        #expect(send(&wire, candidate(.deactivate, 41), at: Self.start) != .pass)
    }

    /// Each attempt at what is merged has left a row, and what was counted last is what goes on counting.
    @Test func whatWasMergedBeforeALeaseIsNotCountedAgain() {
        let later = Self.start + Self.hour / 2
        var wire = Tripwire(
            limits: [.deactivate: RateLimit(count: 2, period: .seconds(3_600))],
            text: "0;deactivate:\(Self.start)=1,\(later)=1",
            parked: [parked(1, at: Self.start), parked(2, at: later)])
        wire.begins(at: later)
        // The other one that was counted is somebody else's.
        #expect(send(&wire, candidate(.deactivate, 1, 2, 3, decider: 1), at: later + 1) == .pass)
        #expect(wire.takeText(at: later + 1) == "0;deactivate:\(Self.start)=1,\(later)=1")
        #expect(send(&wire, candidate(.deactivate, 9), at: later + 1) != .pass)
    }

    /// It may have come when that had gone.
    @Test func whatCameLaterThanWhatIsParkedWasNotCountedWithIt() {
        let limit = [Operation.delete: RateLimit(count: 3, period: .seconds(3_600))]
        var wire = Tripwire(limits: limit, text: "0;delete:\(Self.start)=1", parked: [parked(1), parked(3)])
        wire.begins(at: Self.start)
        #expect(send(&wire, candidate(.delete, 2, 1, decider: 2), at: Self.start) == .pass)
        #expect(send(&wire, candidate(.delete, 3, 4, user: 9), at: Self.start) == .pass)
        #expect(wire.takeText(at: Self.start) == "0;delete:\(Self.start)=3")
    }

    // MARK: - Across leases

    /// The others may have been parked for something that counts for nothing.
    @Test func whatWasCountedSpeaksForAsManyOfWhatIsParked() {
        let limit = [Operation.delete: RateLimit(count: 2, period: .seconds(3_600))]
        var wire = Tripwire(
            limits: limit, text: "0;delete:\(Self.start)=1", parked: (1...3).map { parked($0) })
        wire.begins(at: Self.start)
        for number in [Int64(1), 2] {
            #expect(wire.gate(candidate(.delete, number), at: Self.start) == .pass)
            wire.begin(candidate(.delete, number), at: Self.start)
        }
        #expect(wire.gate(candidate(.delete, 3), at: Self.start) == .wait)
        for number in [Int64(1), 2] { wire.end(offset(number), .delivered, at: Self.start) }
        #expect(delete(&wire, 3, at: Self.start) != .pass)
    }

    @Test func whatIsParkedStaysCountedWhereTheSinkIsAwayNextTime() {
        var wire = wire(2)
        _ = delete(&wire, 1, .open, at: Self.start)
        for _ in 0..<2 { _ = delete(&wire, 1, .openInLine, at: Self.start + Self.hour / 2) }
        #expect(wire.takeText(at: Self.start + Self.hour / 2) == "0;delete:\(Self.start)=1")
    }

    /// A destination that is away trips nothing, however often a worker begins anew meanwhile.
    @Test func whatIsInLineAgainIsNotCountedByEachLease() {
        let limit = [Operation.delete: RateLimit(count: 3, period: .seconds(3_600))]
        var text = ""
        for _ in 0..<4 {
            var wire = Tripwire(limits: limit, text: text)
            wire.begins(at: Self.start)
            for number in 1...2 {
                #expect(delete(&wire, Int64(number), .openInLine, at: Self.start) == .pass)
            }
            text = wire.takeText(at: Self.start) ?? text
        }
        var wire = Tripwire(limits: limit, text: text)
        wire.begins(at: Self.start)
        for number in 1...2 { _ = delete(&wire, Int64(number), .openInLine, at: Self.start) }
        // Within a lease it counts like all that may have been done, and once.
        #expect(delete(&wire, 3, at: Self.start) == .pass)
        #expect(delete(&wire, 4, at: Self.start) != .pass)
        for number in 1...2 { #expect(delete(&wire, Int64(number), at: Self.start) == .pass) }
        #expect(wire.takeText(at: Self.start)?.hasSuffix("=3") == true)
    }

    /// A parked delivery tells the next worker that it was counted; one that is refused was not.
    @Test func whatWasCountedBeforeALeaseIsNotCountedAgain() {
        let rows = [parked(1, 500), parked(2, nil), parked(3, 423)]
        let limit = [Operation.delete: RateLimit(count: 2, period: .seconds(3_600))]
        var wire = Tripwire(limits: limit, text: "0;delete:\(Self.start)=2", parked: rows)
        wire.begins(at: Self.start)
        for number in 1...2 { #expect(delete(&wire, Int64(number), at: Self.start + 1) == .pass) }
        #expect(delete(&wire, 3, at: Self.start + 1) != .pass)
        // Of limits that are newer nothing is counted yet.
        var first = Tripwire(limits: limit, parked: (1...3).map { parked($0, 500) })
        first.begins(at: Self.start)
        for number in 1...2 { #expect(delete(&first, Int64(number), at: Self.start + 1) == .pass) }
        #expect(delete(&first, 3, at: Self.start + 1) != .pass)
    }

    @Test func onlyWhatMayHaveBeenDoneLeavesItOpen() {
        let again = Receipt.Outcome.retry(after: nil, reason: "busy")
        let error = SinkError.unavailable(reason: "no answer")
        func isOpen(
            _ outcome: Receipt.Outcome, _ status: Int? = nil, _ contact: Receipt.Contact = .answered
        ) -> Bool {
            Receipt(offset: offset(1), outcome, status: status, contact: contact).leavesOpen
        }
        #expect(isOpen(again) && isOpen(again, 500) && isOpen(again, nil, .failed(error)))
        #expect(isOpen(.rejected(reason: "no answer"), nil, .failed(error)))
        #expect(!isOpen(again, 423) && !isOpen(again, 429) && !isOpen(again, nil, .notAsked))
        #expect(!isOpen(.rejected(reason: "HTTP 400"), 400) && !isOpen(.superseded))
        #expect(!isOpen(.deferred(.zero), nil, .notAsked) && !isOpen(.skipped("none"), nil, .notAsked))
    }
}
