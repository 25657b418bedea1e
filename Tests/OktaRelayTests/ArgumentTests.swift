import ArgumentParser
import JSON
import Relay
import Testing

@testable import OktaRelay

/// What the command line accepts.
@Suite struct ArgumentTests {
    @Test func commandsTakeTheirDefaults() throws {
        #expect(try ServeCommand.parse([]).file.config == "sinks.json")
        #expect(try ServeCommand.parse(["--init", "-c", "a.json"]).createsSecrets)
        #expect(try ServeCommand.parse(["-c", "a.json"]).file.config == "a.json")
        #expect(try CheckCommand.parse(["--connect"]).connect)
        #expect(try ExplainCommand.parse(["event.json", "--hook", "eu"]).hook == "eu")
        #expect(try SchemaCommand.parse(["--sql", "users"]).sql == "users")
    }

    @Test func groupsListWithoutAVerb() throws {
        let command = try OktaRelayCommand.parseAsRoot(["dead-letters", "--sink", "crm"])
        let list = try #require(command as? DeadLettersCommand.List)
        #expect(list.filter.sink == "crm")
        #expect(list.page.limit == 50)
        let shown = try OktaRelayCommand.parseAsRoot(["quarantine", "show", "3", "--raw"])
        #expect(try #require(shown as? QuarantineCommand.Show).raw)
    }

    @Test(arguments: [
        ["serve", "--no-such-option"], ["explain"], ["dead-letters", "show", "x"],
        ["dead-letters", "list", "--limit", "0"], ["simulate", "--users", "0"],
        ["simulate", "--duplicates", "2"],
        ["simulate", "--url", "ftp://localhost/", "--secret-file", "f"],
        ["simulate", "--url", "http://localhost/"],
        ["dead-letters", "redrive"], ["dead-letters", "redrive", "--all", "--sink", "crm"],
        ["dead-letters", "discard", "--all", "3"], ["dead-letters", "list", "--since", "soon"],
        ["quarantine", "resubmit"], ["sinks", "seek", "crm"], ["sinks", "seek", "crm", "--to", "-1"],
        ["sinks", "seek", "crm", "--to", "last week"], ["sinks", "pause"],
        ["replay", "--sink", "crm"], ["replay", "--since", "7d"],
        ["replay", "--sink", "crm", "--since", "7d", "--dry-run", "--render", "f"],
        ["replay", "--sink", "crm", "--since", "7d", "--render", "-", "--json"],
        ["replay", "--sink", "crm", "--since", "1d", "--until", "7d"],
        ["replay", "--sink", "crm", "--since", "1d", "--until", "1d", "--render", "f"],
        ["dead-letters", "list", "--since", "2026-11-03", "--until", "2026-11-01"],
        ["history"], ["history", "--user", "00u1", "--operations"],
        ["history", "--operations", "--org", "a"], ["history", "--user", "u", "--since", "soon"],
        ["history", "--user", "u", "--before", "17"], ["history", "--operations", "--before", "7.0.12"],
        ["replay", "list", "--state", "lost"], ["replay", "list", "--limit", "1001"], ["replay", "cancel"],
        ["dead-letters", "discard", "--error", ""], ["dead-letters", "redrive", "--sink", "a", "--rule", ""],
        ["dead-letters", "list", "--sink", ""], ["quarantine", "resubmit", "--reason", ""],
        ["history", "--user", ""], ["history", "--operations", "--sink", ""],
        ["replay", "--sink", "crm", "--since", "7d", "--user", ""], ["replay", "list", "--sink", ""],
        ["sinks", "given-up", ""], ["sinks", "pause", "crm", "--reason", ""],
        ["sinks", "seek", "crm", "--to", "end", "--reason", ""], ["sinks", "drop", ""],
        ["sinks", "given-up", "--limit", "0"], ["sinks", "given-up", "--since", "1d", "--until", "2d"],
    ])
    func wrongCallsAreUsageErrors(_ arguments: [String]) {
        let error = #expect(throws: (any Error).self) { try OktaRelayCommand.parseAsRoot(arguments) }
        guard let error else { return }
        #expect(OktaRelayCommand.exitCode(for: error) == .validationFailure)
    }

