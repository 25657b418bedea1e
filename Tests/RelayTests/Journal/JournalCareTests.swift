import Foundation
import GRDB
@testable import Relay
import RelayTesting
import Synchronization
import Testing

/// The look at a journal before it is used, and the thorough one.
@Suite struct JournalCareTests {
    let fixture: JournalFixture

    init() throws { fixture = try JournalFixture() }

    /// A closed journal with entries, a parked delivery, a dead letter and a quarantined input.
    private func make() async throws {
        let journal = try await fixture.open()
        try await journal.keep([SinkPolicy(name: "a")])
        let lease = try await journal.lease("a")
        _ = try await journal.append(try fixture.submission(0..<500, to: ["a"]))
        var unusable = try fixture.submission(500..<501, to: [])
        unusable.quarantined = [QuarantinedInput(hook: "okta", reason: "no uuid", bytes: [1], receivedAt: 1)]
        _ = try await journal.append(unusable)
        let failures = [FailedAttempt(number: 1, at: 1, reason: "HTTP 400")]
        try await journal.settle(
            Settlement(
                sink: "a", epoch: lease.epoch, cursor: Offset(rawValue: 400), outcomes: [.delivered: 398],
                parked: [
                    ParkedDelivery(
                        offset: Offset(rawValue: 300), subject: nil, failures: failures, notBefore: 0)
                ],
                deadLetters: [DeadLetter(offset: Offset(rawValue: 7), subject: nil, failures: failures)],
                states: [Subject(org: "okta", userID: "00u1"): FoldState()]))
        await journal.close()
    }

    private static let damages = [
        #"DELETE FROM bodies WHERE "offset" = 480"#,
        #"UPDATE bodies SET body = '{"uuid":' WHERE "offset" = 480"#,
        #"UPDATE bodies SET body = (SELECT body FROM bodies WHERE "offset" = 1) WHERE "offset" = 480"#,
        #"UPDATE entries SET hook_id = 99 WHERE "offset" = 480"#,
        #"UPDATE entries SET route_id = 99 WHERE "offset" = 480"#,
        "UPDATE sinks SET cursor = 502",
        "UPDATE sinks SET cursor = -1",
        "UPDATE sinks SET dead = ''",
        "UPDATE grdb_migrations SET identifier = '9' WHERE identifier = '1'",
        #"UPDATE parked SET "offset" = 999"#,
        "DROP TRIGGER dead_letters_go",
        "DROP INDEX removals_of_users",
        "ALTER TABLE sinks DROP COLUMN exempt_to",
    ]

    @Test(arguments: damages)
    func aDamagedJournalIsNotUsed(_ damage: String) async throws {
        try await make()
        try fixture.edit(damage)
        let error = await #expect(throws: JournalError.self) { _ = try await fixture.open() }
        guard case .unusable(let reason) = error else { throw try #require(error) }
        #expect(reason.contains("is damaged") && reason.contains("restore a backup"), "\(reason)")
        #expect(!reason.contains("ada@example.com"))
        // Whoever asks why is told.
        #expect(try await !fixture.verify().isSound)
    }

    /// What one part of it cannot read, the others leave out, and find what they find.
    @Test(arguments: [
        ("DROP TABLE removals", ["its table removals is missing", "its index removals_of_users is missing"]),
        ("DROP TRIGGER dead_letters_go", ["its trigger dead_letters_go is missing"]),
        ("ALTER TABLE sinks DROP COLUMN exempt_to", ["its table sinks is not as this version made it"]),
        (
            "ALTER TABLE dead_letters RENAME COLUMN failures TO tries; UPDATE user_states SET state = '['",
            [
                "its table dead_letters is not as this version made it",
                "some dead letters cannot be read: no such column: failures",
                "what is known of 1 users cannot be read",
            ]
        ),
    ])
    func verifyListsWhatAStartRefuses(_ damage: (sql: String, problems: [String])) async throws {
        try await make()
        try fixture.edit(damage.sql)
        let problems = try await fixture.verify().problems
        for problem in damage.problems {
            #expect(problems.contains { $0.hasPrefix(problem) }, "\(problem): \(problems)")
        }
    }

    /// A page that is none, of bodies or of the entries that an event is among: what lies on the others is
    /// read, and it is said once, also where the entries' offsets are far apart.
    @Test(arguments: [(nil, 1), (0, 1), (2_999, 1), (0, 100), (1_500, 100)] as [(Int?, Int)])
    func aDamagedPageIsListedAndTheRestIsRead(_ event: Int?, _ gap: Int) async throws {
        let journal = try await fixture.open()
        for first in stride(from: 0, to: 3_000, by: 500) {
            _ = try await journal.append(
                try fixture.submission(first..<first + 500, to: ["a"], bytes: 1_000))
        }
        await journal.close()
        if gap > 1 {
            let updates = ["entries", "bodies"].map {
                #"UPDATE \#($0) SET "offset" = -\#(gap) * "offset"; UPDATE \#($0) SET "offset" = -"offset";"#
            }
            try fixture.edit(updates.joined() + "VACUUM")
        }
        let file = URL(fileURLWithPath: fixture.path)
        var bytes = try Data(contentsOf: file)
        let size = JournalFile.pageBytes
        let pages = stride(from: event == nil ? bytes.count / size / 2 * size : 0, to: bytes.count, by: size)
        let page = try #require(
            pages.first { page in
                let content = bytes[page..<page + size]
                guard let event else { return content.count { $0 == UInt8(ascii: "x") } > size / 2 }
                // A leaf of a table, with the two columns side by side.
                return content.first == 13 && content.range(of: Data("event-\(event)user.".utf8)) != nil
            })
        bytes.replaceSubrange(page..<page + size, with: Data(repeating: 0xA5, count: size))
        try bytes.write(to: file)
        let found = try await fixture.verify()
        #expect(found.problems.count { $0.hasPrefix("some entries behind ") } == 1, "\(found.problems)")
        #expect(found.problems.contains { $0.contains("SQLite: ") || $0.contains("the file's structure") })
        #expect(found.entries > 1_900 && found.entries < 3_000)
    }

