import JSON
import RelayTesting
import Rules
import Testing

@testable import Relay

/// Redriving and discarding dead letters.
@Suite struct DeadLetterOperationTests {
    @Test func aRedrivenLetterIsDeliveredAnewAndLeavesTheList() async throws {
        let fixture = try await OperatorFixture()
        _ = try await fixture.journal.lease("crm")
        try await fixture.append(1...3)
        try await fixture.bury()
        let letters = try await fixture.letters()
        let horizon = try await fixture.inspection.status().horizon
        let answer = try await fixture.ask("/dead-letters/redrive", #"{"ids":[\#(letters[1].id)]}"#)
        #expect(answer.json["done"]?.int == 1)
        let replay = try #require(answer.json["replay"]?.string)
        #expect(try await fixture.letters().map(\.eventID) == ["event-3", "event-1"])
        let again = try await fixture.entries(after: horizon)
        #expect(again.map(\.event.id) == ["event-2"])
        #expect(again.map(\.rule) == ["staff"])
        #expect(again.map(\.replay) == [replay])
        #expect(try again.first?.event.body.bytes == OperatorFixture.event(2, receivedAt: 0).body.bytes)
        let sink = try await fixture.sink()
        #expect(sink.waiting == 1 && sink.dead == 3)
        // It is no duplicate, and no newcomer either.
        let status = try await fixture.inspection.status()
        #expect(status.accepted == 3 && status.duplicates == 0)
    }

    @Test func whatDiesAgainMeanwhileIsNotRedrivenTwice() async throws {
        let fixture = try await OperatorFixture()
        _ = try await fixture.journal.lease("crm")
        try await fixture.append(1...5)
        try await fixture.bury()
        var next = ""
        var done = 0
        var steps = 0
        repeat {
            let answer = try await fixture.ask("/dead-letters/redrive", #"{"sink":"crm","limit":2\#(next)}"#)
            done += answer.json["done"]?.int ?? 0
            steps += 1
            let position = try #require(answer.json["next"])
            next =
                position.isNull
                ? "" : "," + String(decoding: position.raw.dropFirst().dropLast(), as: UTF8.self)
            // The destination still refuses everything.
            try await fixture.bury(reason: "HTTP 422 again")
        } while !next.isEmpty && steps < 20
        #expect(done == 5)
        #expect(
            try await fixture.letters().map(\.failures.last?.reason)
                == Array(repeating: "HTTP 422 again", count: 5))
        #expect(
            try fixture.rows("SELECT command, sink, entries FROM operations") == [
                ["dead-letters redrive", "crm", "5"]
            ])
        let replays = try fixture.rows("SELECT DISTINCT replay FROM entries WHERE replay IS NOT NULL")
        #expect(replays.count == 1)
    }

    @Test func whatCannotBeSentStaysWithTheReason() async throws {
        let fixture = try await OperatorFixture(
            settings: OperatorFixture.settings(sinks: ["crm": true, "audit": false]))
        for sink in ["crm", "audit", "gone"] { _ = try await fixture.journal.lease(sink) }
        try await fixture.append(1...2)
        try await fixture.append(3...3, to: ["audit"])
        try await fixture.append(4...4, to: ["gone"])
        for sink in ["crm", "audit", "gone"] { try await fixture.bury(sink) }
        try fixture.execute("UPDATE dead_letters SET body = NULL WHERE event_id = 'event-1'")
        let answer = try await fixture.ask("/dead-letters/redrive")
        let kept =
            answer.json["kept"]?.elements.map { ($0["reason"]?.string ?? "", $0["count"]?.int ?? 0) } ?? []
        #expect(answer.json["done"]?.int == 1)
        #expect(kept.map(\.0) == ["its bytes are no longer kept", "its sink is not delivered to"])
        #expect(kept.map(\.1) == [1, 2])
        #expect(Set(try await fixture.letters().map(\.eventID)) == ["event-1", "event-3", "event-4"])
    }

