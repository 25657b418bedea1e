import Foundation
import JSON
import RelayTesting
import Testing

/// The commands, as a person calls them.
@Suite(.timeLimit(.minutes(2))) struct CommandTests {
    /// Ten mistakes, each on a line of its own, which its text names.
    private static let mistakes: [(line: String, part: String)] = [
        (#"{ "server": { "listen": "127.0.0.1:8080", "#, ""),
        (#""maxBody": "16MB" },"#, "/server/maxBody"),
        (#""admin": { "listen": "127.0.0.1:8081","#, ""),
        (#""token": "${env:E2E_NOBODY_SETS_THIS}" },"#, "/admin/token"),
        (#""hooks": [ { "name": "okta","#, ""),
        (#""path": "okta/events","#, "/hooks/0/path"),
        (#""secret": ["0123456789abcdef"],"#, "/hooks/0/secret"),
        (#""secrets": ["0123456789abcdef"] } ],"#, ""),
        (#""journal": { "path": "journal.sqlite","#, ""),
        (#""retention": "30 days" },"#, "/journal/retention"),
        (#""sinks": { "users": { "type": "sqlite", "table": "users", "path": "users.sqlite","#, ""),
        (#""mode": "apend" },"#, "/sinks/users/mode"),
        (#""crm": { "type": "http", "url": "https://crm.example.com/{{ $.user.id }}","#, ""),
        (#""concurrency": 0,"#, "/sinks/crm/concurrency"),
        (#""body": { "name": "{{ $.user.displayName | uper }}" } } },"#, "/sinks/crm/body/name"),
        (#""rules": [ { "name": "a", "events": ["user.lifecycle.create"],"#, ""),
        (#""where": { "target": { "type": "User" } },"#, "/rules/0/where"),
        (#""sinks": ["users", "crn"] } ]"#, "/rules/0/sinks/1"),
        ("}", ""),
    ]

    @Test func checkReportsTenMistakesEachAtItsLine() async throws {
        let folder = try TemporaryFolder()
        let text = Self.mistakes.map(\.line).joined(separator: "\n")
        try Data(text.utf8).write(to: URL(fileURLWithPath: folder.file("sinks.json")))
        let outcome = try await RelayBinary.run(["check"], in: folder.path)
        #expect(outcome.status == 1)
        let errors = outcome.output.split(separator: "\n").filter { $0.contains(": error: ") }
        #expect(errors.count == 10, "\(outcome.output)")
        for (index, mistake) in Self.mistakes.enumerated() where !mistake.part.isEmpty {
            let place = "sinks.json:\(index + 1):"
            let isThere = errors.contains { $0.hasPrefix(place) && $0.contains(": \(mistake.part)") }
            #expect(isThere, "\(place) \(mistake.part) is not in:\n\(outcome.output)")
        }
        // A relay refuses such a file as well, with the same words.
        let serve = try await RelayBinary.run(["serve"], in: folder.path)
        #expect(serve.status == 1)
        #expect(errors.allSatisfy { serve.errors.contains($0) })
    }

    private func exampleSetup() throws -> RelaySetup {
        try RelaySetup(
            sinks: Destinations.sqlite,
            rules: """
                { "name": "staff", "events": ["user.lifecycle.*"],
                  "where": { "target": { "alternateId": [ { "suffix": "@example.com" } ] } },
                  "sinks": ["users", "audit"] }
                """)
    }

    @Test func explainTellsWhichRuleAnEventMatchesAndWhyNot() async throws {
        let setup = try exampleSetup()
        let type = "user.lifecycle.create"
        let staff = LogEventFixture(uuid: "1", type: type)
        let guest = LogEventFixture(uuid: "2", type: type, login: "eve@elsewhere.example")
        let file = setup.folder.file("events.json")
        try Data(RelaySetup.envelope([staff.json, guest.json])).write(to: URL(fileURLWithPath: file))
        let explained = try await setup.json("explain", file)
        let events = explained.elements.map { $0 }
        #expect(events.map { $0["sinks"]?.elements.map { $0["sink"]?.string } } == [["users", "audit"], []])
        #expect(events[1]["rules"]?.elements.map { $0["why"]?.string?.contains("alternateId") } == [true])
        #expect(try await setup.run("explain", file).output.contains("goes nowhere"))
    }

    @Test func testRunsCasesAndFailsWithTheLine() async throws {
        let setup = try exampleSetup()
        let event = String(
            decoding: LogEventFixture(uuid: "1", type: "user.lifecycle.create").json, as: UTF8.self)
        let cases = """
            {"id":"staff","event":\(event),"sinks":["users","audit"]}
            {"id":"wrong","event":\(event),"sinks":["crm"]}
            """
        let file = setup.folder.file("cases.jsonl")
        try Data(cases.utf8).write(to: URL(fileURLWithPath: file))
        let outcome = try await setup.run("test", file)
        #expect(outcome.status == 1)
        #expect(outcome.output.contains("\(file):2: wrong: "))
        #expect(outcome.output.contains("1 passed, 1 failed"))
    }

    /// A CI machine has the config and none of what it refers to.
    @Test func testNeedsNoSecrets() async throws {
        let folder = try TemporaryFolder()
        let config = """
            { "admin": { "token": "${file:admin.token}" },
              "hooks": [ { "name": "okta", "path": "/okta", "secrets": ["${env:E2E_NOBODY_SETS_THIS}"] } ],
              "sinks": {
                "warehouse": { "type": "postgresql", "url": "${env:E2E_NOBODY_SETS_THIS}", "table": "users" },
                "crm": { "type": "http", "url": "${env:E2E_NOBODY_SETS_THIS}/contacts/{{ $.user.id }}",
                         "auth": { "bearer": "${env:E2E_NOBODY_SETS_THIS}" } } },
              "rules": [ { "name": "all", "events": ["user.lifecycle.*"], "sinks": ["warehouse", "crm"] } ] }
            """
        try Data(config.utf8).write(to: URL(fileURLWithPath: folder.file("sinks.json")))
        let event = String(
            decoding: LogEventFixture(uuid: "1", type: "user.lifecycle.create").json, as: UTF8.self)
        let line = #"{"id":"all","event":\#(event),"sinks":["warehouse","crm"]}"#
        try Data(line.utf8).write(to: URL(fileURLWithPath: folder.file("cases.jsonl")))
        let outcome = try await RelayBinary.run(["test", "cases.jsonl"], in: folder.path)
        #expect(outcome.status == 0, "\(outcome.output) \(outcome.errors)")
        #expect(try await RelayBinary.run(["check"], in: folder.path).status == 1)
    }

    @Test func schemaPrintsTheSchemaAndATablesSQL() async throws {
        let setup = try exampleSetup()
        let schema = try await RelayBinary.run(["schema"], in: setup.folder.path)
        #expect(schema.status == 0)
        #expect(try JSONDocument(Array(schema.output.utf8)).root["properties"]?["sinks"] != nil)
        let sql = try await setup.run("schema", "--sql", "users")
        #expect(sql.status == 0)
        #expect(sql.output.contains("CREATE TABLE") && sql.output.contains("\"users_relay\""))
    }

    @Test func simulatePlaysOktaAgainstTheRelay() async throws {
        let setup = try exampleSetup()
        let unheard = try await setup.run("simulate", "--events", "3")
        #expect(unheard.status == 1)
        let relay = try await setup.start()
        let report = try await setup.json(
            "simulate", "--events", "120", "--users", "9", "--batch", "4", "--seed", "3")
        #expect(report["verified"]?.bool == true)
        #expect(report["acknowledgedEvents"]?.int == 120)
        try await setup.waitUntilSettled()
        let status = try await setup.json("status")
        #expect(status["isRunning"]?.bool == true)
        #expect(status.events("accepted") == 120)
        #expect(await relay.stop() == 0)
        let stopped = try await setup.json("status")
        #expect(stopped["isRunning"]?.bool == false)
        #expect(stopped.events("accepted") == 120)
    }

    @Test func twoRelaysOnOneJournalAreRefused() async throws {
        let setup = try exampleSetup()
        let relay = try await setup.start()
        let second = try await setup.run("serve")
        #expect(second.status == 2, "\(second.errors)")
        #expect(second.errors.contains("journal"))
        #expect(try await setup.post(RelaySetup.envelope([LogEventFixture(uuid: "1").json])) == 200)
        #expect(await relay.stop() == 0)
    }
}
