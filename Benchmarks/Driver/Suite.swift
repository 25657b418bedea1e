import Foundation
import Relay
import RelayTesting

/// The rows of the benchmark, in order; `docs/PERFORMANCE.md` says what each means.
final class Suite {
    let options: BenchmarkOptions
    let relay: String
    /// On the disk that the project is on: a file system in memory would make every fsync free.
    let folder: String
    let source: EventSource
    private(set) var figures: [Figure] = []
    private var runs = 0
    lazy var cluster = Result { try PostgresCluster(isDurable: true) }

    init(_ options: BenchmarkOptions) throws {
        self.options = options
        let own = URL(fileURLWithPath: Bundle.main.executablePath ?? CommandLine.arguments[0])
        let beside = own.deletingLastPathComponent().appendingPathComponent("okta-relay")
        relay = options.relay ?? beside.path
        guard FileManager.default.isExecutableFile(atPath: relay) else {
            throw BenchmarkError("no relay at \(relay): swift build -c release --product okta-relay")
        }
        folder = FileManager.default.currentDirectoryPath + "/.build/bench-\(getpid())"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        source = EventSource(count: options.envelopes)
    }

    func run() throws {
        say(
            "\(source.envelopes.count) envelopes of \(source.averageBytes) bytes, "
                + "\(options.pairs) paired runs of \(formatted(options.seconds)) s, "
                + "a backlog of \(options.backlog) events, "
                + "\(ProcessInfo.processInfo.activeProcessorCount) cores")
        try RequestPool.write(source.envelopes, to: pool(1))
        if options.has("d") { try RequestPool.write(source.batches(of: 50), to: pool(50)) }
        if options.has("a") || options.has("b") { try intakeRows() }
        if options.has("c") { try latencyRows() }
        if options.has("d") { try batchRow() }
        if options.has("e") { try drainRows() }
        if options.has("f") { try startRows() }
        if options.has("g") { try fanOutRows() }
        if options.has("h") { try expressRows() }
        if options.has("i") { try sustainedRow() }
        if options.has("j") { try oldJournalRow() }
        if options.has("p") { try partRows() }
        say("\n" + Figure.table(figures))
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try encoder.encode(figures).write(to: URL(fileURLWithPath: options.jsonPath))
    }

    func cleanUp() { try? FileManager.default.removeItem(atPath: folder) }

    func add(_ figure: Figure) {
        figures.append(figure)
        say("  " + figure.cells.filter { !$0.isEmpty }.joined(separator: "  "))
    }

    func median(of row: String) -> Double? { figures.first { $0.row.hasPrefix(row) }?.value }

    // MARK: - Parts of a run

    func pool(_ size: Int) -> String { "\(folder)/pool-\(size)" }

    /// A new empty folder.
    func makeFolder() throws -> String {
        runs += 1
        let path = "\(folder)/run-\(runs)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    /// Runs a relay with a new journal, and removes what it wrote.
    func withRelay<R>(
        _ sinks: [(name: String, settings: String)] = [], _ body: (RelayProcess) throws -> R
    ) throws -> R {
        let folder = try makeFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let relay = try RelayProcess(self.relay, folder: folder, sinks: sinks)
        defer { relay.stop() }
        return try body(relay)
    }

    /// Drives a server with 64 connections; `whileRunning` is called half-way.
    func load(
        _ port: Int, envelope: Int = 1, rate: Double? = nil, whileRunning: () -> Void = {}
    ) throws -> LoadResult {
        var arguments = ["load", "--port", "\(port)", "--pool", pool(envelope)]
        arguments += ["--seconds", "\(options.seconds)"]
        if let rate { arguments += ["--rate", "\(rate)"] }
        let child = try Child.own(arguments)
        usleep(UInt32(options.seconds * 500_000))
        whileRunning()
        let result = try JSONDecoder().decode(LoadResult.self, from: child.result())
        guard result.failures == 0 else { throw BenchmarkError("\(result.failures) requests failed") }
        if options.isVerbose { say("    \(Int(result.rate))/s p99 \(formatted(result.p99)) ms") }
        return result
    }

    /// The no-op server's requests a second, and its processor time a request in microseconds.
    func noOp() throws -> (rate: Double, processor: Double) {
        let port = try Sockets.freePort()
        let server = try Child.own(["no-op", "\(port)"])
        defer { server.stop() }
        try Sockets.waitUntilOpen(port: port)
        let before = server.processorSeconds
        let result = try load(port)
        return (result.rate, (server.processorSeconds - before) * 1e6 / Double(result.requests))
    }
}
