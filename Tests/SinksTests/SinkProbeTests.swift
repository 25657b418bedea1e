import Config
import Foundation
import Relay
import RelayTesting
import Testing

@testable import Sinks

/// A probe stands alone: without `prepare` it says what is wrong, and it creates nothing.
@Suite("Probes, as check --connect asks them")
struct SinkProbeTests {
    private static let users = TableConfiguration(name: "users")

    private func sqlite(_ path: String, _ table: TableConfiguration = users) throws -> any Sink {
        try SQLSinkFixture.makeSink(.sqlite, path, table)
    }

    private func postgresql(_ url: String, _ table: TableConfiguration = users) throws -> any Sink {
        try SQLSinkFixture.makeSink(.postgresql, url, table)
    }

    /// `ok`, or the error's kind and reason.
    private func answer(_ sink: any Sink) async -> String {
        do throws(SinkError) {
            try await sink.probe()
            return "ok"
        } catch {
            switch error {
            case .unavailable(let reason, _, _): return "unavailable: \(reason)"
            case .misconfigured(let reason): return "misconfigured: \(reason)"
            }
        }
    }

    // MARK: - SQLite

    @Test func aSQLiteFileThatCanBeMadeIsNotMade() async throws {
        let folder = try TemporaryFolder()
        #expect(await answer(try sqlite(folder.file("data/users.sqlite"))) == "ok")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
        let fixed = TableConfiguration(name: "users", createsMissing: false)
        #expect(
            await answer(try sqlite(folder.file("users.sqlite"), fixed))
                == "misconfigured: \(folder.file("users.sqlite")) does not exist, and \"create\" is false")
    }

    @Test func aPlaceWhereNoSQLiteFileCanBeIsNamed() async throws {
        let folder = try TemporaryFolder()
        try Data("text".utf8).write(to: URL(fileURLWithPath: folder.file("data")))
        let path = folder.file("data/users.sqlite")
        #expect(
            await answer(try sqlite(path))
                == "misconfigured: \(path) cannot be made: \(folder.file("data")) is not a folder")
        #expect(
            await answer(try sqlite(folder.path)).hasPrefix("misconfigured: \(folder.path): the file")
        )
        let text = Data(repeating: 65, count: 4_096)
        try text.write(to: URL(fileURLWithPath: folder.file("text")))
        #expect(await answer(try sqlite(folder.file("text"))).contains("not a SQLite database"))
    }

    /// Permissions don't hold for root.
    @Test(.enabled(if: geteuid() != 0))
    func aReadOnlyFolderOrFileIsNamed() async throws {
        let folder = try TemporaryFolder()
        let fixture = try sqlite(folder.file("users.sqlite"))
        try await fixture.prepare()
        await fixture.shutdown()
        chmod(folder.file("users.sqlite"), 0o444)
        chmod(folder.path, 0o555)
        defer { chmod(folder.path, 0o755) }
        #expect(await answer(try sqlite(folder.file("users.sqlite"))).contains("read-only"))
        #expect(await answer(try sqlite(folder.file("new.sqlite"))).contains("is not writable"))
    }

    @Test func anExistingSQLiteFileStaysAsItIs() async throws {
        let fixture = try SQLSinkFixture(.sqlite)
        try fixture.execute("CREATE TABLE mine (a)", "SELECT 1")
        #expect(await answer(fixture.sink) == "ok")
        #expect(try fixture.execute("SELECT name FROM sqlite_schema") == [["mine"]])
        #expect(try fixture.execute("PRAGMA journal_mode") == [["delete"]])
        try fixture.execute("CREATE TABLE users (id text)", "SELECT 1")
        #expect(await answer(fixture.sink).contains("needs a primary key or unique constraint on (\"id\")"))
    }

    // MARK: - PostgreSQL

    @Test func aHealthyPostgreSQLGetsNoTable() async throws {
        let fixture = try SQLSinkFixture(.postgresql)
        #expect(await answer(fixture.sink) == "ok")
        #expect(try fixture.execute("SELECT to_regclass('users')::text") == [[nil]])
        try fixture.execute("CREATE TABLE users (id text)")
        #expect(await answer(fixture.sink).contains("needs a primary key or unique constraint on (\"id\")"))
        let fixed = try postgresql(fixture.place, TableConfiguration(name: "no_such", createsMissing: false))
        #expect(await answer(fixed).contains("table no_such: the table is missing"))
    }

    @Test func aMissingRightIsNamed() async throws {
        let fixture = try SQLSinkFixture(.postgresql)
        try await fixture.sink.prepare()
        let role = "reader_\(ProcessInfo.processInfo.processIdentifier)"
        try fixture.execute(
            "CREATE ROLE \(role) LOGIN", "GRANT SELECT, INSERT ON users, users_relay TO \(role)")
        let url = fixture.place + (fixture.place.contains("?") ? "&" : "?") + "options=-c%20role%3D\(role)"
        #expect(
            await answer(try postgresql(url))
                == "misconfigured: table \"users\": the role may not UPDATE; grant it")
        try fixture.execute("DROP OWNED BY \(role)", "DROP ROLE \(role)")
    }

    @Test func nobodyAtThePortIsUnavailable() async throws {
        let reason = await answer(try postgresql("postgresql://postgres@127.0.0.1:1/x"))
        #expect(reason.hasPrefix("unavailable: PostgreSQL: ") && reason.contains("refused"))
    }

    @Test func aWrongPasswordIsMisconfiguredAndNotShown() async throws {
        let cluster = try PostgresCluster()
        let url = try cluster.makeDatabase()
        let connection = try PostgresConnector(url: Secret(url)).connect()
        _ = try connection.run([PostgresStatement("ALTER ROLE postgres PASSWORD 'right-password'")])
        try cluster.stop()
        try cluster.requirePasswords()
        try cluster.start()
        func with(_ password: String) -> String {
            url.replacing("postgres@", with: "postgres:\(password)@")
        }
        #expect(await answer(try postgresql(with("right-password"))) == "ok")
        let reason = await answer(try postgresql(with("wrong-password")))
        #expect(reason.hasPrefix("misconfigured: PostgreSQL: ") && reason.contains("SQLSTATE 28P01"))
        #expect(!reason.contains("wrong-password"))
    }

    // MARK: - HTTP

    @Test func anHTTPEndpointIsConnectedToAndSentNothing() async throws {
        try await withReceiver { receiver, client in
            let sink = HTTPSink(
                name: "crm", configuration: try HTTPFixtures.contacts(receiver.url), client: client,
                clock: ManualClock())
            #expect(await answer(sink) == "ok")
            // Connections are taken in order: once this request is there, so is all that the probe did.
            _ = try await client.send(
                CurlRequest(method: "GET", url: receiver.url, policy: HTTPFixtures.open))
            #expect(receiver.requests.count == 1 && receiver.connections == 2)
            receiver.stop()
            let reason = await answer(sink)
            #expect(reason.hasPrefix("unavailable: \(receiver.url): "))
        }
    }
}
