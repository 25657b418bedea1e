import Foundation
import Synchronization

/// A shell that runs PostgreSQL's programs for a test, and cleans up when this process ends, however it ends.
///
/// It reads commands from a pipe whose other end only this process has. When the pipe closes, it stops the
/// server and removes the files. (Foundation's own `waitUntilExit` would wait for the server as well, because
/// the server inherits what it waits on.) It runs as the user `postgres` where this process is root, which
/// PostgreSQL refuses to be.
final class PostgresShell: Sendable {
    private let binaries: String
    private let commands = Pipe()
    private let answers = Pipe()
    /// One command at a time.
    private let turn = Mutex(())

    private static let script = """
        trap '' INT TERM HUP
        while read -r line; do
            eval "$line" </dev/null >/dev/null
            echo $?
        done
        if [ -n "$2" ]; then
            "$1/pg_ctl" stop -s -m immediate -D "$2/data" >/dev/null 2>&1
            rm -rf "$2"
        fi
        """

    /// - Parameter folder: Of the cluster that ends with the shell; nil where there is none.
    init(folder: String?) throws {
        binaries = try Self.installed()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        let user = getuid() == 0 ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] : []
        process.arguments = user + ["sh", "-c", Self.script, "postgres", binaries, folder ?? ""]
        process.currentDirectoryURL = URL(fileURLWithPath: "/tmp")
        process.standardInput = commands
        process.standardOutput = answers
        try process.run()
    }

    deinit { try? commands.fileHandleForWriting.close() }

    /// Runs one of PostgreSQL's programs to its end.
    ///
    /// Its errors go to standard error.
    func run(_ tool: String, _ arguments: [String]) throws {
        let line = (["\(binaries)/\(tool)"] + arguments).map(Self.quoted).joined(separator: " ")
        let status = try turn.withLock { _ in
            try commands.fileHandleForWriting.write(contentsOf: Data("\(line)\n".utf8))
            let answer = answers.fileHandleForReading.availableData
            return String(decoding: answer, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        }
        guard status == "0" else { throw PostgresClusterError("\(tool) failed with status \(status)") }
    }

    /// A folder of the server's user, who can remove it where the parent is theirs or anybody's.
    ///
    /// - Parameter parent: Made theirs where it is not there.
    static func makeFolder(in parent: String) throws -> String {
        if !FileManager.default.fileExists(atPath: parent) {
            try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
            try giveToServer(parent)
        }
        var template = Array("\(parent)/relay-pg-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw PostgresClusterError("\(parent) is not writable") }
        let folder = String(cString: made)
        try giveToServer(folder)
        return folder
    }

    private static func giveToServer(_ folder: String) throws {
        guard getuid() == 0 else { return }
        guard let user = getpwnam("postgres") else {
            throw PostgresClusterError("there is no user postgres to run the server as")
        }
        chown(folder, user.pointee.pw_uid, user.pointee.pw_gid)
    }

    private static func quoted(_ word: String) -> String {
        "'" + word.replacingOccurrences(of: "'", with: "'\\''") + "'"
    }

    /// The folder of the newest server that is installed.
    private static func installed() throws -> String {
        let root = "/usr/lib/postgresql"
        let versions = ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []).sorted {
            (Int($0) ?? 0) > (Int($1) ?? 0)
        }
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        let folders = versions.map { "\(root)/\($0)/bin" } + path.split(separator: ":").map(String.init)
        let found = folders.first { FileManager.default.isExecutableFile(atPath: "\($0)/initdb") }
        guard let found else {
            throw PostgresClusterError(
                "PostgreSQL's server is not installed: no initdb in \(root)/*/bin or PATH. "
                    + "Install it (Debian: apt-get install postgresql), or use `make test`.")
        }
        return found
    }
}
