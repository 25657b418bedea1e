import Foundation
import Synchronization

/// A throw-away PostgreSQL cluster on 127.0.0.1, for tests that need the real thing.
///
/// It has no socket in the file system, whose path could be too long for one.
///
/// Each call blocks until it is done, some for seconds: beside tests that watch the time it belongs into
/// ``onOwnThread(_:)``.
///
/// It ends with the process, however that ends: a small shell waits on a pipe whose other end only this
/// process has, and when the pipe closes it stops the server and removes the files.
public final class PostgresCluster: Sendable {
    /// The cluster that all tests of this process share; started once.
    ///
    /// `OKTA_RELAY_TEST_DATABASE_URL` names one that runs already.
    public static func shared() throws -> PostgresCluster { try sharedResult.get() }

    private static let sharedResult = Result { () throws -> PostgresCluster in
        if let url = ProcessInfo.processInfo.environment["OKTA_RELAY_TEST_DATABASE_URL"], !url.isEmpty {
            return try PostgresCluster(running: url)
        }
        return try PostgresCluster()
    }

    private static let count = Mutex(0)

    private let shell: PostgresShell
    private let folder: String
    private let port: Int
    /// Where the cluster is not ours: a URL of its maintenance database.
    private let runningURL: String?

    /// Creates and starts a cluster of the caller's own.
    ///
    /// - Parameters:
    ///   - isDurable: Whether it syncs to disk; only crash tests need that.
    ///   - parent: Where its folder is made; the server's user must be let through to it.
    public init(isDurable: Bool = false, in parent: String = "/tmp") throws {
        folder = try PostgresShell.makeFolder(in: parent)
        runningURL = nil
        shell = try PostgresShell(folder: folder)
        port = try LoopbackPort.free()
        let locale = ["-A", "trust", "-E", "UTF8", "--locale=C"]
        try shell.run("initdb", ["-D", "\(folder)/data", "-U", "postgres", "--no-sync"] + locale)
        let settings = """
            listen_addresses = '127.0.0.1'
            port = \(port)
            unix_socket_directories = ''
            shared_buffers = 32MB
            fsync = \(isDurable ? "on" : "off")
            """
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: "\(folder)/data/postgresql.conf"))
        try file.seekToEnd()
        try file.write(contentsOf: Data("\n\(settings)\n".utf8))
        try file.close()
        try start()
    }

    private init(running url: String) throws {
        folder = ""
        port = 0
        runningURL = url
        shell = try PostgresShell(folder: nil)
    }

    /// Starts the server after ``stop()`` or ``kill()``; returns when it accepts connections.
    public func start() throws {
        try shell.run("pg_ctl", ["start", "-w", "-s", "-D", "\(folder)/data", "-l", "\(folder)/log"])
    }

    /// Stops the server; its sessions end.
    public func stop() throws {
        try shell.run("pg_ctl", ["stop", "-w", "-s", "-m", "fast", "-D", "\(folder)/data"])
    }

    /// Ends the server as a crash would: at once, with nothing cleaned up.
    public func kill() throws {
        let file = try String(contentsOfFile: "\(folder)/data/postmaster.pid", encoding: .utf8)
        guard let pid = file.split(separator: "\n").first.flatMap({ pid_t($0) }) else {
            throw PostgresClusterError("postmaster.pid holds no process id")
        }
        _ = Foundation.kill(pid, SIGKILL)
        // The next start may begin when the process is gone, and it is no child of ours to wait for: looked
        // at every 10 ms, for 5 s at most.
        for _ in 0..<500 where Foundation.kill(pid, 0) == 0 { poll(nil, 0, 10) }
    }

    /// From the next ``start()`` on every connection needs its role's password.
    public func requirePasswords() throws {
        // Written in place, for the file belongs to the server's user.
        try "host all all 127.0.0.1/32 scram-sha-256\n"
            .write(toFile: "\(folder)/data/pg_hba.conf", atomically: false, encoding: .utf8)
    }

    /// Creates an empty database and gives its URL.
    public func makeDatabase() throws -> String {
        let number = Self.count.withLock { count in
            count += 1
            return count
        }
        let name = "relay_test_\(ProcessInfo.processInfo.processIdentifier)_\(number)"
        let statement = "CREATE DATABASE \(name)"
        try shell.run("psql", ["-X", "-q", "-d", runningURL ?? url(database: "postgres"), "-c", statement])
        return url(database: name)
    }

    private func url(database: String) -> String {
        guard let runningURL else { return "postgresql://postgres@127.0.0.1:\(port)/\(database)" }
        guard var parts = URLComponents(string: runningURL) else { return runningURL }
        parts.path = "/\(database)"
        return parts.string ?? runningURL
    }
}

/// Why there is no cluster.
public struct PostgresClusterError: Error, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}
