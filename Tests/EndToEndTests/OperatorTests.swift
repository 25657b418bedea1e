import Foundation
import JSON
import RelayTesting
import Testing

/// An operator's commands, beside a running relay and without one.
@Suite(.timeLimit(.minutes(3))) struct OperatorTests {
    /// A CRM that refuses a user's requests until it is told better, and a table beside it.
    private final class Setup: Sendable {
        let crm: HTTPReceiver
        let relay: RelaySetup

        init(rules: String? = nil) throws {
            crm = try HTTPReceiver()
            relay = try RelaySetup(
                sinks: Destinations.sqlite + "," + Destinations.contacts(crm.url),
                rules: rules ?? Destinations.rule(to: "users", "audit", "crm"))
        }

        deinit { crm.stop() }
    }

    private func events(
        _ numbers: ClosedRange<Int>, type: String = "user.lifecycle.create", login: String = "ada@example.com"
    ) -> [[UInt8]] {
        numbers.map {
            LogEventFixture(uuid: "event-\($0)", type: type, userID: "00u\($0)", login: login).json
        }
    }

    /// Sinks that take what the rules send them: rows of an append table, by event.
    private func audited(_ setup: RelaySetup) async throws -> [String] {
        let query = "SELECT event_id FROM events ORDER BY event_id"
        return try await Rows.sqlite(setup.folder.file("users.sqlite"), query)
            .compactMap { $0[0] }
    }

    // MARK: - Holds

    @Test(arguments: [true, false]) func aPausedSinkGetsNothingUntilItIsResumed(
        _ whileRunning: Bool
    ) async throws {
        let setup = try RelaySetup(
            sinks: Destinations.sqlite, rules: Destinations.rule(to: "users", "audit"))
        var relay = try await setup.start()
        #expect(try await setup.post(RelaySetup.envelope(events(1...2))) == 200)
        try await setup.waitUntilSettled()
        if !whileRunning { #expect(await relay.stop() == 0) }
        let paused = try await setup.run("sinks", "pause", "audit", "--reason", "moving house")
        #expect(paused.status == 0, "\(paused.errors)")
        if !whileRunning { relay = try await setup.start() }
        #expect(try await setup.post(RelaySetup.envelope(events(3...5))) == 200)
        // The other sink is not touched by it.
        try await setup.wait(for: "users to settle") { $0.sink("users")?["waiting"]?.int == 0 }
        try await setup.wait(for: "audit to be paused") {
            $0.sink("audit")?["state"]?.isString("paused") == true
        }
        let list = try await setup.json("sinks", "list")
        let audit = try #require(list.elements.first { $0["name"]?.isString("audit") == true })
        #expect(audit["waiting"]?.int == 3)
        #expect(audit["hold"]?["reason"]?.string == "moving house")
        #expect(try await audited(setup) == ["event-1", "event-2"])
        if !whileRunning { #expect(await relay.stop() == 0) }
        #expect(try await setup.json("sinks", "resume", "audit")["was"]?.string == "paused")
        if !whileRunning { relay = try await setup.start() }
        try await setup.waitUntilSettled()
        #expect(try await audited(setup) == (1...5).map { "event-\($0)" })
        let operations = try await setup.json("history", "--operations")
        #expect(operations.elements.map { $0["command"]?.string } == ["sinks resume", "sinks pause"])
        #expect(await relay.stop() == 0)
    }

    // MARK: - Dead letters

    @Test func deadLettersAreRedrivenOnceTheirCauseIsMended() async throws {
        let setup = try RelaySetup(
            sinks: Destinations.sqlite,
            rules: """
                { "name": "all", "events": ["*"], "sinks": ["users"] }
                """)
        let relay = try await setup.start()
        // A table of users takes no event without a user.
        let lost = (1...3).map { LogEventFixture(uuid: "lost-\($0)", userID: nil).json }
        #expect(try await setup.post(RelaySetup.envelope(lost)) == 200)
        try await setup.wait(for: "dead letters") { $0.sink("users")?["dead"]?.int == 3 }
        let counted = try await setup.json("dead-letters", "redrive", "--error", "no user", "--dry-run")
        #expect(counted["done"]?.int == 3 && counted["dryRun"]?.bool == true)
        let redriven = try await setup.json("dead-letters", "redrive", "1", "3")
        #expect(redriven["done"]?.int == 2 && redriven["replay"]?.string?.hasPrefix("redrive-") == true)
        // They die again, as dead letters of their own.
        try await setup.wait(for: "them to die again") { $0.sink("users")?["dead"]?.int == 5 }
        let list = try await setup.json("dead-letters", "list")
        #expect(list.elements.map { $0["eventId"]?.string } == ["lost-3", "lost-1", "lost-2"])
        let missing = try await setup.run("dead-letters", "redrive", "1")
        #expect(missing.status == 1)
        #expect(missing.errors.contains("not there"))
        #expect(await relay.stop() == 0)
        // Without a relay, the command does it itself.
        let discarded = try await setup.run("dead-letters", "discard", "--sink", "users")
        #expect(discarded.status == 0 && discarded.output.contains("3 dead letters"), "\(discarded.errors)")
        #expect(try await setup.json("dead-letters", "list").elements.map { $0 }.isEmpty)
        let unknown = try await setup.run("dead-letters", "list", "--sink", "nope")
        #expect(unknown.status == 1 && unknown.errors.contains("there is no sink nope"))
    }

    // MARK: - Replay

    @Test func aReplayBringsAnEmptiedTableBack() async throws {
        let setup = try RelaySetup(
            sinks: Destinations.sqlite, rules: Destinations.rule(to: "users", "audit"))
        let relay = try await setup.start()
        #expect(try await setup.post(RelaySetup.envelope(events(1...40))) == 200)
        try await setup.waitUntilSettled()
        try await Rows.change(setup.folder.file("users.sqlite"), "DELETE FROM events")
        let counted = try await setup.run("replay", "--sink", "audit", "--since", "1d", "--dry-run")
        #expect(counted.output.contains("40 events of 40"), "\(counted.errors)")
        let file = setup.folder.file("rows.jsonl")
        let rendered = try await setup.run("replay", "--sink", "audit", "--since", "1d", "--render", file)
        #expect(rendered.status == 0, "\(rendered.errors)")
        let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
        let rows = try lines.map { try JSONDocument(Array($0.utf8)).root }
        #expect(Set(rows.compactMap { $0["eventId"]?.string }) == Set((1...40).map { "event-\($0)" }))
        #expect(rows.allSatisfy { $0["row"]?["table"] != nil })
        #expect(try await audited(setup).isEmpty)
        let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? NSNumber
        #expect(mode?.intValue == 0o600)
        // A file that is there is nobody's to write over.
        #expect(
            try await setup.run("replay", "--sink", "audit", "--since", "1d", "--render", file).status == 2)

        let replayed = try await setup.json(
            "replay", "--sink", "audit", "--since", "1d", "--user", "00u7")
        #expect(replayed["appended"]?.int == 1)
        try await setup.waitUntilSettled()
        #expect(try await audited(setup) == ["event-7"])
        #expect(await relay.stop() == 0)
        // Without a relay the entries wait in the journal for the next start.
        let offline = try await setup.json("replay", "--sink", "audit", "--since", "1d")
        #expect(offline["appended"]?.int == 40)
        #expect(try await audited(setup) == ["event-7"])
        let again = try await setup.start()
        try await setup.waitUntilSettled()
        #expect(Set(try await audited(setup)) == Set((1...40).map { "event-\($0)" }))
        #expect(await again.stop() == 0)
    }

    @Test func aReplaySendsRequestsThatAreNew() async throws {
        let setup = try Setup()
        let relay = try await setup.relay.start()
        #expect(try await setup.relay.post(RelaySetup.envelope(events(1...3))) == 200)
        try await setup.relay.waitUntilSettled()
        // A stateful sink knows what it was told; its place is taken by one that forgets.
        #expect(try await setup.relay.json("replay", "--sink", "crm", "--since", "1d")["appended"]?.int == 3)
        try await setup.relay.waitUntilSettled()
        let keys = setup.crm.requests.compactMap { $0.header("idempotency-key") }
        #expect(keys.count == setup.crm.requests.count && Set(keys).count == keys.count)
        #expect(await relay.stop() == 0)
    }

    @Test func aNewSinkBeginsWhereItsConfigSays() async throws {
        let setup = try RelaySetup(
            sinks: Destinations.sqlite, rules: Destinations.rule(to: "users", "audit"))
        let relay = try await setup.start()
        #expect(try await setup.post(RelaySetup.envelope(events(1...20))) == 200)
        try await setup.waitUntilSettled()
        let path = setup.configPath
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let late =
            #", "late": { "type": "sqlite", "path": "late.sqlite", "table": "events", "mode": "append", "#
        try text.replacing(#""mode": "append" }"#, with: #""mode": "append" }\#(late) "from": "7d" }"#)
            .replacing(#""users", "audit"]"#, with: #""users", "audit", "late"]"#)
            .write(toFile: path, atomically: true, encoding: .utf8)
        relay.signal(SIGHUP)
        await relay.waitForLog("the config file was taken over")
        try await setup.wait(for: "the new sink") { $0.sink("late")?["delivered"]?.int == 20 }
        // Once, and not at each start.
        #expect(await relay.stop() == 0)
        let again = try await setup.start()
        #expect(try await setup.post(RelaySetup.envelope(events(21...21))) == 200)
        try await setup.wait(for: "the new event") { $0.sink("late")?["delivered"]?.int == 21 }
        let rows = try await Rows.sqlite(setup.folder.file("late.sqlite"), "SELECT event_id FROM events")
        #expect(Set(rows.compactMap { $0[0] }) == Set((1...21).map { "event-\($0)" }))
        #expect(await again.stop() == 0)
    }

    @Test func aReplayThatAKillCutsShortIsFinishedAndNothingComesTwice() async throws {
        let setup = try RelaySetup(
            sinks: Destinations.sqlite, rules: Destinations.rule(to: "users", "audit"))
        let relay = try await setup.start()
        for part in 0..<10 {
            let envelope = RelaySetup.envelope(events((part * 600 + 1)...(part * 600 + 600)))
            // On a busy machine so many may take longer than Okta waits; they are known when they come again.
            try await waitUntil(every: .milliseconds(20)) { try await setup.post(envelope) == 200 }
        }
        try await setup.waitUntilSettled()
        #expect(await relay.stop() == 0)
        let id = try #require(try await replayThatAKillCutsShort(setup), "every kill came too late")
        let again = try await setup.start()
        try await waitUntil(every: .milliseconds(20)) {
            try await setup.admin("GET", "/replays/\(id)")["endedAt"]?.isNull == false
        }
        try await setup.waitUntilSettled()
        #expect(try await setup.admin("GET", "/replays/\(id)")["appended"]?.int == 6_000)
        #expect(try await audited(setup).count == 6_000)
        let path = setup.folder.file("journal.sqlite")
        let twice = try await Rows.sqlite(
            path, "SELECT event_id FROM entries WHERE replay = '\(id)' GROUP BY event_id HAVING count(*) > 1")
        #expect(twice.isEmpty)
        #expect(await again.stop() == 0)
    }

    /// Empties the table and kills the relay in the midst of a replay; where that was over by then, again.
    ///
    /// - Returns: The replay that stands unfinished in the journal; nil where ten were too quick.
    private func replayThatAKillCutsShort(_ setup: RelaySetup) async throws -> String? {
        for _ in 0..<10 {
            try await Rows.change(setup.folder.file("users.sqlite"), "DELETE FROM events")
            let relay = try await setup.start()
            let answer = try await setup.admin("POST", "/replays", body: #"{"sink":"audit","since":"1d"}"#)
            let id = try #require(answer["id"]?.string)
            // It goes in steps of 2,000 events.
            try await waitUntil { try await setup.admin("GET", "/replays/\(id)")["appended"]?.int != 0 }
            await relay.kill()
            let query = "SELECT appended, ended_at FROM replays WHERE id = '\(id)'"
            let row = try #require(try await Rows.sqlite(setup.folder.file("journal.sqlite"), query).first)
            if let appended = row[0].flatMap({ Int($0) }), (1..<6_000).contains(appended), row[1] == nil {
                return id
            }
        }
        return nil
    }

    // MARK: - Quarantine and places

    @Test func whatAHookRefusedIsResubmittedAfterItsConfigChanged() async throws {
        let setup = try RelaySetup(
            sinks: Destinations.sqlite, rules: Destinations.rule(to: "users", "audit"))
        let path = setup.configPath
        let text = try String(contentsOfFile: path, encoding: .utf8)
        try text.replacing(
            #""path": "/okta/events","#, with: #""path": "/okta/events", "events": ["app.*"],"#
        )
        .write(toFile: path, atomically: true, encoding: .utf8)
        let relay = try await setup.start()
        #expect(try await setup.post(RelaySetup.envelope(events(1...3))) == 200)
        let stays = try await setup.run("quarantine", "resubmit", "--all")
        #expect(stays.status == 1 && stays.output.contains("3 stay: event type not accepted"))
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        relay.signal(SIGHUP)
        await relay.waitForLog("the config file was taken over")
        #expect(try await setup.json("quarantine", "resubmit", "--all")["done"]?.int == 3)
        try await setup.wait(for: "them to arrive") { $0.sink("audit")?["delivered"]?.int == 3 }
        #expect(try await audited(setup) == ["event-1", "event-2", "event-3"])
        #expect(try await setup.json("quarantine", "list").elements.map { $0 }.isEmpty)
        #expect(await relay.stop() == 0)
    }

    @Test func aSinkIsMovedAndDropped() async throws {
        let setup = try RelaySetup(
            sinks: Destinations.sqlite, rules: Destinations.rule(to: "users", "audit"))
        let relay = try await setup.start()
        #expect(try await setup.post(RelaySetup.envelope(events(1...6))) == 200)
        try await setup.waitUntilSettled()
        try await Rows.change(setup.folder.file("users.sqlite"), "DELETE FROM events")
        #expect(try await setup.json("sinks", "seek", "audit", "--to", "4")["repeated"]?.int == 2)
        try await setup.waitUntilSettled()
        #expect(try await audited(setup) == ["event-5", "event-6"])
        _ = try await setup.run("sinks", "pause", "audit")
        #expect(try await setup.post(RelaySetup.envelope(events(7...9))) == 200)
        try await setup.wait(for: "them to wait") { $0.sink("audit")?["waiting"]?.int == 3 }
        #expect(try await setup.json("sinks", "seek", "audit", "--to", "end")["givenUp"]?.int == 3)
        _ = try await setup.run("sinks", "resume", "audit")
        #expect(try await setup.post(RelaySetup.envelope(events(10...10))) == 200)
        try await setup.waitUntilSettled()
        #expect(try await audited(setup) == ["event-10", "event-5", "event-6"])
        let refused = try await setup.run("sinks", "drop", "audit")
        #expect(refused.status == 1 && refused.errors.contains("is configured"))
        #expect(try await setup.run("sinks", "seek", "nope", "--to", "end").status == 1)
        #expect(await relay.stop() == 0)
    }

    @Test func aCommandThatReachesNoRelayTouchesNoJournalThatHasOne() async throws {
        let setup = try RelaySetup(
            sinks: Destinations.sqlite, rules: Destinations.rule(to: "users", "audit"))
        let never = try await setup.run("sinks", "pause", "audit")
        #expect(never.status == 2 && never.errors.contains("there is no journal"))
        let relay = try await setup.start()
        let other = setup.folder.file("other.json")
        let text = try String(contentsOfFile: setup.configPath, encoding: .utf8)
        try text.replacing("127.0.0.1:\(setup.adminPort)", with: "127.0.0.1:\(try LoopbackPort.free())")
            .write(toFile: other, atomically: true, encoding: .utf8)
        let outcome = try await RelayBinary.run(
            ["sinks", "pause", "audit", "--config", other], in: setup.folder.path)
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains("is in use: by another relay"))
        let stranger = try HTTPReceiver()
        try text.replacing("127.0.0.1:\(setup.adminPort)", with: "127.0.0.1:\(stranger.port)")
            .write(toFile: other, atomically: true, encoding: .utf8)
        let mistaken = try await RelayBinary.run(
            ["sinks", "pause", "audit", "--config", other], in: setup.folder.path)
        #expect(mistaken.status == 2, "\(mistaken.output)")
        stranger.stop()
        #expect(try await setup.status().sink("audit")?["hold"]?.isNull == true)
        #expect(await relay.stop() == 0)
    }
}
