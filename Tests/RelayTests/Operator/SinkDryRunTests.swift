import JSON
import RelayTesting
import Rules
import Testing

@testable import Relay

/// What destroys something can be counted before it is done.
@Suite struct SinkDryRunTests {
    @Test(arguments: ["7", #""end""#, "3", "2", "0"]) func aSeekCountsWhatItWouldDo(
        _ target: String
    ) async throws {
        let fixture = try await OperatorFixture()
        try await fixture.appendTen()
        let before = try await fixture.sink()
        let dry = try await fixture.ask("/sinks/crm/seek", #"{"to":\#(target),"dryRun":true}"#)
        #expect(dry.status == 200 && dry.json["dryRun"]?.bool == true)
        #expect(try await fixture.sink() == before)
        #expect(try fixture.rows("SELECT * FROM operations").isEmpty)
        #expect(try fixture.rows("SELECT * FROM detached").isEmpty)
        #expect(fixture.restarts.all.isEmpty)
        let done = try await fixture.ask("/sinks/crm/seek", #"{"to":\#(target)}"#)
        for name in ["from", "to", "givenUp", "repeated"] {
            #expect(dry.json[name]?.int == done.json[name]?.int, "\(name)")
        }
        #expect(done.json["dryRun"]?.bool == false)
    }

    @Test func aDropCountsWhatItWouldDo() async throws {
        let fixture = try await OperatorFixture()
        _ = try await fixture.journal.lease("old")
        try await fixture.append(1...3, to: ["old"])
        try await fixture.bury("old")
        try await fixture.append(4...8, to: ["old"])
        let dry = try await fixture.ask("/sinks/old/drop", #"{"dryRun":true}"#)
        #expect(dry.status == 200 && dry.json["dryRun"]?.bool == true)
        #expect(dry.json["givenUp"]?.int == 5 && dry.json["deadLetters"]?.int == 3)
        #expect(try await fixture.letters().count == 3)
        #expect(try await fixture.sink("old").waiting == 5)
        #expect(try fixture.rows("SELECT * FROM operations").isEmpty)
        #expect(try await fixture.ask("/sinks/nope/drop", #"{"dryRun":true}"#).status == 404)
        _ = try await fixture.journal.lease("crm")
        #expect(try await fixture.ask("/sinks/crm/drop", #"{"dryRun":true}"#).status == 409)
    }

    /// What it has deleted till then is gone, and whoever looks is told so.
    @Test func aDropThatIsCutShortIsNoted() async throws {
        let fixture = try await OperatorFixture()
        _ = try await fixture.journal.lease("old")
        try await fixture.append(1...3, to: ["old"])
        try await fixture.bury("old")
        let now = fixture.clock.now
        for _ in 0..<2 {
            _ = try await fixture.journal.committer.commit { writer in
                try writer.dropStep("old", isForced: true, at: now)
            }
            let noted = try fixture.rows("SELECT command, sink, detail FROM operations")
            #expect(noted == [["sinks drop", "old", #"{"deadLetters":3,"isUnfinished":true}"#]])
        }
    }

    /// A drop of much goes in calls, between which the writer does other work.
    @Test func aDropOfMuchGoesInSteps() async throws {
        let fixture = try await OperatorFixture()
        _ = try await fixture.journal.lease("old")
        try await fixture.append(1...3, to: ["old"])
        try await fixture.bury("old")
        try fixture.execute(
            """
            INSERT INTO user_states SELECT (SELECT id FROM sinks WHERE name = 'old'), 'okta', value, '{}'
            FROM (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n LIMIT 45000)
                  SELECT value FROM n)
            """)
        var next = ""
        var remaining: [Int] = []
        var (steps, deadLetters) = (0, 0)
        repeat {
            let answer = try await fixture.ask("/sinks/old/drop", #"{"force":true\#(next)}"#)
            try #require(answer.status == 200)
            steps += 1
            deadLetters = answer.json["deadLetters"]?.int ?? 0
            let position = answer.json["next"].flatMap { $0.isNull ? nil : $0 }
            if let left = position?["remaining"]?.int { remaining.append(left) }
            next = position.map { "," + String(decoding: $0.raw.dropFirst().dropLast(), as: UTF8.self) } ?? ""
        } while !next.isEmpty && steps < 50
        #expect(steps > 1 && remaining == remaining.sorted(by: >))
        #expect(deadLetters == 3)
        #expect(try await fixture.inspection.status().sinks.isEmpty)
        let noted = "SELECT command, detail FROM operations"
        #expect(try fixture.rows(noted) == [["sinks drop", #"{"deadLetters":3}"#]])
    }

    /// Parked deliveries may have many attempts each, so they go in steps, too; all of them are listed.
    @Test func aDropOfMuchThatIsParkedGoesInSteps() async throws {
        let fixture = try await OperatorFixture()
        let lease = try await fixture.journal.lease("old")
        try await fixture.append(1...1_303, to: ["old"])
        try await fixture.journal.settle(
            Settlement(
                sink: "old", epoch: lease.epoch, cursor: Offset(rawValue: 1_300),
                parked: (1...1_300).map {
                    ParkedDelivery(offset: Offset(rawValue: $0), subject: nil, failures: [], notBefore: 0)
                }))
        let now = fixture.clock.now
        let first = try await fixture.journal.committer.commit { writer in
            try writer.dropStep("old", isForced: true, at: now)
        }
        #expect(first?.deleted == 500 && first?.waiting == 500)
        #expect(try await fixture.sink("old").waiting == 803)
        let answer = try await fixture.ask("/sinks/old/drop", #"{"force":true}"#)
        #expect(answer.status == 200 && answer.json["next"]?.isNull == true)
        #expect(answer.json["givenUp"]?.int == 1_303)
        let noted = "SELECT command, detail, entries FROM operations"
        #expect(try fixture.rows(noted) == [["sinks drop", #"{"deadLetters":0}"#, "1303"]])
        let listed = "SELECT first_offset, last_offset, entries FROM detached"
        #expect(try fixture.rows(listed) == [["1", "1303", "1303"]])
        #expect(try fixture.rows("SELECT * FROM parked").isEmpty)
    }

    @Test func aPauseCountsWhatItWouldHold() async throws {
        let fixture = try await OperatorFixture()
        try await fixture.appendTen()
        let dry = try await fixture.ask("/sinks/crm/pause", #"{"dryRun":true,"reason":"later"}"#)
        #expect(dry.status == 200 && dry.json["dryRun"]?.bool == true && dry.json["was"]?.isNull == true)
        #expect(dry.json["waiting"]?.int == 8 && dry.json["operations"]?["create"]?.int == 8)
        #expect(try await fixture.sink().hold == nil && fixture.restarts.all.isEmpty)
        #expect(try await fixture.ask("/sinks/nope/pause", #"{"dryRun":true}"#).status == 404)
        #expect(try await fixture.ask("/sinks/crm/pause").json["dryRun"]?.bool == false)
    }

    @Test func aResumeCountsWhatItWouldLetPass() async throws {
        let fixture = try await OperatorFixture()
        try await fixture.appendTen()
        try await fixture.append(11...14, type: "user.lifecycle.delete.initiated")
        try await fixture.append(15...15, type: "user.session.start")
        try await fixture.append(16...18, to: ["audit"], type: "user.lifecycle.delete.initiated")
        #expect(try await fixture.ask("/sinks/crm/resume", #"{"dryRun":true}"#).json["was"]?.isNull == true)
        _ = try await fixture.ask("/sinks/crm/pause", #"{"reason":"too many"}"#)
        let dry = try await fixture.ask("/sinks/crm/resume", #"{"dryRun":true}"#)
        #expect(dry.status == 200 && dry.json["was"]?.string == "paused")
        #expect(dry.json["reason"]?.string == "too many")
        #expect(dry.json["waiting"]?.int == 13 && dry.json["lookedAt"]?.int == 13)
        #expect(dry.json["operations"]?["create"]?.int == 8)
        #expect(dry.json["operations"]?["delete"]?.int == 4)
        #expect(dry.json["operations"]?["none"]?.int == 1)
        #expect(try await fixture.sink().hold?.kind == .paused)
        #expect(fixture.restarts.all == ["crm"])
        let some = try await fixture.inspection.waiting("crm", lookedAtMax: 6)
        #expect(some?.lookedAt == 6 && some?.operations[.delete] == nil)
    }
}
