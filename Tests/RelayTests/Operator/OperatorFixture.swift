import Config
import GRDB
import JSON
import RelayTesting
import Rules
import Synchronization
import Testing

@testable import Relay

/// A journal on disk with an operator's hands on it, and no relay around; it is closed with the fixture.
final class OperatorFixture: Sendable {
    let folder: TemporaryFolder
    let clock: ManualClock
    let journal: SQLiteJournal
    let inspection: SQLiteJournalInspection
    let hands: Operator
    let restarts: Restarts

    /// Which sinks' workers were told to go on.
    final class Restarts: Sendable {
        private let names = Mutex<[String]>([])
        private let finishing = Mutex<[String]>([])

        var all: [String] { names.withLock { $0 } }
        func add(_ more: [String]) -> [String] {
            names.withLock { $0 += more }
            return finishing.withLock { $0 }.filter(more.contains)
        }

        /// What is in flight at this sink is not finished in time.
        func hang(_ sink: String) { finishing.withLock { $0.append(sink) } }
    }

    static let minute: Int64 = 60_000_000_000

    init(
        in folder: TemporaryFolder? = nil, settings: OperatorSettings = OperatorFixture.settings(),
        clock: ManualClock = ManualClock(), sizeMax: Int? = nil
    ) async throws {
        self.folder = try folder ?? TemporaryFolder()
        self.clock = clock
        let path = self.folder.file("journal.sqlite")
        let year = Duration.seconds(86_400 * 365)
        let limits = JournalConfiguration(
            path: path, retention: year, sizeMax: sizeMax ?? Limits.journalSizeDefault,
            receipts: max(year, Limits.receiptsDefault))
        journal = try await SQLiteJournal(limits, clock: clock)
        inspection = try SQLiteJournalInspection(path: path, sizeMax: sizeMax)
        let restarts = Restarts()
        self.restarts = restarts
        hands = Operator(
            journal: journal, inspection: inspection, settings: settings, clock: clock, logger: .quiet,
            restart: { restarts.add($0) })
    }

    // An open journal is a thread and half a dozen descriptors.
    deinit { Task { [journal] in await journal.close() } }

    /// One hook `okta`, and a rule that sends lifecycle events to `crm`.
    static func settings(
        accepts: [String]? = nil, rules: [Rule]? = nil,
        sinks: [String: Bool] = ["crm": true, "audit": true], from: PointInTime? = nil
    ) -> OperatorSettings {
        let hook = HookConfiguration(
            name: "okta", path: "/", secrets: [Secret("s")],
            events: accepts.map { $0.map { EventTypePattern($0) } })
        let rules =
            rules ?? [Rule(name: "staff", events: [EventTypePattern("user.lifecycle.*")], sinks: ["crm"])]
        return OperatorSettings(
            hooks: [hook], rules: RuleTable(rules, for: sinks.filter(\.value).map(\.key)),
            sinks: sinks.map { name, isEnabled in
                SinkConfiguration(
                    name: name, isEnabled: isEnabled, from: from,
                    kind: .sqlite(SQLiteSinkConfiguration(path: "/", table: TableConfiguration(name: "t"))))
            })
    }

    // MARK: - What came in

    static func event(
        _ number: Int, type: String = "user.lifecycle.create", user: String? = nil, receivedAt: Int64
    ) throws -> Event {
        try LogEventFixture(uuid: "event-\(number)", type: type, userID: user ?? "user-\(number)").event(
            receivedAt: receivedAt)
    }

    /// Events a minute apart, from the clock's time on, which moves along.
    func append(
        _ numbers: some Sequence<Int>, to sinks: [String] = ["crm"], type: String = "user.lifecycle.create",
        user: String? = nil
    ) async throws {
        let route = Route(choices: sinks.map { Route.Choice(sink: $0, rule: "staff") })
        for number in numbers {
            clock.advance(by: .seconds(60))
            let event = try Self.event(number, type: type, user: user, receivedAt: clock.now)
            _ = try await journal.append(
                Submission(events: [Submission.RoutedEvent(event: event, route: route)]))
        }
    }

    /// Ten events for `crm`: 1 is done, 3 is done out of order, 2 is parked, 4 to 10 wait behind the cursor.
    ///
    /// - Returns: The lease that they were settled by.
    @discardableResult
    func appendTen() async throws -> SinkLease {
        let lease = try await journal.lease("crm")
        try await append(1...10)
        try await journal.settle(
            Settlement(
                sink: "crm", epoch: lease.epoch, cursor: Offset(rawValue: 3), outcomes: [.delivered: 2],
                parked: [
                    ParkedDelivery(offset: Offset(rawValue: 2), subject: nil, failures: [], notBefore: 0)
                ]))
        return lease
    }

