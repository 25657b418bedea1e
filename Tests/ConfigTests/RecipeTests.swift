import Config
import Foundation
import JSON
import Testing

/// The rules that `docs/RULES.md` recommends are rules.
@Suite struct RecipeTests {
    private static func recipes() throws -> [String] {
        let package = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let text = try String(contentsOf: package.appending(path: "docs/RULES.md"), encoding: .utf8)
        let section = text.components(separatedBy: "\n## ").first { $0.hasPrefix("3. Recipes") } ?? ""
        return section.components(separatedBy: "```").enumerated()
            .filter { $0.offset % 2 == 1 && $0.element.hasPrefix("json\n") }
            .map { String($0.element.dropFirst(5)) }
    }

    @Test func everyRecipeLoadsWithoutAWarning() throws {
        let recipes = try Self.recipes()
        #expect(recipes.count >= 5)
        for (index, recipe) in recipes.enumerated() {
            let rule = "{\"name\": \"recipe\", " + recipe.drop { $0 != "{" }.dropFirst()
            let sinks = """
                {"users": {"type": "sqlite", "path": "u.sqlite", "table": "users"},
                 "memberships": {"type": "sqlite", "path": "u.sqlite", "table": "memberships",
                   "columns": {"user": "{{ $.user.id }}", "team": "{{ $.group.id }}"},
                   "key": ["user", "team"],
                   "operations": {"group.user_membership.add": "create",
                                  "group.user_membership.remove": "delete"}},
                 "crm": {"type": "http", "url": "https://crm.example.com/u/{{ $.user.id }}"}}
                """
            let others = """
                {"name": "all", "events": ["user.*"], "sinks": ["users", "crm"]},
                {"name": "members", "sinks": ["memberships"],
                 "events": ["group.user_membership.*", "user.lifecycle.delete.initiated"]}
                """
            let outcome = Fixture.load(Fixture.minimal(sinks: sinks, rules: "[\(rule), \(others)]"))
            #expect(outcome.configuration != nil, "recipe \(index): \(outcome.issues)")
            #expect(outcome.issues.isEmpty, "recipe \(index): \(outcome.issues)")
        }
    }
}
