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
        // The events are of 1970.
        let retention = Duration.seconds(100 * 366 * 86_400)
        let journal = try await SQLiteJournal(path: path, retention: retention, clock: SystemClock())
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
        _ table: RuleTable, past: RuleTable, since: Int64 = 0, disabled: Set<String> = [],
        rule: String? = nil
    ) async throws -> RouteComparison {
        let folder = try TemporaryFolder()
        let path = folder.file("journal.sqlite")
        try await filledJournal(path, past: past)
        return try await ExplainCommand.compare(
            RouteComparison(table, Self.hooks, disabled: disabled, rule: rule),
            with: SQLiteJournalInspection(path: path), since: since)
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
                .init(rule: "all", sink: "sql"): Change(lost: 10),
                .init(rule: "chat", sink: "chat"): Change(gone: 6, goneIDs: ["e0", "e1", "e2", "e3", "e4"]),
            ])
        #expect(found.rows().map(\.pair.rule) == ["joiners", "leavers", "leavers", "all", "chat"])
        #expect(found.text.contains("no longer, chat > chat:\n  e0"))
        #expect(!found.text.contains("@example.com"))
        let ofOne = try await compare(today, past: past, rule: "chat")
        #expect(ofOne.rows().count == 1)
        var writer = JSONWriter()
        writer.object { ofOne.write(to: &$0) }
        #expect(writer.text.contains(#""noLonger":6"#))
    }

    /// What a rule matches shows, also where another rule takes the event.
    @Test func tellsWhatOneRuleMatchesWhereverItGoes() async throws {
        let past = RuleTable([Self.rule("R", "user.*", "sql"), Self.rule("late", "user.*", "crm")])
        let today = RuleTable([
            Self.rule("R", "*.create", "sql"), Self.rule("first", "user.*", "crm"),
            Self.rule("late", "*.deactivate", "crm"), Self.rule("new", "*.deactivate", "crm"),
        ])
        func matches(_ rule: String) async throws -> (text: String, json: String) {
            let found = try await compare(today, past: past, rule: rule)
            var writer = JSONWriter()
            writer.object { found.write(to: &$0) }
            return (found.text, writer.text)
        }
        let narrowed = try await matches("R")
        #expect(narrowed.text.contains("R matches 6 events: 6 as before, 0 newly; 4 no longer"))
        #expect(narrowed.text.contains("no longer matched:\n  e6\n  e7\n  e8\n  e9"))
        let shadowed = try await matches("new")
        #expect(shadowed.text.contains("new matches 4 events: 0 as before, 4 newly; 0 no longer"))
        #expect(shadowed.text.contains("4 of them go nowhere by it"))
        #expect(shadowed.json.contains(#""new":4,"noLonger":0,"shadowed":4"#))
        let moved = try await matches("late")
        #expect(moved.text.contains("late matches 4 events: 4 as before, 0 newly; 6 no longer"))
        #expect(moved.json.contains(#""movedAway":10,"noLonger":0"#))
        #expect(try await matches("gone").text.contains("gone matches 0 events"))
    }

    @Test func disabledSinksAreShownAndMarked() async throws {
        let table = RuleTable([Self.rule("all", "user.*", "sql", "later")])
        let past = RuleTable([Self.rule("all", "user.*", "sql")])
        let found = try await compare(table, past: past, disabled: ["later"])
        let lines = found.text.split(separator: "\n")
        let row = try #require(lines.first { $0.hasPrefix("all   later") })
        #expect(row.hasSuffix("disabled: gets nothing yet"))
        #expect(found.changes[.init(rule: "all", sink: "later")]?.new == 10)
        var writer = JSONWriter()
        writer.object { found.write(to: &$0) }
        #expect(writer.text.contains(#""sink":"later","enabled":false"#))
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