    /// The limits of `crm` stop it where it is.
    func trip() async throws {
        let lease = try await journal.lease("crm")
        try await journal.settle(
            Settlement(
                sink: "crm", epoch: lease.epoch, cursor: lease.cursor,
                hold: SinkHold(kind: .tripped, reason: "too many", since: clock.now),
                limitCounts: "3 of 3"))
    }

    /// Leases a sink, and settles all that waits for it as dead letters.
    func bury(_ sink: String = "crm", reason: String = "HTTP 422") async throws {
        let lease = try await journal.lease(sink)
        let entries = try await entries(sink, after: lease.cursor)
        try await journal.settle(
            Settlement(
                sink: sink, epoch: lease.epoch, cursor: entries.last?.offset ?? lease.cursor,
                deadLetters: entries.map { entry in
                    DeadLetter(
                        offset: entry.offset, subject: entry.event.subject,
                        failures: [
                            FailedAttempt(
                                number: 1, at: clock.now, reason: reason, took: .milliseconds(250))
                        ])
                }))
    }

    /// Everything behind an offset that is routed to a sink.
    func entries(_ sink: String = "crm", after offset: Offset = .zero) async throws -> [JournalEntry] {
        try await journal.read(sink, after: offset, limit: ReadLimit(entries: 100_000, bytes: 1 << 30))
            .entries
    }

    // MARK: - Looking

    func sink(_ name: String = "crm") async throws -> SinkStatus {
        try #require(try await inspection.status().sinks.first { $0.name == name })
    }

    func letters() async throws -> [DeadLetterRecord] {
        try await inspection.deadLetters(DeadLetterFilter(), PageRequest(limit: 1_000))
    }

    /// A journal of that many entries for `crm`, which has none of them; made past the journal, which would
    /// take its time.
    static func long(_ count: Int) async throws -> OperatorFixture {
        let first = try await OperatorFixture()
        _ = try await first.journal.lease("crm")
        try await first.append(1...1)
        await first.journal.close()
        // The newest must have their bodies, or the journal is not opened.
        try first.execute(
            """
            INSERT INTO entries
                WITH RECURSIVE more (place) AS (
                    SELECT 2 UNION ALL SELECT place + 1 FROM more WHERE place < \(count))
                SELECT place, received_at, hook_id, route_id, event_id, event_type, envelope_id, replay
                FROM more, entries;
            INSERT INTO bodies
                SELECT entries."offset", body FROM entries, bodies
                WHERE entries."offset" > max(1, \(count) - 20000);
            UPDATE routes SET entries = \(count)
            """)
        return try await OperatorFixture(in: first.folder, clock: first.clock)
    }

    func verify() async throws -> JournalVerification { try await inspection.verify { _ in } }

    /// Runs SQL on the file, as nothing of the relay's does.
    func execute(_ sql: String) throws {
        var configuration = Configuration()
        configuration.busyMode = .timeout(5)
        try DatabaseQueue(path: folder.file("journal.sqlite"), configuration: configuration)
            .write { try $0.execute(sql: sql) }
    }

    func rows(_ sql: String) throws -> [[String]] {
        var configuration = Configuration()
        configuration.readonly = true
        return try DatabaseQueue(path: folder.file("journal.sqlite"), configuration: configuration).read {
            try Row.fetchAll($0, sql: sql).map { row in
                row.databaseValues.map { value in
                    String.fromDatabaseValue(value) ?? Int64.fromDatabaseValue(value).map(String.init) ?? "-"
                }
            }
        }
    }

    // MARK: - Asking

    /// Asks as a command does.
    func ask(
        _ path: String, _ body: String = "{}", method: String = "POST"
    ) async throws -> (status: Int, json: JSONValue) {
        let answer = await OperatorAPI(hands).answer(method, path, body: Array(body.utf8))
        return (answer.status, try JSONDocument(answer.body).root)
    }

    /// Takes all steps of a long operation; what they did together.
    func askAll(_ path: String, _ members: String) async throws -> (done: Int, kept: Int, steps: Int) {
        var (done, kept, steps) = (0, 0, 0)
        var next = ""
        while true {
            let answer = try await ask(path, "{\(members)\(next)}")
            try #require(answer.status == 200, "\(String(decoding: answer.json.raw, as: UTF8.self))")
            steps += 1
            done += answer.json["done"]?.int ?? 0
            kept += answer.json["kept"]?.elements.reduce(0) { $0 + ($1["count"]?.int ?? 0) } ?? 0
            guard let position = answer.json["next"], !position.isNull else { return (done, kept, steps) }
            next = "," + String(decoding: position.raw.dropFirst().dropLast(), as: UTF8.self)
        }
    }
}

extension RuleTable {
    /// The table without the sinks that are disabled.
    fileprivate init(_ rules: [Rule], for enabled: [String]) {
        self.init(
            rules.map { rule in
                var rule = rule
                rule.sinks.removeAll { !enabled.contains($0) }
                return rule
            })
    }
}
