import Foundation
import JSON
import RelayTesting
import Rules
import Testing

@testable import Relay

/// Resubmitting what was quarantined.
@Suite struct QuarantineOperationTests {
    private static func text(
        _ number: Int, type: String = "user.lifecycle.create", user: String? = "00u1"
    ) -> String {
        let fixture = LogEventFixture(uuid: "event-\(number)", type: type, userID: user)
        return String(decoding: fixture.json, as: UTF8.self)
    }

    private func quarantine(
        _ fixture: OperatorFixture, _ inputs: [(reason: String, text: String)], hook: String = "okta"
    ) async throws {
        _ = try await fixture.journal.append(
            Submission(
                quarantined: inputs.map {
                    QuarantinedInput(
                        hook: hook, reason: $0.reason, bytes: Array($0.text.utf8),
                        receivedAt: fixture.clock.now)
                }))
    }

    private func reasons(_ fixture: OperatorFixture) async throws -> [String] {
        try await fixture.inspection.quarantine(QuarantineFilter(), PageRequest()).map(\.reason).reversed()
    }

    @Test func whatIsAcceptedTodayIsRoutedAndLeaves() async throws {
        let fixture = try await OperatorFixture()
        _ = try await fixture.journal.lease("crm")
        try await quarantine(
            fixture, [("event type not accepted", Self.text(1)), ("event type not accepted", Self.text(2))])
        let answer = try await fixture.ask("/quarantine/resubmit", #"{"ids":[2]}"#)
        #expect(answer.json["done"]?.int == 1)
        #expect(try await reasons(fixture) == ["event type not accepted"])
        let entries = try await fixture.entries()
        #expect(entries.map(\.event.id) == ["event-2"] && entries.map(\.replay) == [nil])
        let status = try await fixture.inspection.status()
        #expect(status.accepted == 1)
    }

    /// It is no older than the others that wait for the sink, however long it lay there.
    @Test func whatLayInQuarantineForLongIsNotGivenUpForItsAge() async throws {
        let fixture = try await OperatorFixture()
        try await fixture.journal.keep([SinkPolicy(name: "crm", maxBehind: .seconds(86_400))])
        _ = try await fixture.journal.lease("crm")
        // What is left of a body stays as old as it is.
        let body = #"{"data":{"events":[\#(Self.text(1)),7]}}"#
        try await quarantine(fixture, [("event type not accepted", Self.text(2)), ("not JSON", body)])
        let then = fixture.clock.now
        fixture.clock.advance(by: .seconds(86_400 * 20))
        #expect(try await fixture.ask("/quarantine/resubmit").json["done"]?.int == 2)
        _ = try await fixture.journal.retain()
        #expect(try await fixture.sink().waiting == 2)
        #expect(try await fixture.sink().detached == 0)
        #expect(
            try await fixture.entries().map(\.event.receivedAt) == [fixture.clock.now, fixture.clock.now])
        let left = try await fixture.inspection.quarantine(QuarantineFilter(), PageRequest())
        #expect(left.map(\.receivedAt) == [then])
    }

