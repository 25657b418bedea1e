import Foundation

/// The Fluent Bit of this machine.
struct FluentBit {
    let path: String
    /// As it names it itself.
    let version: String
    /// Whether it was built with the output `pgsql`.
    let hasPostgres: Bool

    /// Looks for it on PATH, and where its own Debian package puts it, which is on no PATH.
    ///
    /// - Parameter log: Where what it complains about goes.
    init(log: String) throws {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        let places = (folders + ["/opt/fluent-bit/bin"]).map { "\($0)/fluent-bit" }
        guard let path = places.first(where: FileManager.default.isExecutableFile) else {
            throw BenchmarkError("fluent-bit is not installed")
        }
        func lines(_ option: String) throws -> [Substring] {
            let process = try Child(path, [option], log: log)
            let text = String(decoding: process.result(), as: UTF8.self)
            guard process.succeeded, !text.isEmpty else {
                throw BenchmarkError("\(path) \(option) fails")
            }
            return text.split(separator: "\n")
        }
        self.path = path
        version = try lines("--version").first.map(String.init) ?? ""
        // Each plugin has a line that begins with its name; there is no input of that one.
        hasPostgres = try lines("--help").contains { $0.split(separator: " ").first == "pgsql" }
    }
}

/// A Fluent Bit under measurement, with a config and a folder of its own.
///
/// HTTP comes in, chunks of it are kept in the file system, and go out into a file, over HTTP and into
/// PostgreSQL.
final class FluentBitProcess: LoadedServer {
    let port: Int
    private let folder: String
    private let child: Child

    /// Where it writes a line for each request.
    var output: String { "\(folder)/\(Self.outputName)" }
    private static let outputName = "events.jsonl"
    private static let patience: Int64 = 30_000_000_000

    /// Starts it; what an earlier one has left in the folder is delivered first.
    ///
    /// - Parameters:
    ///   - receiver: The port that it delivers to over HTTP.
    ///   - database: The URL of the database that it delivers to, if any.
    ///   - checksums: Whether chunks have one, which is looked at when they are read again.
    init(
        _ fluentBit: FluentBit, folder: String, receiver: Int, database: String?, checksums: Bool
    ) throws {
        port = try Sockets.freePort()
        self.folder = folder
        let config = "\(folder)/fluent-bit.conf"
        let sections =
            Self.intake(folder, port: port, checksums: checksums)
            + Self.outputs(folder, receiver: receiver, database: database)
        try sections.write(toFile: config, atomically: true, encoding: .utf8)
        child = try Child(fluentBit.path, ["-c", config], log: "\(folder)/log")
    }

    /// Returns when it takes connections.
    func waitUntilOpen() throws {
        let start = monotonic()
        while true {
            if let descriptor = try? Sockets.connect(port: port) {
                close(descriptor)
                return
            }
            guard child.isRunning, monotonic() - start < Self.patience else {
                let log = (try? String(contentsOfFile: "\(folder)/log", encoding: .utf8)) ?? ""
                throw BenchmarkError("fluent-bit did not start: \(log.suffix(2_000))")
            }
            usleep(1_000)
        }
    }

    /// The storage that is meant to survive: chunks in files, written to disk fully (`storage.sync full`).
    ///
    /// A success is 200 here, as it is for the relay; without the setting it is 201, to the same effect.
    private static func intake(_ folder: String, port: Int, checksums: Bool) -> String {
        """
        [SERVICE]
            Flush                     1
            Daemon                    Off
            Log_Level                 warn
            storage.path              \(folder)/storage
            storage.sync              full
            storage.checksum          \(checksums ? "On" : "Off")

        [INPUT]
            Name                      http
            Listen                    127.0.0.1
            Port                      \(port)
            storage.type              filesystem
            successful_response_code  200


        """
    }

    /// Outputs that try again for as long as it takes, which is not what they do by default.
    private static func outputs(_ folder: String, receiver: Int, database: String?) -> String {
        var outputs = [
            ["Name file", "Path \(folder)", "File \(outputName)", "Format plain"],
            ["Name http", "Host 127.0.0.1", "Port \(receiver)", "URI /events", "Format json"],
        ]
        if let database, let url = URLComponents(string: database) {
            outputs.append([
                "Name pgsql", "Host \(url.host ?? "")", "Port \(url.port ?? 5_432)",
                "User \(url.user ?? "postgres")", "Database \(url.path.dropFirst())", "Table \(table)",
            ])
        }
        return outputs.map { settings in
            let lines = settings + ["Match *", "Retry_Limit False"]
            return "[OUTPUT]\n" + lines.map { "    \($0)\n" }.joined()
        }.joined(separator: "\n")
    }

    /// Its table in PostgreSQL, and what selects the events' ids there: a row's `data` is a whole request.
    static let table = "fluentbit"
    static let idsSQL = "SELECT data->'data'->'events'->0->>'uuid' FROM \(table)"

    var processorSeconds: Double { child.processorSeconds }
    func account() -> RelayStatus? { nil }

    /// Waits until it stores nothing any more.
    ///
    /// - Returns: Whether it came to that: not where it has ended, or where nothing moves for half a minute.
    func waitUntilDelivered(within seconds: Double = 600) -> Bool {
        let start = monotonic()
        var (bytes, chunks, changed) = (-1, -1, start)
        while child.isRunning, case let now = monotonic(), now - start < Int64(seconds * 1e9) {
            let (bytesNow, chunksNow) = (outputBytes, storedChunks)
            if bytesNow != bytes || chunksNow != chunks {
                (bytes, chunks, changed) = (bytesNow, chunksNow, now)
            }
            // Two flushes' time: a chunk is made anew by the next request only.
            if chunks == 0, now - changed > 2_000_000_000 { return true }
            if now - changed > Self.patience { return false }
            usleep(50_000)
        }
        return false
    }

    private var outputBytes: Int {
        let attributes = try? FileManager.default.attributesOfItem(atPath: output)
        return attributes?[.size] as? Int ?? 0
    }

    /// Files of requests that some output has not got yet.
    private var storedChunks: Int {
        let files = FileManager.default.enumerator(atPath: "\(folder)/storage")
        return files?.count { ($0 as? String)?.hasSuffix(".flb") == true } ?? 0
    }

    /// Ends it as `kill -9` does.
    func stop() { child.stop() }
}