    @Test func aSoundJournalIsUsedAndVerified() async throws {
        try await make()
        let found = try await fixture.verify()
        #expect(found.problems == [] && found.isSound)
        #expect(found.entries == 501 && found.deadLetters == 1 && found.users == 1)
        let journal = try await fixture.open()
        #expect(try await fixture.verify().isSound, "beside a relay, too")
        await journal.close()
    }

    /// The structure of a large file takes long, and no share of it can be told.
    @Test func verifyTellsWhatItIsAt() async throws {
        try await make()
        let seen = Mutex<[JournalVerification.Stage]>([])
        _ = try await SQLiteJournalInspection(path: fixture.path).verify { stage in
            seen.withLock { $0.append(stage) }
        }
        let stages = seen.withLock { $0 }
        #expect(stages.suffix(4) == [.entries(1), .entries(1), .references, .structure])
        #expect(stages.dropLast(4).contains(.table("entries")) && stages.contains(.table("receipts")))
    }

    /// What a start does not look at.
    @Test(arguments: [
        (#"UPDATE bodies SET body = '[' WHERE "offset" = 3"#, "the body of the entry 3 is not JSON"),
        (#"DELETE FROM bodies WHERE "offset" = 3"#, "the entry 3 has no body"),
        (#"INSERT INTO bodies VALUES (9000, '{}')"#, "the body at 9000 has no entry"),
        (#"DELETE FROM entries WHERE "offset" = 3"#, "the body at 3 has no entry"),
        (#"UPDATE parked SET sink_id = 8"#, "1 rows of parked refer to what is not there"),
        (#"INSERT INTO intents VALUES (1, 8000)"#, "1 rows of intents have no entry"),
        (#"UPDATE dead_letters SET body = '{'"#, "the body of the dead letter 1 is not JSON"),
        (#"UPDATE user_states SET state = '['"#, "what is known of 1 users cannot be read"),
        (#"UPDATE sinks SET delivered = 1"#, "what waits for a: 498 by the counts, 101 are there"),
        (#"UPDATE counters SET value = 1 WHERE name = 'quarantine_bytes'"#, "bytes of the quarantine: 1"),
        (#"UPDATE dead_letters SET body = '{}'"#, "the body of the dead letter 1 is another event's"),
        (#"UPDATE dead_letters SET failures = 'garbage'"#, "the attempts of the dead letter 1 cannot"),
        (#"UPDATE parked SET failures = '[1]'"#, "the attempts of what is parked at 300 cannot be read"),
        (
            """
            INSERT INTO replays (id, sink, filter, started_at, received_from, received_until, first_offset,
                after_offset, last_offset, ended_at) VALUES ('replay-1', 'a', 'zz', 1, 1, 1, 1, 1, 1, 1)
            """,
            "the filter of replay-1 cannot be read"
        ),
        (#"UPDATE sinks SET hold = 'resting'"#, "what holds the sink a cannot be read"),
        (
            "INSERT INTO operations (id, at, command, detail, entries) VALUES (9, 1, 'sinks pause', 'zz', 0)",
            "the detail of the operation 9 cannot be read"
        ),
        (
            #"INSERT INTO receipts (sink, settled_at, "offset", outcome) VALUES ('a', 1, 1, 'zz')"#,
            "what 1 receipts tell cannot be read"
        ),
        (
            """
            INSERT INTO receipts (sink, settled_at, "offset", outcome, operation)
                VALUES ('a', 1, 1, 'delivered', 'zz'), ('a', 1, 2, 'delivered', NULL)
            """,
            "what 1 receipts tell cannot be read"
        ),
        (#"DELETE FROM counters WHERE name = 'accepted'"#, "the counter accepted is missing"),
        (#"UPDATE routes SET choices = '[' WHERE id = 2"#, "the route 2 cannot be read"),
        (#"UPDATE routes SET choices = '[1]' WHERE id = 2"#, "the route 2 cannot be read"),
        (#"UPDATE routes SET entries = entries + 1 WHERE id = 1"#, "entries: 502 by the counts, 501 are"),
        (
            "UPDATE sinks SET settled_above = '401-99999999999'",
            "the counts, or what they count, cannot be read: what the sink a has settled cannot be read"
        ),
        (
            "INSERT INTO detached VALUES (3, 'a', 1, 'age', 9, 8, 1, 1, 1)",
            "the range 3 of what was given up ends before it begins"
        ),
    ])
    func verifyFinds(_ damage: (sql: String, problem: String)) async throws {
        try await make()
        try fixture.edit(damage.sql)
        let found = try await fixture.verify()
        #expect(!found.isSound)
        #expect(found.problems.contains { $0.hasPrefix(damage.problem) }, "\(found.problems)")
    }

    /// Has a table take values that are not for it, as one damaged byte of a row's header does.
    private func force(_ update: String, on table: String) throws {
        let select = "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?"
        let form = try fixture.read { try String.fetchOne($0, sql: select, arguments: [table]) }
        let whole = try #require(form)
        // A schema that was written by hand holds from the next connection on.
        func setForm(_ form: String) throws {
            try fixture.edit(
                """
                PRAGMA writable_schema = ON;
                UPDATE sqlite_schema SET sql = '\(form.replacingOccurrences(of: "'", with: "''"))'
                    WHERE type = 'table' AND name = '\(table)'
                """)
        }
        try setForm(
            whole.replacingOccurrences(of: " NOT NULL", with: "")
                .replacingOccurrences(of: " TEXT", with: " BLOB"))
        try fixture.edit(update)
        try setForm(whole)
    }

    /// What those say who read the journal for an operator and get no answer.
    private func refusals() async throws -> [String] {
        let reading = try SQLiteJournalInspection(path: fixture.path)
        let page = PageRequest()
        func refusal(_ read: () async throws -> Void) async throws -> String? {
            do {
                try await read()
                return nil
            } catch let error as JournalError {
                return error.reason
            }
        }
        return [
            try await refusal { _ = try await reading.status() },
            try await refusal { _ = try await reading.events(EventFilter(), page) },
            try await refusal { _ = try await reading.deadLetters(DeadLetterFilter(), page) },
            try await refusal { _ = try await reading.quarantine(QuarantineFilter(), page) },
            try await refusal { _ = try await reading.detached(DetachedFilter(), page) },
            try await refusal { _ = try await reading.operations(OperationFilter(), page) },
            try await refusal { _ = try await reading.replays(ReplayListFilter(), before: nil, limit: 9) },
            try await refusal { _ = try await reading.history(HistoryFilter(user: "00u1"), limit: 9) },
            try await refusal { _ = try await reading.waiting("a") },
        ].compactMap(\.self)
    }

    private static let wrongTypes = [
        (set: "sinks.name = NULL", rows: "1", isRead: true, isRefused: true),
        (set: "sinks.name = 5", rows: "1", isRead: true, isRefused: true),
        (set: "sinks.cursor = NULL", rows: "1", isRead: true, isRefused: true),
        (set: "sinks.settled_above = NULL", rows: "1", isRead: true, isRefused: true),
        (set: "sinks.limit_counts = 1", rows: "1", isRead: false, isRefused: true),
        (set: "sinks.held_at = 'x'", rows: "1", isRead: true, isRefused: true),
        (set: "hooks.org = NULL", rows: "1", isRead: true, isRefused: true),
        (set: "routes.choices = NULL", rows: "id = 1", isRead: true, isRefused: true),
        (set: "counters.value = x'00'", rows: "name = 'accepted'", isRead: true, isRefused: true),
        (set: "parked.failures = NULL", rows: "1", isRead: false, isRefused: true),
        (set: "entries.event_id = NULL", rows: #""offset" = 3"#, isRead: false, isRefused: true),
        (set: "entries.event_type = 7", rows: #""offset" = 480"#, isRead: true, isRefused: true),
        (set: "entries.event_type = 7", rows: #""offset" = 3"#, isRead: false, isRefused: false),
        (set: "dead_letters.event_type = NULL", rows: "1", isRead: true, isRefused: false),
        (set: "quarantine.hook = NULL", rows: "1", isRead: true, isRefused: false),
        (set: "user_states.state = NULL", rows: "1", isRead: false, isRefused: false),
    ]

    /// Whoever meets such a value says what to do, and no process ends.
    @Test(arguments: wrongTypes)
    func aValueOfTheWrongTypeIsFound(
        _ damage: (set: String, rows: String, isRead: Bool, isRefused: Bool)
    ) async throws {
        try await make()
        let parts = damage.set.split(separator: ".", maxSplits: 1).map(String.init)
        let column = try #require(parts[1].split(separator: " ").first)
        try force("UPDATE \(parts[0]) SET \(parts[1]) WHERE \(damage.rows)", on: parts[0])
        let problems = try await fixture.verify().problems
        let problem = "1 values of \(parts[0]).\(column) are not of type "
        #expect(problems.contains { $0.hasPrefix(problem) }, "\(problems)")
        let refusals = try await refusals()
        #expect(!refusals.isEmpty == damage.isRead)
        for reason in refusals {
            #expect(reason.hasPrefix("the journal is damaged") && reason.contains("restore a backup"))
        }
        guard damage.isRefused else {
            let journal = try await fixture.open()
            #expect(try await journal.lease("a").cursor == Offset(rawValue: 400))
            return await journal.close()
        }
        let error = await #expect(throws: JournalError.self) { _ = try await fixture.open() }
        guard case .unusable(let reason) = error else { throw try #require(error) }
        #expect(reason.hasPrefix("the journal is damaged") && reason.contains("restore a backup"))
    }

    /// Which would take all of the memory.
    @Test func aPlaceThatNamesBillionsOfEntriesIsNotLeased() async throws {
        try await make()
        try fixture.edit("UPDATE sinks SET settled_above = '401-99999999999'")
        let journal = try await fixture.open()
        let error = await #expect(throws: JournalError.self) { _ = try await journal.lease("a") }
        #expect(error?.reason.hasPrefix("the journal is damaged: what the sink a has settled") == true)
        await journal.close()
    }

    /// Bytes of the file, as a bad disk leaves them.
    @Test func aTornFileIsRefusedOrFound() async throws {
        try await make()
        let whole = try Data(contentsOf: URL(fileURLWithPath: fixture.path))
        func write(_ data: Data) throws {
            for suffix in ["-wal", "-shm"] {
                try? FileManager.default.removeItem(atPath: fixture.path + suffix)
            }
            try data.write(to: URL(fileURLWithPath: fixture.path))
        }
        for bad in [whole.prefix(whole.count / 2), Data(repeating: 7, count: 200) + whole.dropFirst(200)] {
            try write(bad)
            let error = await #expect(throws: JournalError.self) { _ = try await fixture.open() }
            #expect(error?.reason.contains("damaged") == true, "\(error?.reason ?? "")")
        }
        // One page in the middle that is none; whatever it was, it is found.
        let page = JournalFile.pageBytes
        for number in stride(from: 2, to: whole.count / page, by: 5) {
            var torn = whole
            torn.replaceSubrange(
                number * page..<(number + 1) * page, with: Data(repeating: 0xA5, count: page))
            try write(torn)
            let found = try? await fixture.verify()
            #expect(found?.isSound != true, "page \(number + 1)")
        }
        try write(whole)
        #expect(try await fixture.verify().isSound)
    }

    /// Somebody who holds the write lock has everybody told so, and a stop waits for nobody.
    @Test func whoHoldsTheLockIsNamedAndNothingHangs() async throws {
        let journal = try await fixture.open()
        var configuration = Configuration()
        configuration.allowsUnsafeTransactions = true
        // The journal may just look for what is old.
        configuration.busyMode = .timeout(5)
        let other = try DatabaseQueue(path: fixture.path, configuration: configuration)
        try await other.writeWithoutTransaction { try $0.execute(sql: "BEGIN IMMEDIATE") }
        async let lease: JournalError? = error { _ = try await journal.lease("a") }
        async let append: JournalError? = error {
            _ = try await journal.append(try fixture.submission(0..<1, to: ["a"]))
        }
        for error in await [lease, append] {
            #expect(error?.reason.contains("another process holds the journal's write lock") == true)
        }
        try await other.writeWithoutTransaction { try $0.execute(sql: "ROLLBACK") }
        _ = try await journal.append(try fixture.submission(0..<1, to: ["a"]))
        await journal.close()
    }

    private func error(_ body: () async throws -> Void) async -> JournalError? {
        do {
            try await body()
            return nil
        } catch {
            return error as? JournalError
        }
    }
}