    @Test func whatIsStillUnusableStaysWithTodaysReason() async throws {
        let fixture = try await OperatorFixture(
            settings: OperatorFixture.settings(accepts: ["user.lifecycle.*"]))
        try await quarantine(
            fixture,
            [
                ("no uuid", Self.text(1, type: "user.session.start")), ("not an object", "[1]"),
                ("not JSON", "{"), ("empty body", ""), ("not JSON", #"{"data":{"events":[]}}"#),
            ])
        try await quarantine(fixture, [("no uuid", Self.text(2))], hook: "gone")
        let answer = try await fixture.ask("/quarantine/resubmit")
        #expect(answer.json["done"]?.int == 0)
        #expect(
            try await reasons(fixture) == [
                "event type not accepted", "not an object", "not JSON", "empty body", "no events",
                "its hook is not configured",
            ])
        #expect(answer.json["kept"]?.elements.reduce(0) { $0 + ($1["count"]?.int ?? 0) } == 6)
        // A hook that only a record names is no slip of the pen.
        for (hook, status) in [("okta", 200), ("gone", 200), ("nope", 404)] {
            let answer = try await fixture.ask("/quarantine/resubmit", #"{"hook":"\#(hook)"}"#)
            #expect(answer.status == status, "\(hook)")
        }
    }

    @Test func aBodyGivesItsGoodEventsAndKeepsTheOthers() async throws {
        let fixture = try await OperatorFixture()
        _ = try await fixture.journal.lease("crm")
        let body = #"{"eventId":"e1","data":{"events":[\#(Self.text(1)),7,\#(Self.text(2))]}}"#
        // And one that somebody sent without its envelope.
        try await quarantine(fixture, [("not JSON", body), ("not an envelope", Self.text(3))])
        let answer = try await fixture.ask("/quarantine/resubmit")
        #expect(answer.json["done"]?.int == 2)
        #expect(try await fixture.entries().map(\.event.id) == ["event-1", "event-2", "event-3"])
        #expect(try await fixture.entries().map(\.event.envelopeID) == ["e1", "e1", nil])
        #expect(try await reasons(fixture) == ["not an object"])
        // What it left behind is looked at by the next call, not by this one.
        #expect(try await fixture.ask("/quarantine/resubmit").json["done"]?.int == 0)
    }

    @Test func whatIsKnownAlreadyIsNotDeliveredTwice() async throws {
        let fixture = try await OperatorFixture()
        _ = try await fixture.journal.lease("crm")
        try await fixture.append(1...1)
        try await quarantine(
            fixture, [("no uuid", Self.text(1)), ("no uuid", Self.text(2)), ("no uuid", Self.text(2))])
        for members in [#","dryRun":true"#, ""] {
            let answer = try await fixture.ask("/quarantine/resubmit", #"{"hook":"okta"\#(members)}"#)
            #expect(answer.json["done"]?.int == 3 && answer.json["duplicates"]?.int == 2)
        }
        #expect(try await fixture.entries().count == 2)
        #expect(try await reasons(fixture).isEmpty)
    }

    @Test func aDryRunAndStepsCountTheSame() async throws {
        let fixture = try await OperatorFixture()
        _ = try await fixture.journal.lease("crm")
        try await quarantine(
            fixture, (0..<25).map { ("no uuid", $0 % 5 == 0 ? "{}" : Self.text($0)) })
        let dry = try await fixture.askAll("/quarantine/resubmit", #""limit":4,"dryRun":true"#)
        #expect(dry.done == 20 && dry.kept == 5)
        #expect(try await fixture.entries().isEmpty)
        #expect(try await reasons(fixture) == Array(repeating: "no uuid", count: 25))
        let done = try await fixture.askAll("/quarantine/resubmit", #""limit":4"#)
        #expect(done.done == 20 && done.kept == 5)
        #expect(try await fixture.entries().count == 20)
        #expect(try await reasons(fixture).count == 5)
        #expect(
            try fixture.rows("SELECT command, entries FROM operations") == [["quarantine resubmit", "20"]])
    }

    @Test func theBytesTellTypeAndUser() async throws {
        let fixture = try await OperatorFixture()
        _ = try await fixture.journal.lease("crm")
        let body = #"{"data":{"events":[7,\#(Self.text(4, type: "user.session.start"))]}}"#
        try await quarantine(
            fixture,
            [
                ("event type not accepted", Self.text(1)),
                ("event type not accepted", Self.text(2, type: "user.session.start")),
                ("event type not accepted", Self.text(3, user: "ada")), ("not an envelope", body),
                ("not JSON", "{"),
            ])
        for (members, ids) in [
            (#""type":"user.lifecycle.*""#, [3, 1]), (#""type":"user.session.start""#, [4, 2]),
            (#""user":"ada""#, [3]), (#""user":"ada","type":"*.start""#, []),
        ] as [(String, [Int])] {
            let dry = try await fixture.ask("/quarantine/resubmit", "{\(members),\"dryRun\":true}")
            #expect(dry.json["done"]?.int == ids.count, "\(members)")
            let steps = try await fixture.askAll(
                "/quarantine/resubmit", "\(members),\"dryRun\":true,\"limit\":1")
            #expect(steps.done == ids.count && steps.kept == 0, "\(members)")
        }
        #expect(try await fixture.ask("/quarantine/resubmit", #"{"user":"ada"}"#).json["done"]?.int == 1)
        #expect(try await fixture.entries().map(\.event.id) == ["event-3"])
        #expect(try await reasons(fixture).count == 4)
        // The operation's note names no user.
        #expect(try !fixture.rows("SELECT detail FROM operations").joined().joined().contains("ada"))
    }

    @Test func filtersNameWhatTheySay() async throws {
        let fixture = try await OperatorFixture()
        let memory = InMemoryJournal(clock: fixture.clock)
        for number in 0..<12 {
            fixture.clock.advance(by: .seconds(60))
            let text = Self.text(number, type: number % 4 == 0 ? "a.b" : "a.c", user: "u\(number % 2)")
            let input = QuarantinedInput(
                hook: number % 2 == 0 ? "okta" : "eu", reason: number % 3 == 0 ? "no uuid" : "not JSON",
                bytes: number == 5 ? [1] : Array(text.utf8), receivedAt: fixture.clock.now)
            for journal in [fixture.journal as any Journal, memory] {
                _ = try await journal.append(Submission(quarantined: [input]))
            }
        }
        let middle = fixture.clock.now - 6 * OperatorFixture.minute
        for filter in [
            QuarantineFilter(), QuarantineFilter(ids: [2, 99]), QuarantineFilter(hook: "eu"),
            QuarantineFilter(reason: "JSON"), QuarantineFilter(reason: "json", since: middle),
            QuarantineFilter(hook: "okta", until: middle),
            QuarantineFilter(eventType: EventTypePattern("a.b")),
            QuarantineFilter(user: "u1"), QuarantineFilter(hook: "okta", eventType: EventTypePattern("*c")),
        ] {
            for page in [PageRequest(), PageRequest(before: 9, limit: 2)] {
                let found = try await fixture.inspection.quarantine(filter, page)
                #expect(found.map(\.id) == (try await memory.quarantine(filter, page).map(\.id)), "\(filter)")
                #expect(found.allSatisfy { $0.bytes == nil })
            }
        }
    }
}
