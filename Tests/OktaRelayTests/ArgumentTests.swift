import ArgumentParser
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
        #expect(list.sink == "crm")
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
    ])
    func wrongCallsAreUsageErrors(_ arguments: [String]) {
        let error = #expect(throws: (any Error).self) { try OktaRelayCommand.parseAsRoot(arguments) }
        guard let error else { return }
        #expect(OktaRelayCommand.exitCode(for: error) == .validationFailure)
    }

    @Test func everyCommandsHelpHasAnExample() {
        var commands = OktaRelayCommand.configuration.subcommands
        while let command = commands.popLast() {
            #expect(command.configuration.discussion.contains("Example:"), "\(command)")
            commands.append(contentsOf: command.configuration.subcommands)
        }
    }
}
