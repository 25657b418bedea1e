import Config
import JSON
import RelayTesting
import Rules
import ServiceLifecycle
import Testing

@testable import Relay

/// Replays: jobs that outlive their process, and add nothing twice.
@Suite(.timeLimit(.minutes(1))) struct ReplayTests {
    private func finish(_ fixture: OperatorFixture) async throws {
        while try await fixture.hands.advanceReplays() {}
    }

    /// From the beginning, where the members name no other time.
    private func body(_ members: String, sink: String = "crm") -> String {
        let since = members.contains(#""since""#) ? "" : #","since":"3650d""#
        return #"{"sink":"\#(sink)"\#(since)\#(members)}"#
    }

    private func begin(
        _ fixture: OperatorFixture, _ members: String = "", sink: String = "crm"
    ) async throws -> String {
        let answer = try await fixture.ask("/replays", body(members, sink: sink))
        try #require(answer.status == 202, "\(String(decoding: answer.json.raw, as: UTF8.self))")
        return try #require(answer.json["id"]?.string)
    }

    @Test func todaysRulesSayWhatGoes() async throws {
        let fixture = try await OperatorFixture()
        try await fixture.append(1...3, to: ["audit"])
        try await fixture.append(4...5, to: ["audit"], type: "user.session.start")
        _ = try await fixture.journal.lease("crm")
        let horizon = try await fixture.inspection.status().horizon
        let id = try await begin(fixture)
        #expect(try await fixture.entries().isEmpty)
        try await finish(fixture)
        let entries = try await fixture.entries(after: horizon)
        #expect(entries.map(\.event.id) == ["event-1", "event-2", "event-3"])
        #expect(entries.allSatisfy { $0.replay == id && $0.rule == "staff" })
        #expect(try await fixture.entries("audit", after: horizon).isEmpty)
        let listed = try await fixture.inspection.events(EventFilter(), PageRequest(limit: 4))
        #expect(listed.map(\.replay) == [id, id, id, nil])
        let done = try await fixture.ask("/replays/\(id)", method: "GET").json
        #expect(done["appended"]?.int == 3 && done["share"]?.double == 1 && done["endedAt"]?.isNull == false)
        #expect(done["state"]?.string == "done")
        // Another replay looks at what came in, and not at what replays made of it.
        _ = try await begin(fixture)
        try await finish(fixture)
        #expect(try await fixture.entries().count == 6)
        #expect(try await fixture.inspection.status().accepted == 5)
    }

    @Test func filtersAndTimesLeaveOut() async throws {
        let rules = [
            Rule(name: "staff", events: [EventTypePattern("*.create")], sinks: ["crm"]),
            Rule(name: "rest", events: [EventTypePattern("*")], sinks: ["crm"]),
        ]
        let fixture = try await OperatorFixture(settings: OperatorFixture.settings(rules: rules))
        _ = try await fixture.journal.lease("crm")
        let start = fixture.clock.now
        try await fixture.append(1...4, to: ["audit"])
        try await fixture.append(5...8, to: ["audit"], type: "user.lifecycle.suspend", user: "u9")
        func time(_ minute: Int64) -> String {
            Timestamp(nanoseconds: start + minute * OperatorFixture.minute).description
        }
        for (members, expected) in [
            (#","rule":"rest""#, 5...8), (#","type":"*.create""#, 1...4), (#","user":"u9""#, 5...8),
            (#","until":"\#(time(3))""#, 1...2), (#","user":"user-3""#, 3...3),
            (#","rule":"rest","since":"\#(time(6))""#, 6...8),
        ] as [(String, ClosedRange<Int>)] {
            let horizon = try await fixture.inspection.status().horizon
            let counted = try await fixture.ask("/replays", body(#","dryRun":true"# + members))
            #expect(counted.json["matching"]?.int == expected.count, "\(members)")
            _ = try await begin(fixture, members)
            try await finish(fixture)
            let ids = try await fixture.entries(after: horizon).map(\.event.id)
            #expect(ids == expected.map { "event-\($0)" }, "\(members)")
        }
    }

    @Test func aReplayThatWasCutShortGoesOnAndNothingComesTwice() async throws {
        let folder = try TemporaryFolder()
        let clock = ManualClock()
        let first = try await OperatorFixture(in: folder, clock: clock)
        _ = try await first.journal.lease("crm")
        // More than one step, and events that come while it runs.
        let route = Route(choices: [Route.Choice(sink: "audit", rule: "x")])
        let events = try (0..<5_000).map {
            Submission.RoutedEvent(
                event: try OperatorFixture.event($0, receivedAt: clock.now), route: route)
        }
        _ = try await first.journal.append(Submission(events: events))
        let id = try await begin(first)
        #expect(try await first.hands.advanceReplays())
        let share = try #require(try await first.inspection.replay(id: id)).share
        #expect(share > 0 && share < 1)
        try await first.append(6_000...6_002, to: ["audit"])
        await first.journal.close()

        let second = try await OperatorFixture(in: folder, clock: clock)
        try await finish(second)
        let ids = try await second.entries().map(\.event.id)
        #expect(ids == (0..<5_000).map { "event-\($0)" })
        #expect(try #require(try await second.inspection.replay(id: id)).appended == 5_000)
        #expect(try await second.sink().waiting == 5_000)
        await second.journal.close()
    }

    @Test func twoWhoCarryOutOneReplayAddNothingTwice() async throws {
        let fixture = try await OperatorFixture()
        _ = try await fixture.journal.lease("crm")
        let route = Route(choices: [Route.Choice(sink: "audit", rule: "x")])
        let events = try (0..<9_000).map {
            Submission.RoutedEvent(
                event: try OperatorFixture.event($0, receivedAt: fixture.clock.now), route: route)
        }
        _ = try await fixture.journal.append(Submission(events: events))
        _ = try await begin(fixture)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<3 { group.addTask { try await finish(fixture) } }
            try await group.waitForAll()
        }
        #expect(try await fixture.entries().map(\.event.id) == (0..<9_000).map { "event-\($0)" })
    }

    @Test func theRunnerDoesWhatIsThereAndWhatComes() async throws {
        let fixture = try await OperatorFixture()
        _ = try await fixture.journal.lease("crm")
        try await fixture.append(1...3, to: ["audit"])
        let first = try await begin(fixture)
        let runner = ReplayRunner(fixture.hands, logger: .quiet)
        let group = ServiceGroup(
            configuration: .init(services: [.init(service: runner)], logger: .quiet))
        func ended(_ id: String) async throws {
            for await _ in fixture.journal.news()
            where try await fixture.inspection.replay(id: id)?.endedAt != nil {
                return
            }
        }
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            try await ended(first)
            try await ended(try await begin(fixture))
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
        #expect(try await fixture.entries().count == 6)
    }

    /// A command can ask for one before the relay has ever run with the sink.
    @Test func aSinkThatWasNeverStartedGetsItsReplay() async throws {
        let fixture = try await OperatorFixture()
        try await fixture.append(1...3, to: ["audit"])
        _ = try await begin(fixture)
        try await finish(fixture)
        let lease = try await fixture.journal.lease("crm")
        let entries = try await fixture.entries(after: lease.cursor)
        #expect(entries.map(\.event.id) == ["event-1", "event-2", "event-3"])
        #expect(try await fixture.sink().waiting == 3)
    }

    @Test func whatWasDeletedBeforeAReplayCameThereIsTold() async throws {
        let fixture = try await OperatorFixture()
        _ = try await fixture.journal.lease("crm")
        try await fixture.append(1...10, to: ["audit"])
        let id = try await begin(fixture)
        #expect(try await fixture.ask("/replays/\(id)", method: "GET").json["isWhole"]?.bool == true)
        try fixture.execute(#"DELETE FROM entries WHERE "offset" <= 4 OR "offset" = 7"#)
        try await finish(fixture)
        let done = try await fixture.ask("/replays/\(id)", method: "GET").json
        #expect(done["appended"]?.int == 5 && done["isWhole"]?.bool == false)
    }

    /// What came before and behind the time is not its business, whatever became of it.
    @Test func onlyWhatMayHaveBeenOfTheTimeIsMissing() async throws {
        let fixture = try await OperatorFixture()
        _ = try await fixture.journal.lease("crm")
        let start = fixture.clock.now
        try await fixture.append(1...20, to: ["audit"])
        func minute(_ minute: Int64) -> String {
            Timestamp(nanoseconds: start + minute * OperatorFixture.minute).description
        }
        try fixture.execute(#"DELETE FROM entries WHERE "offset" <= 4 OR "offset" IN (9, 10, 15)"#)
        for (since, until, isWhole) in [
            (6, 8, true), (5, 7, false), (1, 3, false), (8, 12, false), (7, 10, false), (11, 14, false),
            (12, 14, true), (16, 30, false), (17, 30, true), (12, 17, false), (17, 20, true),
        ] as [(Int64, Int64, Bool)] {
            let time = #""since":"\#(minute(since))","until":"\#(minute(until))""#
            let counted = try await fixture.ask("/replays", #"{"sink":"crm","dryRun":true,\#(time)}"#).json
            #expect(counted["isWhole"]?.bool == isWhole, "\(time)")
            let id = try await begin(fixture, ",\(time)")
            // It does not look at what came in later.
            let replay = try #require(try await fixture.inspection.replay(id: id))
            #expect(replay.last.rawValue < max(until, 5) || until > 20, "\(time)")
            try await finish(fixture)
            let done = try await fixture.ask("/replays/\(id)", method: "GET").json
            #expect(done["isWhole"]?.bool == isWhole, "\(time)")
            #expect(done["appended"]?.int == counted["matching"]?.int)
        }
    }

    @Test func aReplayForASinkThatIsAwayWaitsForIt() async throws {
        let fixture = try await OperatorFixture()
        _ = try await fixture.journal.lease("crm")
        try await fixture.append(1...3, to: ["audit"])
        let id = try await begin(fixture)
        fixture.hands.swap(OperatorFixture.settings(sinks: ["crm": false, "audit": true]))
        #expect(try await !fixture.hands.advanceReplays())
        #expect(try await fixture.inspection.replay(id: id)?.endedAt == nil)
        #expect(try await fixture.ask("/replays", #"{"sink":"crm","since":"1d"}"#).status == 409)
        fixture.hands.swap(OperatorFixture.settings())
        try await finish(fixture)
        #expect(try await fixture.entries().count == 3)
    }

    @Test(arguments: [
        (#"{"since":"1d"}"#, 400), (#"{"sink":"crm"}"#, 400), (#"{"sink":"nope","since":"1d"}"#, 404),
        (#"{"sink":"crm","since":"1d","rule":"nope"}"#, 404),
        (#"{"sink":"crm","since":"1d","typ":"x"}"#, 400),
        (#"{"sink":"crm","since":"1d","until":"1d"}"#, 400), (#"{"sink":"crm","since":"1d","after":9}"#, 400),
        (#"{"sink":"crm","since":"2026-11-03","until":"2026-11-01","dryRun":true}"#, 400),
    ])
    func aReplayThatIsNotClearDoesNotBegin(_ body: String, _ status: Int) async throws {
        let fixture = try await OperatorFixture()
        #expect(try await fixture.ask("/replays", body).status == status)
        #expect(try await fixture.inspection.replays(ReplayListFilter(), before: nil, limit: 9).isEmpty)
    }

    // MARK: - Cancelling

    @Test func aReplayThatIsCancelledGoesNoFurther() async throws {
        let fixture = try await OperatorFixture()
        _ = try await fixture.journal.lease("crm")
        let audit = Route(choices: [Route.Choice(sink: "audit", rule: "staff")])
        let events = try (1...2_500).map { number in
            Submission.RoutedEvent(
                event: try OperatorFixture.event(number, receivedAt: fixture.clock.now), route: audit)
        }
        _ = try await fixture.journal.append(Submission(events: events))
        let horizon = try await fixture.inspection.status().horizon
        let id = try await begin(fixture)
        #expect(try await fixture.hands.advanceReplays())
        let some = try await fixture.entries(after: horizon).count
        #expect(some > 0 && some < 2_500)
        let stale = try #require(try await fixture.inspection.unfinishedReplays().first)
        let dry = try await fixture.ask("/replays/\(id)/cancel", #"{"dryRun":true}"#)
        #expect(dry.json["isCancelled"]?.bool == false && dry.json["appended"]?.int == some)
        let cancelled = try await fixture.ask("/replays/\(id)/cancel")
        #expect(cancelled.status == 200)
        #expect(cancelled.json["isCancelled"]?.bool == true && cancelled.json["appended"]?.int == some)
        #expect(cancelled.json["endedAt"]?.isNull == false)
        #expect((cancelled.json["share"]?.double ?? 1) < 1)
        // Also where somebody was about to take the next step.
        let step = ReplayStep(end: stale.last, isLast: true)
        #expect(try await fixture.journal.advance(stale, by: step) == false)
        #expect(try await !fixture.hands.advanceReplays())
        #expect(try await fixture.entries(after: horizon).count == some)
        let list = try await fixture.ask("/replays", method: "GET").json["replays"]?.elements.map { $0 } ?? []
        #expect(list.map { $0["isCancelled"]?.bool } == [true])
        let commands = try fixture.rows("SELECT command, sink FROM operations ORDER BY id")
        #expect(commands == [["replay", "crm"], ["replay cancel", "crm"]])
    }

    @Test func onlyAReplayThatIsUnderWayIsCancelled() async throws {
        let fixture = try await OperatorFixture()
        _ = try await fixture.journal.lease("crm")
        try await fixture.append(1...3, to: ["audit"])
        let id = try await begin(fixture)
        try await finish(fixture)
        #expect(try await fixture.ask("/replays/\(id)/cancel").status == 409)
        #expect(try await fixture.ask("/replays/\(id)/cancel", #"{"dryRun":true}"#).status == 409)
        let unknown = try await fixture.ask("/replays/nope/cancel")
        #expect(unknown.status == 404)
        #expect(unknown.json["error"]?.string?.contains("okta-relay replay list") == true)
        let done = try await fixture.ask("/replays/\(id)", method: "GET").json
        #expect(done["isCancelled"]?.bool == false && done["share"]?.double == 1)
        let early = try await begin(fixture)
        // Also before its first step.
        #expect(try await fixture.ask("/replays/\(early)/cancel").json["isCancelled"]?.bool == true)
        try await finish(fixture)
        #expect(try await fixture.entries().count == 3)
    }

    // MARK: - from

    /// It is known from the replay on, and must not count as started then.
    @Test func aReplayBeforeTheFirstStartDoesNotTakeItsBeginning() async throws {
        let fixture = try await OperatorFixture(settings: OperatorFixture.settings(from: .at(0)))
        try await fixture.append(1...4, to: ["audit"])
        let since = Timestamp(nanoseconds: fixture.clock.now).description
        _ = try await begin(fixture, #","since":"\#(since)""#)
        try await finish(fixture)
        // As a start does.
        try await fixture.hands.enroll(["crm": 0])
        try await fixture.hands.endStarts(of: ["crm"])
        try await finish(fixture)
        let ids = try await fixture.entries(after: try await fixture.journal.lease("crm").cursor).map(
            \.event.id)
        #expect(ids == ["event-4"] + (1...4).map { "event-\($0)" })
    }

    /// Events go by the old rules until a reload is through.
    @Test func whatComesBeforeRulesNameANewSinkIsPartOfItsBeginning() async throws {
        let fixture = try await OperatorFixture()
        try await fixture.append(1...2, to: ["audit"])
        try await fixture.hands.enroll(["crm": 0])
        #expect(try await !fixture.hands.advanceReplays())
        try await fixture.append(3...3, to: ["audit"])
        try await fixture.append(4...4, to: ["audit", "crm"])
        try await fixture.append(5...5, to: ["audit"])
        try await fixture.hands.endStarts(of: ["other", "crm"])
        try await fixture.append(6...6, to: ["audit"])
        try await finish(fixture)
        let ids = try await fixture.entries().map(\.event.id)
        #expect(ids == ["event-4", "event-1", "event-2", "event-3", "event-5"])
        #expect(try await fixture.sink().waiting == 5)
    }

    /// A config that is taken over makes its sinks known, whole or not at all.
    @Test func sinksAndTheirBeginningsAreKnownTogether() async throws {
        let fixture = try await OperatorFixture()
        try await fixture.append(1...2, to: ["audit"])
        let policies = [
            SinkPolicy(name: "crm"), SinkPolicy(name: "plain"), SinkPolicy(name: "off", isEnabled: false),
        ]
        let starts = try await fixture.hands.starts(at: ["crm": 0])
        await #expect(throws: JournalError.closed) {
            try await fixture.journal.committer.commit { writer in
                _ = try writer.keep(policies, starts: starts)
                throw JournalError.closed
            }
        }
        #expect(try await fixture.inspection.status().sinks.isEmpty)
        #expect(try await fixture.inspection.unfinishedReplays().isEmpty)

        try await fixture.journal.keep(policies, starts: starts)
        #expect(try await fixture.inspection.status().sinks.map(\.name).sorted() == ["crm", "plain"])
        try await fixture.append(3...3, to: ["crm", "plain"])
        // Nobody has leased them yet.
        #expect(try await fixture.hands.starts(at: ["crm": 0]).isEmpty)
        try await fixture.hands.endStarts(of: ["crm", "plain"])
        try await finish(fixture)
        let crm = try await fixture.entries(after: try await fixture.journal.lease("crm").cursor)
        #expect(crm.map(\.event.id) == ["event-3", "event-1", "event-2"])
        let plain = try await fixture.entries(
            "plain", after: try await fixture.journal.lease("plain").cursor)
        #expect(plain.map(\.event.id) == ["event-3"])
    }

    @Test func aNewSinkBeginsWithWhatIsStored() async throws {
        let folder = try TemporaryFolder()
        let clock = ManualClock()
        let first = try await OperatorFixture(in: folder, clock: clock)
        let start = clock.now
        try await first.append(1...9, to: ["audit"])
        let since = start + 5 * OperatorFixture.minute
        try await first.hands.enroll(["crm": since])
        // It is known from now on, also where nobody came to lease it: a start repeats nothing.
        await first.journal.close()
        let second = try await OperatorFixture(in: folder, clock: clock)
        try await second.append(10...10)
        try await second.hands.enroll(["crm": since])
        try await second.hands.enroll(["crm": 0])
        try await second.hands.endStarts(of: ["crm"])
        let lease = try await second.journal.lease("crm")
        try await finish(second)
        let ids = try await second.entries(after: lease.cursor).map(\.event.id)
        #expect(ids == ["event-10"] + (5...9).map { "event-\($0)" })
        let replays = try await second.inspection.replays(ReplayListFilter(), before: nil, limit: 9)
        #expect(replays.count == 1)
        #expect(try await second.sink().waiting == 6)
        await second.journal.close()
    }
}