    @Test func aDryRunCountsTheSameAndChangesNothing() async throws {
        let fixture = try await OperatorFixture()
        _ = try await fixture.journal.lease("crm")
        try await fixture.append(1...7)
        try await fixture.bury()
        try fixture.execute("UPDATE dead_letters SET body = NULL WHERE id <= 2")
        for verb in ["redrive", "discard", "redrive"] {
            let before = try fixture.rows("SELECT id, event_id FROM dead_letters")
            let counted = try await fixture.askAll("/dead-letters/\(verb)", #""limit":3,"dryRun":true"#)
            #expect(try fixture.rows("SELECT id, event_id FROM dead_letters") == before)
            #expect(counted.done == (verb == "discard" ? 7 : 5))
            #expect(counted.kept == (verb == "discard" ? 0 : 2))
        }
        #expect(try fixture.rows("SELECT * FROM operations").isEmpty)
        #expect(try await fixture.entries().count == 7)
        let done = try await fixture.askAll("/dead-letters/redrive", #""limit":3"#)
        #expect(done.done == 5 && done.kept == 2)
    }

    @Test func discardedLettersAreGoneAndStillCounted() async throws {
        let fixture = try await OperatorFixture()
        _ = try await fixture.journal.lease("crm")
        try await fixture.append(1...4)
        try await fixture.bury()
        let answer = try await fixture.ask("/dead-letters/discard", #"{"ids":[1,3,99]}"#)
        #expect(answer.json["done"]?.int == 2)
        #expect(try await fixture.letters().map(\.id) == [4, 2])
        let sink = try await fixture.sink()
        #expect(sink.dead == 4 && sink.waiting == 0)
    }

    /// Its letters name it, and it is no slip of the pen, also when the last of them has gone with a full
    /// step.
    @Test func aRuleOfAnEarlierConfigIsKnownByItsLetters() async throws {
        let rules = [Rule(name: "people", events: [EventTypePattern("*")], sinks: ["crm"])]
        let fixture = try await OperatorFixture(settings: OperatorFixture.settings(rules: rules))
        _ = try await fixture.journal.lease("crm")
        try await fixture.append(1...4)
        try await fixture.bury()
        let none = try await fixture.ask("/dead-letters/discard", #"{"rule":"staff","until":"365d"}"#)
        #expect(none.status == 200 && none.json["done"]?.int == 0)
        #expect(try await fixture.askAll("/dead-letters/redrive", #""rule":"staff","limit":2"#).done == 4)
        #expect(try await fixture.ask("/dead-letters/redrive", #"{"rule":"staff"}"#).status == 404)
        #expect(try await fixture.ask("/dead-letters/redrive", #"{"rule":"people"}"#).status == 200)
    }

    @Test func anOperationIsFoundByTheSinksThatItChanged() async throws {
        let fixture = try await OperatorFixture()
        for sink in ["crm", "audit", "other"] { _ = try await fixture.journal.lease(sink) }
        try await fixture.append(1...3)
        try await fixture.append(4...6, to: ["audit"])
        for sink in ["crm", "audit"] { try await fixture.bury(sink) }
        _ = try await fixture.ask("/dead-letters/discard", #"{"ids":[1]}"#)
        #expect(try await fixture.askAll("/dead-letters/redrive", #""limit":2"#).done == 5)
        _ = try await fixture.ask("/sinks/audit/pause")
        for (sink, commands) in [
            ("crm", ["dead-letters redrive", "dead-letters discard"]),
            ("audit", ["sinks pause", "dead-letters redrive"]), ("other", []),
        ] {
            let records = try await fixture.inspection.operations(OperationFilter(sink: sink), PageRequest())
            #expect(records.map(\.command) == commands, "\(sink)")
        }
    }

    @Test func bodiesOfManyMegabytesGoInStepsOfTheirOwn() async throws {
        let fixture = try await OperatorFixture()
        _ = try await fixture.journal.lease("crm")
        try await fixture.append(1...4)
        try await fixture.bury()
        // White space behind a JSON text is still that text.
        try fixture.execute(
            "UPDATE dead_letters SET body = CAST(CAST(body AS TEXT) || printf('%5000000s', '') AS BLOB)")
        let done = try await fixture.askAll("/dead-letters/redrive", #""limit":1000"#)
        #expect(done.done == 4)
        #expect(done.steps == 4)
        #expect(try await fixture.entries().count == 8)
    }

    /// The SQL of filters against the same filter in plain words, over letters that differ in everything.
    @Test func filtersNameWhatTheySay() async throws {
        let fixture = try await OperatorFixture()
        let memory = InMemoryJournal(clock: fixture.clock)
        for journal in [fixture.journal as any Journal, memory] {
            for sink in ["crm", "audit"] { _ = try await journal.lease(sink) }
        }
        let types = ["user.lifecycle.create", "user.lifecycle.delete.initiated", "user.account.lock"]
        for number in 0..<24 {
            fixture.clock.advance(by: .seconds(60))
            let sink = number.isMultiple(of: 2) ? "crm" : "audit"
            let event = try OperatorFixture.event(
                number, type: types[number % 3], user: "u\(number % 4)", receivedAt: fixture.clock.now)
            let route = Route(choices: [Route.Choice(sink: sink, rule: "rule \(number % 5)")])
            let reason = number % 6 == 0 ? "HTTP 422: Émail [x]" : "no user? *%_"
            for journal in [fixture.journal as any Journal, memory] {
                _ = try await journal.append(
                    Submission(events: [Submission.RoutedEvent(event: event, route: route)]))
                let lease = try await journal.lease(sink)
                let offset = Offset(rawValue: Int64(number + 1))
                try await journal.settle(
                    Settlement(
                        sink: sink, epoch: lease.epoch, cursor: offset,
                        deadLetters: [
                            DeadLetter(
                                offset: offset, subject: event.subject,
                                failures: [FailedAttempt(number: 1, at: 0, reason: reason)])
                        ]))
            }
        }
        let middle = fixture.clock.now - 12 * OperatorFixture.minute
        let filters = [
            DeadLetterFilter(), DeadLetterFilter(ids: [1, 5, 77]), DeadLetterFilter(ids: []),
            DeadLetterFilter(sink: "crm"), DeadLetterFilter(sink: "nope"), DeadLetterFilter(rule: "rule 3"),
            DeadLetterFilter(eventType: EventTypePattern("user.lifecycle.*")),
            DeadLetterFilter(eventType: EventTypePattern("*.create")),
            DeadLetterFilter(eventType: EventTypePattern("user.?ifecycle.*")),
            DeadLetterFilter(eventType: EventTypePattern("user.[l]ifecycle.*")),
            DeadLetterFilter(user: "u2"), DeadLetterFilter(error: "http 422"),
            DeadLetterFilter(error: "? *%"),
            DeadLetterFilter(error: "[x]"), DeadLetterFilter(since: middle), DeadLetterFilter(until: middle),
            DeadLetterFilter(sink: "audit", user: "u1", error: "NO USER", since: middle),
        ]
        for filter in filters {
            let page = PageRequest(limit: 1_000)
            let found = try await fixture.inspection.deadLetters(filter, page).map(\.id)
            #expect(found == (try await memory.deadLetters(filter, page).map(\.id)), "\(filter)")
        }
    }

    /// One that names no operation, or that of something else, would lose the letter or falsify a note.
    @Test func aStepGoesOnWithItsOwnOperationOnly() async throws {
        let fixture = try await OperatorFixture()
        _ = try await fixture.journal.lease("crm")
        try await fixture.append(1...3)
        try await fixture.bury()
        _ = try await fixture.ask("/sinks/crm/seek", #"{"to":"end"}"#)
        let first = try await fixture.ask("/dead-letters/discard", #"{"limit":1}"#)
        let discard = try #require(first.json["next"]?["operation"]?.int)
        let noted = try fixture.rows("SELECT id, command, entries FROM operations")
        #expect(noted.map(\.[0]) == ["\(discard - 1)", "\(discard)"])
        for operation in [discard - 1, discard, discard + 1] {
            let body = #"{"after":0,"through":9,"operation":\#(operation),"limit":1}"#
            #expect(try await fixture.ask("/dead-letters/redrive", body).status == 400)
            #expect(try await fixture.ask("/quarantine/resubmit", body).status == 400)
            guard operation != discard else { continue }
            #expect(try await fixture.ask("/dead-letters/discard", body).status == 400)
        }
        // The journal itself loses nothing, either.
        let position = OperationStep.Position(
            after: 0, through: 9, remaining: 1, operation: Int64(discard + 1))
        await #expect(throws: JournalError.self) {
            try await fixture.journal.redrive(
                DeadLetterFilter(), OperationStep(position: position), sinks: ["crm"])
        }
        #expect(try await fixture.letters().count == 2)
        #expect(try fixture.rows("SELECT id, command, entries FROM operations") == noted)
    }

    @Test(arguments: [
        (#"{"usr":"00u1"}"#, 400), (#"{"sink":"nope"}"#, 404), (#"[1]"#, 400), (#"{"ids":["a"]}"#, 400),
        (#"{"ids":[1.5]}"#, 400), (#"{"limit":0}"#, 400), (#"{"limit":1001}"#, 400),
        (#"{"dryRun":"yes"}"#, 400),
        (#"{"since":"soon"}"#, 400), (#"{"after":3}"#, 400), (#"{"after":3,"through":9}"#, 400),
        ("{", 400), (#"{"sink":{"a":1}}"#, 400), (#"{"sink":null}"#, 400), (#"{"error":null}"#, 400),
        (#"{"error":""}"#, 400), (#"{"sink":"crm","type":""}"#, 400), (#"{"dryRun":null}"#, 400),
        (#"{"after":0,"through":9,"operation":99999}"#, 400), (#"{"through":900,"operation":77}"#, 400),
        (#"{"after":null,"through":null,"remaining":null,"operation":null}"#, 400), (#"{"dryRun":""}"#, 400),
        (#"{"after":0,"through":9,"operation":9223372036854775807}"#, 400), (#"{"ids":[]}"#, 400),
        (#"{"rule":"nope"}"#, 404), (#"{"ids":"1,,2"}"#, 400), (#"{"dryRun":true,"dryRun":false}"#, 400),
        (#"{"sink":"crm","dryRun":true,"dry\u0052un":false}"#, 400),
    ])
    func aWishThatIsNotClearChangesNothing(_ body: String, _ status: Int) async throws {
        let fixture = try await OperatorFixture()
        _ = try await fixture.journal.lease("crm")
        try await fixture.append(1...2)
        try await fixture.bury()
        for verb in ["redrive", "discard"] {
            let answer = try await fixture.ask("/dead-letters/\(verb)", body)
            #expect(answer.status == status)
            #expect(answer.json["error"]?.string?.isEmpty == false)
        }
        #expect(try await fixture.letters().count == 2)
    }
}
