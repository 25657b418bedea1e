import Config
import Foundation
import GRDB
import JSON
@testable import Relay
import RelayTesting
import Rules
import Testing

/// Retention, on a clock that the test moves.
@Suite struct JournalRetentionTests {
    let folder: TemporaryFolder
    let path: String
    let clock = ManualClock()
    let day = Duration.seconds(86_400)

    /// Waits for the journal's own transactions.
    var patient: Configuration {
        var configuration = Configuration()
        configuration.busyMode = .timeout(5)
        return configuration
    }

    init() throws {
        folder = try TemporaryFolder()
        path = folder.file("journal.sqlite")
    }

    func open() async throws -> SQLiteJournal {
        try await SQLiteJournal(path: path, retention: .seconds(30 * 86_400), clock: clock)
    }

    func submission(_ ids: Range<Int>, sinks: [String] = ["a"]) throws -> Submission {
        let route = Route(choices: sinks.map { Route.Choice(sink: $0, rule: "r") })
        return Submission(
            events: try ids.map {
                let fixture = LogEventFixture(uuid: "event-\($0)")
                return Submission.RoutedEvent(event: try fixture.event(receivedAt: clock.now), route: route)
            }
        )
    }

    func kept() throws -> [Int64] {
        let queue = try DatabaseQueue(path: path)
        return try queue.read { try Int64.fetchAll($0, sql: #"SELECT "offset" FROM bodies ORDER BY 1"#) }
    }

    /// A command that only counts, where no relay runs, deletes nothing.
    @Test func aJournalThatRetainsNothingByItselfKeepsAll() async throws {
        let limits = JournalConfiguration(path: path, retention: .seconds(86_400 * 30))
        let journal = try await SQLiteJournal(limits, clock: clock, retains: false)
        _ = try await journal.append(try submission(0..<5, sinks: []))
        clock.advance(by: day * 31)
        for _ in 0..<3 { #expect(try await journal.committer.commit { $0.idleStep() } == false) }
        #expect(try kept().count == 5)
        await journal.close()
        let relay = try await open()
        _ = try await relay.retain()
        #expect(try kept() == [5])
        await relay.close()
    }

    @Test func whatEverySinkHasSettledGoesAndTheRestStays() async throws {
        let journal = try await open()
        let a = try await journal.lease("a")
        _ = try await journal.lease("b")
        _ = try await journal.append(try submission(0..<1_200))
        _ = try await journal.append(try submission(1_200..<1_203, sinks: ["a", "b"]))
        _ = try await journal.append(try submission(1_203..<1_206, sinks: []))
        let failures = [FailedAttempt(number: 1, at: 1, reason: "HTTP 400")]
        try await journal.settle(
            Settlement(
                sink: "a", epoch: a.epoch, cursor: Offset(rawValue: 1_206),
                parked: [
                    ParkedDelivery(
                        offset: Offset(rawValue: 5), subject: nil, failures: failures, notBefore: 0)
                ],
                deadLetters: [DeadLetter(offset: Offset(rawValue: 7), subject: nil, failures: failures)])
        )
        #expect(try await journal.retain() == JournalRetention.Counts())
        clock.advance(by: day * 31)
        let deleted = try await journal.retain()
        // 5 is parked, 1201 to 1203 are b's, and 1206 is the newest; 7 is a dead letter with its own copy.
        #expect(try kept() == [5, 1_201, 1_202, 1_203, 1_206])
        #expect(deleted.entries == 1_201)
        let letter = try await SQLiteJournalInspection(path: path).deadLetter(id: 1)
        #expect(letter?.eventID == "event-6")
        #expect(letter?.rule == "r")
        #expect(letter?.body == (try LogEventFixture(uuid: "event-6").event().body.bytes))
        await journal.close()
    }

    @Test func offsetsAndDuplicatesGoOnAfterARestart() async throws {
        let first = try await open()
        _ = try await first.append(try submission(0..<100, sinks: []))
        clock.advance(by: day * 20)
        _ = try await first.append(try submission(100..<200, sinks: []))
        clock.advance(by: day * 15)
        #expect(try await first.retain().entries == 100)
        await first.close()
        let second = try await open()
        let again = try submission(100..<205, sinks: [])
        #expect(try await second.append(again).duplicates == 100)
        #expect(try kept().last == 205)
        await second.close()
    }

    /// What is known is frozen before anything has come since the start.
    @Test func duplicatesOfBeforeARestartAreKnownWhenTheOldGo() async throws {
        let first = try await open()
        _ = try await first.append(try submission(0..<5, sinks: []))
        clock.advance(by: day * 20)
        let young = try submission(5..<20, sinks: [])
        _ = try await first.append(young)
        await first.close()
        clock.advance(by: day * 11)
        let second = try await open()
        _ = try await second.retain()
        #expect(try kept().count == 15)
        #expect(try await second.append(young).duplicates == 15)
        await second.close()
    }

    /// A filter that means few of many dead letters must not have the writer look at all of them at once.
    @Test func anOperationOnDeadLettersLooksAtAFewInEachStep() async throws {
        let journal = try await open()
        let a = try await journal.lease("a")
        let count = 4_500
        _ = try await journal.append(try submission(0..<count))
        let failures = [FailedAttempt(number: 1, at: 1, reason: "HTTP 400")]
        let letters = (1...count).map { number in
            let subject = Subject(org: "o", userID: number == count ? "last" : "u\(number)")
            return DeadLetter(offset: Offset(rawValue: Int64(number)), subject: subject, failures: failures)
        }
        try await journal.settle(
            Settlement(
                sink: "a", epoch: a.epoch, cursor: Offset(rawValue: Int64(count)), deadLetters: letters))
        for isDryRun in [true, false] {
            var steps = 0
            var (done, position) = (0, OperationStep.Position?.none)
            repeat {
                let report = try await journal.discard(
                    DeadLetterFilter(user: "last"), OperationStep(position: position, isDryRun: isDryRun))
                #expect(position == nil || report.done + (report.next?.remaining ?? 0) == 1)
                (steps, done, position) = (steps + 1, done + report.done, report.next)
            } while position != nil
            #expect(done == 1 && steps == 3)
        }
        let all = OperationStep.Position(after: 9_999, through: .max, remaining: 0, operation: nil)
        let none = try await journal.discard(
            DeadLetterFilter(user: "last"), OperationStep(position: all, isDryRun: true))
        #expect(none == StepReport())
        await journal.close()
    }

    @Test func pagesAndTheLogAreGivenBack() async throws {
        let journal = try await open()
        var padded = LogEventFixture(uuid: "padded")
        padded.displayName = String(repeating: "x", count: 60_000)
        for number in 0..<25 {
            let events = try (0..<10).map { index in
                padded.uuid = "padded-\(number)-\(index)"
                return Submission.RoutedEvent(
                    event: try padded.event(receivedAt: clock.now), route: Route(choices: []))
            }
            _ = try await journal.append(Submission(events: events))
        }
        clock.advance(by: day * 31)
        let deleted = try await journal.retain()
        #expect(deleted.entries == 249 && deleted.pages > 500)
        func size(_ suffix: String) -> Int { JournalSpace.bytes(ofFile: path + suffix) }
        // The log is cut on another thread.
        for _ in 0..<2_000 where size("-wal") > 0 { try await SystemClock().sleep(for: .milliseconds(2)) }
        #expect(size("") < 8 * 1024 * 1024 && size("-wal") == 0)
        await journal.close()
    }

    /// An event whose insert failed must not be taken for a duplicate when it comes again.
    @Test func anEventThatCouldNotBeStoredIsNotRemembered() async throws {
        let journal = try await open()
        let queue = try DatabaseQueue(path: path, configuration: patient)
        let trigger = """
            CREATE TRIGGER refuse BEFORE INSERT ON bodies WHEN new."offset" = 2
            BEGIN SELECT raise(ABORT, 'no'); END
            """
        try await queue.write { try $0.execute(sql: trigger) }
        let events = try submission(0..<3)
        await #expect(throws: JournalError.self) { try await journal.append(events) }
        try await queue.write { try $0.execute(sql: "DROP TRIGGER refuse") }
        #expect(try await journal.append(events).accepted == 3)
        await journal.close()
    }

    /// Offsets of a rollback are used again after a restart; a sink must not have been leased behind them.
    @Test func aLeaseAfterARollbackMissesNothing() async throws {
        let first = try await open()
        let queue = try DatabaseQueue(path: path, configuration: patient)
        let trigger = "CREATE TRIGGER refuse BEFORE INSERT ON quarantine BEGIN SELECT raise(ABORT, 'no'); END"
        try await queue.write { try $0.execute(sql: trigger) }
        var refused = try self.submission(0..<5)
        refused.quarantined = [QuarantinedInput(hook: "okta", reason: "x", bytes: [], receivedAt: 1)]
        let submission = refused
        await #expect(throws: JournalError.self) { try await first.append(submission) }
        let cursor = try await first.lease("a").cursor
        await first.close()
        let second = try await open()
        _ = try await second.append(try self.submission(0..<3))
        let page = try await second.read("a", after: cursor, limit: ReadLimit(entries: 9, bytes: 1 << 20))
        #expect(page.entries.count == 3)
        await second.close()
    }
}
