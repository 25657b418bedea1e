import Dispatch
import GRDB
import JSON
import RelayTesting
import Rules
import Testing

@testable import Relay

/// Pausing, resuming, moving and dropping sinks.
@Suite struct SinkOperationTests {
    @Test func aPauseLastsUntilAResumeAndLetsNothingPassTheLimits() async throws {
        let fixture = try await OperatorFixture()
        _ = try await fixture.journal.lease("crm")
        try await fixture.append(1...3)
        let paused = try await fixture.ask("/sinks/crm/pause", #"{"reason":"migration"}"#)
        #expect(paused.status == 200)
        let hold = try #require(try await fixture.journal.lease("crm").hold)
        #expect(hold == SinkHold(kind: .paused, reason: "migration", since: fixture.clock.now))
        #expect(try await fixture.sink().hold == hold)
        let resumed = try await fixture.ask("/sinks/crm/resume")
        #expect(resumed.json["was"]?.string == "paused" && resumed.json["exemptTo"]?.isNull == true)
        let lease = try await fixture.journal.lease("crm")
        #expect(lease.hold == nil && lease.exemptTo == .zero)
        #expect(fixture.restarts.all == ["crm", "crm"])
        #expect(try await fixture.ask("/sinks/crm/resume").json["was"]?.isNull == true)
        #expect(try fixture.rows("SELECT command FROM operations") == [["sinks pause"], ["sinks resume"]])
    }

    @Test func whoResumesATrippedSinkLetsPassWhatWaitsAndNothingElse() async throws {
        let fixture = try await OperatorFixture()
        _ = try await fixture.journal.lease("crm")
        try await fixture.append(1...3)
        try await fixture.trip()
        let resumed = try await fixture.ask("/sinks/crm/resume").json
        #expect(resumed["was"]?.string == "tripped" && resumed["exemptTo"]?.int == 3)
        let lease = try await fixture.journal.lease("crm")
        #expect(lease.hold == nil && lease.exemptTo.rawValue == 3 && lease.limitCounts == "3 of 3")
        // Neither a second resume nor that of a pause lets more pass, or has the counting start anew.
        try await fixture.append(4...5)
        _ = try await fixture.ask("/sinks/crm/resume")
        _ = try await fixture.ask("/sinks/crm/pause")
        _ = try await fixture.ask("/sinks/crm/resume")
        let next = try await fixture.journal.lease("crm")
        #expect(next.exemptTo.rawValue == 3 && next.limitCounts == "3 of 3")
    }

    /// The limits look again, and stop it again where they have to.
    @Test func aPauseOfATrippedSinkIsNobodysConsent() async throws {
        let fixture = try await OperatorFixture()
        _ = try await fixture.journal.lease("crm")
        try await fixture.append(1...3)
        try await fixture.trip()
        _ = try await fixture.ask("/sinks/crm/pause")
        #expect(try await fixture.ask("/sinks/crm/resume").json["was"]?.string == "paused")
        #expect(try await fixture.journal.lease("crm").exemptTo == .zero)
    }

    @Test func aSinkThatNobodyKnowsIsNamedAsSuch() async throws {
        let fixture = try await OperatorFixture()
        _ = try await fixture.journal.lease("crm")
        for (verb, body) in [("pause", "{}"), ("resume", "{}"), ("seek", #"{"to":"end"}"#), ("drop", "{}")] {
            let answer = try await fixture.ask("/sinks/n%C3%B6pe/\(verb)", body)
            #expect(answer.status == 404)
            #expect(answer.json["error"]?.string?.contains("nöpe; it knows crm") == true)
        }
        #expect(fixture.restarts.all.isEmpty)
    }

    @Test func aSeekForwardListsWhatItGivesUp() async throws {
        let fixture = try await OperatorFixture()
        let lease = try await fixture.appendTen()
        // 2 is parked, and 4 to 7 are behind it.
        let answer = try await fixture.ask("/sinks/crm/seek", #"{"to":7,"reason":"old news"}"#)
        #expect(answer.json["givenUp"]?.int == 5)
        let sink = try await fixture.sink()
        #expect(sink.cursor.rawValue == 7 && sink.waiting == 3 && sink.parked == 0)
        let rows = try fixture.rows("SELECT sink, reason, first_offset, last_offset, entries FROM detached")
        #expect(rows == [["crm", "old news", "2", "7", "5"]])
        // Its worker is told, and what it had sent by then has got through; 5 counts twice.
        await #expect(throws: JournalError.moved) {
            try await fixture.journal.settle(
                Settlement(
                    sink: "crm", epoch: lease.epoch, cursor: Offset(rawValue: 3),
                    settledAbove: [5, 8].map(Offset.init(rawValue:)), outcomes: [.delivered: 2],
                    ended: [5, 8].map(Offset.init(rawValue:))))
        }
        #expect(try await fixture.sink().waiting == 2)
        #expect(try await fixture.verify().problems == [])
        #expect(fixture.restarts.all == ["crm"])
        #expect(try await fixture.ask("/sinks/crm/seek", #"{"to":"end"}"#).json["givenUp"]?.int == 2)
        #expect(try await fixture.sink().waiting == 0)
        #expect(try await fixture.ask("/sinks/crm/seek", #"{"to":11}"#).status == 409)
    }

    @Test func aTimeIsTheFirstEventThatCameThen() async throws {
        let fixture = try await OperatorFixture()
        _ = try await fixture.journal.lease("crm")
        let start = fixture.clock.now
        try await fixture.append(1...10)
        for (minutes, place) in [(0, 0), (1, 0), (4, 3), (10, 9), (11, 10)] as [(Int64, Int)] {
            let time = Timestamp(nanoseconds: start + minutes * OperatorFixture.minute).description
            let answer = try await fixture.ask("/sinks/crm/seek", #"{"to":"\#(time)"}"#)
            #expect(answer.json["to"]?.int == place, "\(minutes)")
        }
        #expect(try await fixture.ask("/sinks/crm/seek", #"{"to":"2m"}"#).json["to"]?.int == 7)
        #expect(try await fixture.ask("/sinks/crm/seek", #"{"to":"yesterday"}"#).status == 400)
    }

    @Test func aSeekBackEndsWhatAPersonLetPass() async throws {
        let fixture = try await OperatorFixture()
        _ = try await fixture.journal.lease("crm")
        try await fixture.append(1...5)
        try await fixture.trip()
        _ = try await fixture.ask("/sinks/crm/resume")
        let lease = try await fixture.journal.lease("crm")
        try await fixture.journal.settle(
            Settlement(
                sink: "crm", epoch: lease.epoch, cursor: Offset(rawValue: 5), outcomes: [.delivered: 5]))
        _ = try await fixture.ask("/sinks/crm/seek", #"{"to":2}"#)
        #expect(try await fixture.journal.lease("crm").exemptTo.rawValue == 2)
    }

    /// After any mix of settling and seeking, what counts as waiting is what a worker would be given.
    @Test(arguments: 1...5 as ClosedRange<UInt64>) func countsAddUpWhateverTheWay(
        _ seed: UInt64
    ) async throws {
        var random = SeededGenerator(seed: seed)
        let fixture = try await OperatorFixture()
        try await fixture.append(1...5)
        _ = try await fixture.journal.lease("crm")
        var number = 5
        for _ in 0..<20 {
            switch Int.random(in: 0..<5, using: &random) {
            case 0:
                let count = Int.random(in: 1...6, using: &random)
                try await fixture.append(
                    number..<(number + count), to: Bool.random(using: &random) ? ["crm"] : ["audit", "crm"])
                number += count
                try await fixture.append(number..<(number + 1), to: ["audit"])
                number += 1
            case 1, 2: try await fixture.journal.settle(try await settlement(fixture, &random))
            case 3:
                // What the worker had sent by then ends when it has been moved; once or twice.
                let late = try await settlement(fixture, &random)
                for _ in 0...Int.random(in: 0...1, using: &random) {
                    let horizon = try await fixture.inspection.status().horizon.rawValue
                    let target = Int64.random(in: 0...horizon, using: &random)
                    #expect(try await fixture.ask("/sinks/crm/seek", #"{"to":\#(target)}"#).status == 200)
                }
                do {
                    try await fixture.journal.settle(late)
                } catch {
                    #expect(error == .moved)
                }
            default:
                _ = try await fixture.ask("/dead-letters/redrive", #"{"sink":"crm"}"#)
            }
            let lease = try await fixture.journal.lease("crm")
            let behind = try await fixture.entries(after: lease.cursor).map(\.offset)
            let due = Set(behind).subtracting(lease.settledAbove).union(lease.parked.map(\.offset))
            #expect(try await fixture.sink().waiting == due.count, "seed \(seed)")
            guard try await fixture.sink().waiting == due.count else { return }
        }
    }

    /// What a worker might settle: some delivered, some dead, some parked, a gap left.
    private func settlement(
        _ fixture: OperatorFixture, _ random: inout SeededGenerator
    ) async throws -> Settlement {
        let lease = try await fixture.journal.lease("crm")
        let done = Set(lease.settledAbove)
        let entries = try await fixture.entries(after: lease.cursor).filter { !done.contains($0.offset) }
        var settlement = Settlement(sink: "crm", epoch: lease.epoch, cursor: lease.cursor)
        var settled = done
        for entry in entries where Int.random(in: 0..<4, using: &random) > 0 {
            settled.insert(entry.offset)
            let fate = Int.random(in: 0..<4, using: &random)
            if fate != 1 { settlement.ended.append(entry.offset) }
            switch fate {
            case 0:
                settlement.deadLetters.append(
                    DeadLetter(
                        offset: entry.offset, subject: nil,
                        failures: [FailedAttempt(number: 1, at: 0, reason: "x")]))
            case 1:
                settlement.parked.append(
                    ParkedDelivery(offset: entry.offset, subject: nil, failures: [], notBefore: 0))
            default: settlement.outcomes[.delivered, default: 0] += 1
            }
        }
        for parked in lease.parked where Bool.random(using: &random) {
            settlement.unparked.append(parked.offset)
            settlement.ended.append(parked.offset)
            settlement.outcomes[.superseded, default: 0] += 1
        }
        for offset in try await fixture.entries(after: lease.cursor).map(\.offset) {
            guard settled.remove(offset) != nil else { break }
            settlement.cursor = offset
        }
        settlement.settledAbove = settled.sorted()
        return settlement
    }

    // MARK: - Seeks in a long journal

    /// Nobody who has an event stored waits until a backlog is counted.
    @Test func eventsAreTakenInWhileASeekCounts() async throws {
        let fixture = try await OperatorFixture.long(200_000)
        for (target, word, count) in [("200000", "givenUp", 200_000), ("0", "repeated", 200_000)] {
            async let answer = fixture.ask("/sinks/crm/seek", #"{"to":\#(target)}"#)
            var appends = 0
            let seeks = fixture.restarts.all.count
            while fixture.restarts.all.count == seeks {
                appends += 1
                let number = (seeks + 1) * 100_000 + appends
                try await fixture.append(number..<number + 1, to: ["audit"])
            }
            // Where they wait for all of it, one or two are through.
            #expect(appends > 3)
            #expect(try await answer.json[word]?.int == count)
        }
    }

    /// What a seek was told before the sink moved on, or was moved, is put right or not used.
    @Test func aSurveyHoldsWhateverWasSettledSince() async throws {
        let fixture = try await OperatorFixture.long(20_000)
        let lease = try await fixture.journal.lease("crm")
        let queue = try JournalFile.openForReading(fixture.journal.path)
        let survey = try #require(try WaitingSurvey("crm", to: 15_000, queue))
        func settle(_ lease: SinkLease, to cursor: Int64, above: [Int64] = []) async throws {
            try await fixture.journal.settle(
                Settlement(
                    sink: "crm", epoch: lease.epoch, cursor: Offset(rawValue: cursor),
                    settledAbove: above.map { Offset(rawValue: $0) },
                    outcomes: [.delivered: Int(cursor - lease.cursor.rawValue) + above.count]))
        }
        func seek(to target: Int64) async throws -> SeekReport? {
            try await fixture.journal.committer.commit { writer in
                try writer.seek(
                    "crm", to: Offset(rawValue: target), by: survey, looksMax: 4_000, reason: "test", at: 0)
            }
        }
        // Into the second stretch, and some above in the others.
        try await settle(lease, to: 4_500, above: [5_000, 9_000, 9_001, 16_000])
        let report = try #require(try await seek(to: 15_000))
        #expect(report.givenUp == 15_000 - 4_500 - 3)
        #expect(try await fixture.sink().waiting == 5_000 - 1)
        #expect(try await fixture.verify().problems == [])
        // It says nothing of what lies further on.
        await #expect(throws: JournalError.self) { try await seek(to: 19_500) }
        #expect(try await seek(to: 18_000)?.givenUp == 3_000 - 1)
        // Back over what it counted, and over what it did not.
        #expect(try await seek(to: 3_000)?.repeated == 15_000)
        #expect(try await fixture.sink().waiting == 17_000)
        #expect(try await fixture.verify().problems == [])
        // Who was moved back has less above its place than was left out.
        let next = try await fixture.journal.lease("crm")
        try await settle(next, to: 3_001, above: [3_500])
        let later = try #require(try WaitingSurvey("crm", to: 15_000, queue))
        #expect(try await fixture.ask("/sinks/crm/seek", #"{"to":3000}"#).json["repeated"]?.int == 2)
        let sought = try await fixture.journal.committer.commit { writer in
            try? writer.seek(
                "crm", to: Offset(rawValue: 15_000), by: later, looksMax: 4_000, reason: "test", at: 0)
        }
        #expect(sought == nil)
    }

    /// An event comes by a route that is new, just before the survey looks for the log's end.
    @Test func aSurveyKnowsTheRoutesOfAllThatItCounts() async throws {
        let fixture = try await OperatorFixture()
        _ = try await fixture.journal.lease("crm")
        try await fixture.append(1...3)
        let route = Route(choices: ["audit", "crm"].map { Route.Choice(sink: $0, rule: "staff") })
        let event = try OperatorFixture.event(4, receivedAt: fixture.clock.now)
        let submission = Submission(events: [Submission.RoutedEvent(event: event, route: route)])
        let queue = try JournalFile.openForReading(fixture.journal.path)
        let journal = fixture.journal
        var isAppended = false
        queue.inDatabase { db in
            db.trace { statement in
                guard !isAppended, "\(statement)".contains("max(") else { return }
                isAppended = true
                let done = DispatchSemaphore(value: 0)
                journal.append(submission) { _ in done.signal() }
                done.wait()
            }
        }
        let survey = try #require(try WaitingSurvey("crm", to: 4, queue))
        #expect(isAppended)
        let report = try await journal.committer.commit { writer in
            try writer.seek(
                "crm", to: Offset(rawValue: 4), by: survey, looksMax: 4_000, reason: "test", at: 0)
        }
        #expect(report?.givenUp == 4)
    }

    /// What lies behind the target is settled, and old enough to be deleted.
    @Test func nothingGoesFromUnderASurvey() async throws {
        let fixture = try await OperatorFixture()
        let lease = try await fixture.journal.lease("crm")
        try await fixture.append(1...9)
        try await fixture.journal.settle(lease, to: 9)
        var hold: SurveyHold? = SurveyHold(behind: 5)
        try await fixture.journal.committer.commit { [hold] writer in
            if let hold { writer.keep(hold) }
        }
        fixture.clock.advance(by: .seconds(86_400 * 400))
        try await fixture.append(10...10)
        #expect(try await fixture.journal.retain().entries == 5)
        hold = nil
        #expect(try await fixture.journal.retain().entries == 9)
    }

    // MARK: - Drop

    @Test func aDropForgetsEverythingOfTheSinkAndNothingElse() async throws {
        let fixture = try await OperatorFixture()
        for sink in ["old", "crm"] { _ = try await fixture.journal.lease(sink) }
        try await fixture.append(1...3, to: ["old", "crm"])
        try await fixture.bury("old")
        let lease = try await fixture.journal.lease("old")
        try await fixture.append(4...6, to: ["old", "crm"])
        try await fixture.journal.intend("old", epoch: lease.epoch, [Offset(rawValue: 4)])
        try await fixture.journal.settle(
            Settlement(
                sink: "old", epoch: lease.epoch, cursor: Offset(rawValue: 4),
                parked: [
                    ParkedDelivery(offset: Offset(rawValue: 4), subject: nil, failures: [], notBefore: 0)
                ],
                states: [Subject(org: "o", userID: "u"): FoldState()]))
        let refused = try await fixture.ask("/sinks/old/drop")
        #expect(refused.status == 409)
        #expect(refused.json["error"]?.string?.contains("3 waiting events and 3 dead letters") == true)
        #expect(try await fixture.letters().count == 3)
        let dropped = try await fixture.ask("/sinks/old/drop", #"{"force":true}"#)
        #expect(dropped.json["givenUp"]?.int == 3 && dropped.json["deadLetters"]?.int == 3)
        #expect(try await fixture.inspection.status().sinks.map(\.name) == ["crm"])
        #expect(try await fixture.sink().waiting == 6)
        for table in ["parked", "intents", "user_states", "dead_letters"] {
            #expect(try fixture.rows("SELECT * FROM \(table)").isEmpty, "\(table)")
        }
        #expect(
            try fixture.rows("SELECT first_offset, last_offset, entries FROM detached") == [["4", "6", "3"]])
        // One of the same name is a new one, and what was routed before is none of its business.
        _ = try await fixture.journal.lease("old")
        #expect(try await fixture.sink("old").waiting == 0)
    }

    @Test func aConfiguredSinkIsNotDropped() async throws {
        let fixture = try await OperatorFixture(
            settings: OperatorFixture.settings(sinks: ["crm": true, "audit": false]))
        for sink in ["crm", "audit"] {
            _ = try await fixture.journal.lease(sink)
            #expect(try await fixture.ask("/sinks/\(sink)/drop", #"{"force":true}"#).status == 409)
        }
        #expect(try await fixture.inspection.status().sinks.count == 2)
    }
}