    /// A last page that is as long as the limit names no other behind it.
    @Test func listsTellOfMoreWhereThereIsMore() throws {
        let command = try OktaRelayCommand.parseAsRoot(["dead-letters", "list", "--limit", "2"])
        let page = try #require(command as? DeadLettersCommand.List).page
        #expect(page.request.limit == 3)
        #expect(page.size.page(of: [9, 8, 7]) == [9, 8] && page.size.page(of: [9]) == [9])
        #expect(page.size.next(after: [9, 8, 7]) == 8)
        #expect(page.size.next(after: [9, 8]) == nil)
    }

    @Test func aReplayNeedsNoVerb() throws {
        let run = try OktaRelayCommand.parseAsRoot(["replay", "--sink", "crm", "--since", "7d", "--dry-run"])
        #expect(try #require(run as? ReplayCommand.Run).dryRun)
        #expect(try OktaRelayCommand.parseAsRoot(["replay", "list"]) is ReplayCommand.List)
        let cancel = try OktaRelayCommand.parseAsRoot(["replay", "cancel", "replay-1"])
        #expect(try #require(cancel as? ReplayCommand.Cancel).id == "replay-1")
    }

    /// What they go on behind is no number.
    @Test func replaysAndAUsersHistoryHavePages() throws {
        let list = try #require(
            try OktaRelayCommand.parseAsRoot([
                "replay", "list", "--sink", "crm", "--state", "under-way", "--before", "replay-1",
                "--limit", "1000",
            ]) as? ReplayCommand.List)
        #expect(list.sink == "crm" && list.state == .underWay && list.before == "replay-1")
        #expect(list.size.limit == 1_000)
        let user = try OktaRelayCommand.parseAsRoot(["history", "--user", "u", "--before", "7.0.12"])
        #expect(try #require(user as? HistoryCommand).before == "7.0.12")
        let done = try OktaRelayCommand.parseAsRoot(["history", "--operations", "--before", "17"])
        #expect(try #require(done as? HistoryCommand).before == "17")
    }

    @Test func operatorsFiltersReachTheirCommands() throws {
        let redrive = try #require(
            try OktaRelayCommand.parseAsRoot([
                "dead-letters", "redrive", "--sink", "crm", "--type", "user.*", "--since", "2026-11-01",
                "--error", "422", "--dry-run",
            ]) as? DeadLettersCommand.Redrive)
        var body = JSONWriter()
        body.object { redrive.filter.write(to: &$0, now: 0) }
        #expect(
            body.text
                == #"{"sink":"crm","type":"user.*","error":"422","since":"2026-11-01T00:00:00.000Z"}"#)
        #expect(redrive.selection.dryRun)
        // A time is sent as it was given.
        let time = "2026-11-01T08:00:00.123456Z"
        let discard = try #require(
            try OktaRelayCommand.parseAsRoot(["dead-letters", "discard", "--until", time])
                as? DeadLettersCommand.Discard)
        var exact = JSONWriter()
        exact.object { discard.filter.write(to: &$0, now: 0) }
        #expect(exact.text == #"{"until":"\#(time)"}"#)
        let ids = try #require(
            try OktaRelayCommand.parseAsRoot(["quarantine", "resubmit", "3", "4"])
                as? QuarantineCommand.Resubmit)
        var list = JSONWriter()
        list.object { ids.selection.write(to: &$0) }
        #expect(list.text == #"{"ids":[3,4]}"#)
    }

    @Test func everyCommandsHelpHasAnExample() {
        var commands = OktaRelayCommand.configuration.subcommands
        while let command = commands.popLast() {
            #expect(command.configuration.discussion.contains("Example:"), "\(command)")
            commands.append(contentsOf: command.configuration.subcommands)
        }
    }
}
