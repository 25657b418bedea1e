import Config
import Foundation
import JSON
import Relay
import RelayTesting
import Testing

@testable import Sinks

/// A database that dies in the worst moment of a batch, and a relay that is stopped in it.
@Suite(.timeLimit(.minutes(2))) struct DatabaseCrashTests {
    /// Where the server's process dies.
    enum Moment: String, CaseIterable, CustomTestStringConvertible {
        /// The statements have run, and nothing of them is committed.
        case beforeTheCommit
        /// The transaction is committed on disk, and nobody was told.
        case beforeTheAnswer

        var testDescription: String { rawValue }
    }

    private let cluster: PostgresCluster
    private let database: String
    private let setup: RelaySetup

    init() async throws {
        let cluster = try await onOwnThread { try PostgresCluster(isDurable: true) }
        self.cluster = cluster
        database = try await onOwnThread { try cluster.makeDatabase() }
        setup = try RelaySetup(
            server: #", "shutdownTimeout": "1s""#,
            sinks: [Destinations.sqlite, Destinations.postgresql(database)].joined(separator: ","),
            rules: Destinations.rule(to: "users", "audit", "warehouse", "ledger"))
    }

    private static func sender(_ seed: UInt64) -> PatientSender {
        PatientSender(
            .init(users: 20, events: 120, batchMax: 4, seed: seed, start: 1_772_000_000_000_000_000))
    }

    @Test(arguments: Moment.allCases)
    func aServerThatDiesWhileItCommits(_ moment: Moment) async throws {
        let relay = try await setup.start()
        let first = Self.sender(1), second = Self.sender(2)
        await first.send(to: setup.target)
        try await setup.waitUntilSettled()

        let grip = try await Grip(database, moment)
        await second.send(to: setup.target)
        let caught = try await grip.caught(2)
        try await grip.prepareForTheEnd()
        #expect(kill(caught[0], SIGKILL) == 0)
        // The server ends all other sessions and recovers; the grip's own is among them.
        try await setup.wait(for: "the sinks to notice") { status in
            ["ledger", "warehouse"].allSatisfy { status.sink($0)?["state"]?.isString("closed") == false }
                || status.isSettled
        }
        try await reload()
        try await setup.waitUntilSettled()
        #expect(await relay.stop() == 0)
        #expect(relay.log.contains("sink is unavailable"), "\(relay.log)")
        #expect(relay.log.contains("reason=PostgreSQL: the connection is lost"), "\(relay.log)")
        try await expectEverything(of: first, second)
    }

    @Test func aRelayThatIsStoppedDuringABatch() async throws {
        let first = Self.sender(1), second = Self.sender(2)
        let relay = try await setup.start()
        await first.send(to: setup.target)
        try await setup.waitUntilSettled()
        let grip = try await Grip(database, .beforeTheCommit)
        await second.send(to: setup.target)
        _ = try await grip.caught(2)
        // The batches cannot end, and the stop ends all the same.
        let started = ContinuousClock.now
        let status = await relay.stop()
        #expect(ContinuousClock.now - started < .seconds(15), "\(status) \(relay.log)")
        #expect(status == 0, "\(relay.log)")
        #expect(relay.log.contains("the stop waits no longer for what is with the sink"), "\(relay.log)")
        grip.letGo()
        let next = try await setup.start()
        try await setup.waitUntilSettled()
        #expect(await next.stop() == 0)
        try await expectEverything(of: first, second)
    }

    /// The server has read its settings again; it is asked until it takes connections.
    private func reload() async throws {
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(30)
        while true {
            if (try? await Rows.postgresql(database, "SELECT pg_reload_conf()")) != nil { return }
            try #require(clock.now < deadline, "the server does not come back")
            try await SystemClock().sleep(for: .milliseconds(20))
        }
    }

    private func expectEverything(of senders: PatientSender...) async throws {
        let sent = senders.flatMap(\.events.values)
        let ids = sent.map(\.id).sorted()
        let events = "SELECT event_id FROM events ORDER BY event_id COLLATE \"C\""
        #expect(try await Rows.postgresql(database, events).map { $0[0] } == ids)
        let users = "SELECT \(UserModel.columns) FROM users ORDER BY id"
        let model = try UserModel(sent)
        let warehouse = try await Rows.postgresql(database, "\(users) COLLATE \"C\"")
        #expect(model.differences(from: warehouse) == [])
        let rows = try await Rows.sqlite(setup.folder.file("users.sqlite"), users)
        #expect(model.differences(from: rows) == [])
    }
}

/// Holds transactions of the relay at one point of their commit.
private final class Grip {
    private let url: String
    private let moment: DatabaseCrashTests.Moment
    /// Holds the lock, where there is one, as long as it is there.
    private var session: PostgresConnection?

    init(_ url: String, _ moment: DatabaseCrashTests.Moment) async throws {
        self.url = url
        self.moment = moment
        switch moment {
        case .beforeTheCommit:
            let held = try PostgresConnector(url: Secret(url)).connect()
            _ = try held.run([
                PostgresStatement(
                    """
                    CREATE FUNCTION wait_here() RETURNS trigger LANGUAGE plpgsql AS
                    $$ BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN NULL; END $$
                    """),
                // Deferred triggers run when the transaction commits.
                PostgresStatement(Self.trigger(on: "events")), PostgresStatement(Self.trigger(on: "users")),
                PostgresStatement("SELECT pg_advisory_lock(4711)"),
            ])
            session = held
        case .beforeTheAnswer:
            // A commit waits for a standby that does not exist, after it is on its own disk.
            _ = try await Rows.postgresql(url, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
            _ = try await Rows.postgresql(url, "SELECT pg_reload_conf()")
        }
    }

    private static func trigger(on table: String) -> String {
        """
        CREATE CONSTRAINT TRIGGER wait_here AFTER INSERT OR UPDATE ON \(table)
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_here()
        """
    }

    /// Waits until that many sessions are held, and gives their processes.
    func caught(_ count: Int) async throws -> [pid_t] {
        let query =
            switch moment {
            case .beforeTheCommit:
                "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted"
            case .beforeTheAnswer: "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
            }
        let deadline = ContinuousClock.now + .seconds(30)
        while true {
            let pids = try await Rows.postgresql(url, query).compactMap { $0[0].flatMap { pid_t($0) } }
            if pids.count >= count { return pids }
            try #require(ContinuousClock.now < deadline, "no transaction came to its end")
            try await SystemClock().sleep(for: .milliseconds(10))
        }
    }

    /// What the server shall find when it comes back.
    func prepareForTheEnd() async throws {
        guard moment == .beforeTheAnswer else { return }
        _ = try await Rows.postgresql(url, "ALTER SYSTEM RESET synchronous_standby_names")
    }

    func letGo() { session = nil }
}
