import ArgumentParser
import Config
import JSON
import Relay
import RelayTesting
import Rules
import Testing

@testable import OktaRelay

/// `explain --journal`: today's rules against what a real journal holds.
@Suite struct RouteComparisonTests {
    private static let hooks = [HookConfiguration(name: "okta", path: "/", secrets: [])]

    private static func rule(_ name: String, _ events: String, _ sinks: String...) -> Rule {
        Rule(name: name, events: [EventTypePattern(events)], sinks: sinks)
    }

    /// Six creations, four deactivations, routed by the table of the past.
    private func filledJournal(_ path: String, past: RuleTable) async throws {
        let journal = try await SQLiteJournal(path: path, retention: .seconds(86_400), clock: SystemClock())
        var events: [Submission.RoutedEvent] = []
        for index in 0..<10 {
            let type = index < 6 ? "user.lifecycle.create" : "user.lifecycle.deactivate"
            let event = try LogEventFixture(uuid: "e\(index)", type: type, userID: "00u\(index)")
                .event(receivedAt: Int64(index) * 1_000)
            events.append(
                Submission.RoutedEvent(
                    event: event, route: past.route(event.routingFacts, event: event.body.root)))
        }
        _ = try await journal.append(Submission(events: events))
        await journal.close()
    }

    private func compare(
        _ table: RuleTable, past: RuleTable, since: Int64 = 0
    ) async throws -> RouteComparison {
        let folder = try TemporaryFolder()
        let path = folder.file("journal.sqlite")
        try await filledJournal(path, past: past)
        return try await ExplainCommand.compare(
            RouteComparison(table, Self.hooks), with: SQLiteJournalInspection(path: path), since: since)
    }

    @Test func countsWhatIsNewMovedAndGone() async throws {
        let past = RuleTable([Self.rule("all", "user.*", "sql"), Self.rule("chat", "*.create", "chat")])
        let today = RuleTable([
            Self.rule("joiners", "user.lifecycle.create", "sql"),
            Self.rule("leavers", "user.lifecycle.deactivate", "sql", "crm"),
        ])
        let found = try await compare(today, past: past)
        typealias Change = RouteComparison.Change
        #expect(found.events == 10)
        #expect(
            found.changes == [
                .init(rule: "joiners", sink: "sql"): Change(moved: 6),
                .init(rule: "leavers", sink: "sql"): Change(moved: 4),
                .init(rule: "leavers", sink: "crm"): Change(new: 4, newIDs: ["e6", "e7", "e8", "e9"]),
                .init(rule: "chat", sink: "chat"): Change(gone: 6, goneIDs: ["e0", "e1", "e2", "e3", "e4"]),
            ])
        #expect(found.rows(rule: nil).map(\.pair.rule) == ["joiners", "leavers", "leavers", "chat"])
        #expect(found.rows(rule: "chat").count == 1)
        #expect(found.text(rule: nil).contains("no longer, chat > chat:\n  e0"))
        #expect(!found.text(rule: nil).contains("@example.com"))
        var writer = JSONWriter()
        writer.object { found.write(to: &$0, rule: "chat") }
        #expect(writer.text.contains(#""noLonger":6"#))
    }

    @Test func looksAtEventsSinceAnInstantOnly() async throws {
        let table = RuleTable([Self.rule("all", "user.*", "sql")])
        let found = try await compare(table, past: table, since: 4_000)
        #expect(found.changes == [.init(rule: "all", sink: "sql"): RouteComparison.Change(same: 6)])
    }

    @Test func theBarTellsTheShare() {
        #expect(ProgressBar.text("comparing", 50) == "comparing [###############...............] 50 %")
        #expect(ProgressBar.text("x", 100).filter { $0 == "#" }.count == 30)
        #expect(ProgressBar.text("x", 0).filter { $0 == "." }.count == 30)
    }

    @Test(arguments: [
        ["explain", "--journal", "event.json"], ["explain", "event.json", "--since", "7d"],
        ["explain", "--journal", "--since", "a week"], ["explain", "--journal", "--hook", "okta"],
    ])
    func wrongCallsAreUsageErrors(_ arguments: [String]) {
        #expect(throws: (any Error).self) { try OktaRelayCommand.parseAsRoot(arguments) }
    }
}
