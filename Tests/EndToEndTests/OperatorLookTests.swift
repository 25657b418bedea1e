import Foundation
import JSON
import RelayTesting
import Testing

/// What an operator looks up before and after something is given up, as commands.
@Suite(.timeLimit(.minutes(3))) struct OperatorLookTests {
    private func setup() throws -> RelaySetup {
        try RelaySetup(sinks: Destinations.sqlite, rules: Destinations.rule(to: "users", "audit"))
    }

    private func events(_ numbers: ClosedRange<Int>, type: String = "user.lifecycle.create") -> [UInt8] {
        RelaySetup.envelope(
            numbers.map { LogEventFixture(uuid: "event-\($0)", type: type, userID: "00u\($0)").json })
    }

    private func audited(_ setup: RelaySetup) async throws -> [String] {
        let query = "SELECT event_id FROM events ORDER BY event_id"
        return try await Rows.sqlite(setup.folder.file("users.sqlite"), query)
            .compactMap { $0[0] }
    }

    /// What no rule matched is listed, and shown so that `explain` can tell why.
    @Test func anEventThatWentNowhereIsFoundAndExplained() async throws {
        let setup = try RelaySetup(
            sinks: Destinations.sqlite,
            rules: #"{ "name": "new", "events": ["user.lifecycle.create"], "sinks": ["users"] }"#)
        let relay = try await setup.start()
        #expect(try await setup.post(events(1...2)) == 200)
        #expect(try await setup.post(events(3...3, type: "user.lifecycle.suspend")) == 200)
        try await setup.waitUntilSettled()
        #expect(await relay.stop() == 0)
        let found = try await setup.json("events", "list", "--unrouted", "--since", "1d")
        #expect(found.elements.map { $0["eventId"]?.string } == ["event-3"])
        let all = try await setup.run("events", "list", "--type", "user.lifecycle.*")
        #expect(all.output.contains("users (new)") && all.output.contains("nowhere"), "\(all.errors)")
        let id = try #require(found.elements.first { _ in true }?["id"]?.int)
        let shown = try await setup.run("events", "show", "\(id)", "--raw")
        #expect(shown.status == 0, "\(shown.errors)")
        #expect(shown.output.hasSuffix("}"), "more than the event's own bytes")
        let file = setup.folder.file("event.json")
        try shown.output.write(toFile: file, atomically: true, encoding: .utf8)
        let explained = try await setup.run("explain", file)
        #expect(explained.output.contains("user.lifecycle.suspend"), "\(explained.errors)")
        let unknown = try await setup.run("events", "show", "99")
        #expect(unknown.status == 1 && unknown.errors.contains("there is no event 99"))
    }

    /// What a sink was told of a user decides what it would send now.
    @Test func aRenderedReplayKnowsWhatTheSinkWasTold() async throws {
        let receiver = try HTTPReceiver()
        defer { receiver.stop() }
        let setup = try RelaySetup(
            sinks: Destinations.contacts(receiver.url, posts: true), rules: Destinations.rule(to: "crm"))
        let relay = try await setup.start()
        #expect(try await setup.post(events(1...2)) == 200)
        try await setup.waitUntilSettled()
        #expect(await relay.stop() == 0)
        let sent = receiver.requests.count
        let file = setup.folder.file("requests.jsonl")
        let rendered = try await setup.run("replay", "--sink", "crm", "--since", "1d", "--render", file)
        #expect(rendered.status == 0, "\(rendered.errors)")
        let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
            .map { try JSONDocument(Array($0.utf8)).root }
        // Both are contacts already, so none is created again.
        #expect(lines.map { $0["request"]?["method"]?.string } == ["PUT", "PUT"])
        #expect(receiver.requests.count == sent)
    }

    @Test(arguments: [true, false]) func whatASinkGaveUpIsListedAndCanBeReplayed(
        _ whileRunning: Bool
    ) async throws {
        let setup = try setup()
        var relay = try await setup.start()
        _ = try await setup.run("sinks", "pause", "audit", "--reason", "too much")
        #expect(try await setup.post(events(1...3)) == 200)
        try await setup.wait(for: "them to wait") { $0.sink("audit")?["waiting"]?.int == 3 }
        if !whileRunning { #expect(await relay.stop() == 0) }
        let counted = try await setup.run("sinks", "resume", "audit", "--dry-run")
        #expect(counted.status == 0, "\(counted.errors)")
        #expect(counted.output.contains("audit is paused: too much"))
        #expect(counted.output.contains("would be counted by its limits: 3 events\n  create: 3"))
        let dry = try await setup.json("sinks", "seek", "audit", "--to", "end", "--dry-run")
        #expect(dry["dryRun"]?.bool == true && dry["givenUp"]?.int == 3)
        #expect(try await setup.json("sinks", "seek", "audit", "--to", "end")["givenUp"]?.int == 3)
        let ranges = try await setup.json("sinks", "given-up", "audit")
        let range = try #require(ranges.elements.first { _ in true })
        #expect(range["entries"]?.int == 3 && range["reason"]?.string == "a person moved the sink on")
        for (option, count) in [("--since", 1), ("--until", 0)] {
            let some = try await setup.json("sinks", "given-up", "--reason", "MOVED the sink", option, "1d")
            #expect(some.elements.map { $0 }.count == count, "\(option)")
        }
        let table = try await setup.run("sinks", "given-up")
        #expect(table.status == 0 && table.output.contains("audit"), "\(table.errors)")
        let unknown = try await setup.run("sinks", "given-up", "nope")
        #expect(unknown.status == 1 && unknown.errors.contains("there is no sink nope"))
        _ = try await setup.run("sinks", "resume", "audit")
        let since = try #require(range["since"]?.string), until = try #require(range["until"]?.string)
        let replayed = try await setup.json(
            "replay", "--sink", "audit", "--since", since, "--until", until)
        #expect(replayed["appended"]?.int == 3)
        if !whileRunning { relay = try await setup.start() }
        try await setup.waitUntilSettled()
        #expect(try await audited(setup) == ["event-1", "event-2", "event-3"])
        #expect(await relay.stop() == 0)
    }

    @Test func aRemovalIsFoundWhileItWaitsAndNotDeniedAfterItWasGivenUp() async throws {
        let setup = try setup()
        let relay = try await setup.start()
        #expect(try await setup.post(events(76...76, type: "user.lifecycle.deactivate")) == 200)
        try await setup.waitUntilSettled()
        let settled = try await setup.json("history", "--user", "00u76")["history"]?.elements.map { $0 } ?? []
        #expect(settled.compactMap { $0["sink"]?.string }.sorted() == ["audit", "users"])
        #expect(settled.map { $0["outcome"]?.string } == ["delivered", "delivered"])
        _ = try await setup.run("sinks", "pause", "audit")
        #expect(try await setup.post(events(77...77, type: "user.lifecycle.deactivate")) == 200)
        try await setup.wait(for: "it to be settled") { $0.sink("users")?["waiting"]?.int == 0 }
        let history = try await setup.json("history", "--user", "00u77")
        let records = history["history"]?.elements.map { $0 } ?? []
        #expect(records.map { $0["outcome"]?.string } == ["delivered", "waiting"])
        #expect(records.map { $0["operation"]?.string } == ["deactivate", "deactivate"])
        #expect(history["waiting"]?["lookedAt"]?.int == 1)
        let waits = try await setup.run("history", "--user", "00u77", "--sink", "audit")
        #expect(waits.status == 0 && waits.output.contains("waiting"), "\(waits.output)")
        _ = try await setup.run("sinks", "seek", "audit", "--to", "end")
        let gone = try await setup.run("history", "--user", "00u77", "--sink", "audit")
        #expect(gone.status == 1)
        #expect(gone.output.contains("audit was not given 1 event of"), "\(gone.output)")
        #expect(try await setup.run("history", "--user", "00u77", "--since", "1d").status == 0)
        #expect(try await setup.run("history", "--user", "00u77", "--until", "1d").status == 1)
        let operations = try await setup.json("history", "--operations", "--sink", "users")
        #expect(operations.elements.map { $0 }.isEmpty)
        #expect(await relay.stop() == 0)
    }

    /// Sinks that are gone are known by what they were not given; rules and hooks by the config.
    @Test func namesThatNobodyKnowsAreRefusedAndThoseOfDroppedSinksAreNot() async throws {
        let setup = try setup()
        let relay = try await setup.start()
        _ = try await setup.run("sinks", "pause", "audit")
        #expect(try await setup.post(events(77...77, type: "user.lifecycle.deactivate")) == 200)
        try await setup.wait(for: "it to be settled") { $0.sink("users")?["waiting"]?.int == 0 }
        #expect(await relay.stop() == 0)
        let text = try String(contentsOfFile: setup.configPath, encoding: .utf8)
        let audit = try #require(Destinations.sqlite.split(separator: ",\n").last)
        try setup.write(
            text.replacing(",\n\(audit)", with: "").replacing(#"["users", "audit"]"#, with: #"["users"]"#),
            to: "sinks.json")
        let dropped = try await setup.run("sinks", "drop", "audit", "--force")
        #expect(dropped.status == 0, "\(dropped.errors)")
        let gone = try await setup.run("history", "--user", "00u77", "--sink", "audit")
        #expect(gone.status == 1 && !gone.errors.contains("there is no sink"), "\(gone.errors)")
        #expect(gone.output.contains("audit was not given 1 event of"), "\(gone.output)")
        let sinks = "there is no sink nope; there are audit, users"
        for (command, text) in [
            (["history", "--user", "00u77", "--sink", "nope"], sinks),
            (["history", "--operations", "--sink", "nope"], sinks),
            (["history", "--user", "00u77", "--org", "nope"], "there is no org nope; there are okta"),
            (["dead-letters", "list", "--rule", "nope"], "there is no rule nope; there are users"),
            (["quarantine", "list", "--hook", "nope"], "there is no hook nope; there are okta"),
        ] {
            let refused = try await RelayBinary.run(
                command + ["--config", setup.configPath], in: setup.folder.path)
            #expect(refused.status == 1 && refused.errors.contains(text), "\(command): \(refused.errors)")
        }
        #expect(try await setup.run("dead-letters", "list", "--rule", "users").status == 0)
        #expect(try await setup.run("quarantine", "list", "--hook", "okta").status == 0)
    }

    @Test func replaysAreListedAndCancelled() async throws {
        let setup = try setup()
        let relay = try await setup.start()
        #expect(try await setup.post(events(1...3)) == 200)
        try await setup.waitUntilSettled()
        #expect(await relay.stop() == 0)
        let replayed = try await setup.json("replay", "--sink", "audit", "--since", "1d")
        let id = try #require(replayed["id"]?.string)
        // As if it had been cut short at its beginning.
        try await Rows.change(
            setup.folder.file("journal.sqlite"), "UPDATE replays SET ended_at = NULL, after_offset = 0")
        let list = try await setup.run("replay", "list")
        #expect(list.status == 0 && list.output.contains("under-way"), "\(list.output)")
        let cancelled = try await setup.run("replay", "cancel", id)
        #expect(cancelled.status == 0 && cancelled.output.contains("is cancelled"), "\(cancelled.errors)")
        let again = try await setup.run("replay", "cancel", id)
        #expect(again.status == 1 && again.errors.contains("has ended"))
        let replays = try await setup.json("replay", "list", "--state", "cancelled", "--sink", "audit")
        #expect(replays.elements.map { $0["isCancelled"]?.bool } == [true])
        #expect(try await setup.json("replay", "list", "--state", "done").elements.map { $0 }.isEmpty)
        let missing = try await setup.run("replay", "list", "--before", "nope")
        #expect(missing.status == 1 && missing.errors.contains("there is no replay nope"))
    }

    @Test func whatCouldSendNothingIsNotRendered() async throws {
        let setup = try setup()
        let relay = try await setup.start()
        #expect(await relay.stop() == 0)
        let file = setup.folder.file("rows.jsonl")
        let rule = try await setup.run(
            "replay", "--sink", "audit", "--since", "1d", "--rule", "usrs", "--render", file)
        #expect(rule.status == 1 && rule.errors.contains("no rule usrs names audit"), "\(rule.errors)")
        let text = try String(contentsOfFile: setup.configPath, encoding: .utf8)
        try text.replacing(#""mode": "append" }"#, with: #""mode": "append", "enabled": false }"#)
            .write(toFile: setup.configPath, atomically: true, encoding: .utf8)
        let disabled = try await setup.run("replay", "--sink", "audit", "--since", "1d", "--render", file)
        #expect(disabled.status == 1 && disabled.errors.contains("is disabled"), "\(disabled.errors)")
        #expect(!FileManager.default.fileExists(atPath: file))
    }

    /// The next try takes the same name.
    @Test func aRenderingThatFailsLeavesNoFile() async throws {
        let setup = try setup()
        let relay = try await setup.start()
        #expect(try await setup.post(events(1...3)) == 200)
        #expect(await relay.stop() == 0)
        let (journal, file) = (setup.folder.file("journal.sqlite"), setup.folder.file("rows.jsonl"))
        func render() async throws -> RelayBinary.Outcome {
            try await setup.run("replay", "--sink", "audit", "--since", "1d", "--render", file)
        }
        try await Rows.change(journal, "UPDATE routes SET choices = 'zz' || choices")
        let unread = try await render()
        #expect(unread.status == 2 && unread.errors.contains("cannot be read"), "\(unread.errors)")
        #expect(!FileManager.default.fileExists(atPath: file))
        try await Rows.change(journal, "UPDATE routes SET choices = substr(choices, 3)")
        #expect(try await render().status == 0)
        #expect(try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n").count == 3)
        try FileManager.default.removeItem(atPath: file)
        try await Rows.change(journal, "PRAGMA user_version = 99")
        let unopened = try await render()
        #expect(unopened.status == 2 && unopened.errors.contains("cannot be opened"), "\(unopened.errors)")
        #expect(!FileManager.default.fileExists(atPath: file))
    }

    @Test func aJournalOfAnotherVersionIsRefusedByWhatOnlyReads() async throws {
        let setup = try setup()
        let relay = try await setup.start()
        #expect(await relay.stop() == 0)
        let path = setup.folder.file("journal.sqlite")
        let reading = [
            ["status"], ["sinks", "list"], ["sinks", "given-up"], ["dead-letters", "list"],
            ["quarantine", "list"], ["history", "--user", "u"], ["history", "--operations"],
            ["replay", "list"], ["journal", "verify"],
        ]
        for (version, text) in [(1, "an older okta-relay wrote it"), (99, "a newer okta-relay wrote it")] {
            try await Rows.change(path, "PRAGMA user_version = \(version)")
            for command in reading {
                let outcome = try await RelayBinary.run(
                    command + ["--config", setup.configPath], in: setup.folder.path)
                #expect(outcome.status == 2 && outcome.output.isEmpty, "\(command): \(outcome.output)")
                #expect(outcome.errors.contains(text), "\(command): \(outcome.errors)")
            }
        }
        #expect(try await setup.run("journal", "backup", setup.folder.file("copy.sqlite")).status == 0)
    }
}
