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
    /// The most resident memory of each relay that ran to its row's end, in MB, by row.
    private var peaks: [String: [Double]] = [:]
    private var runs = 0
    /// Beside the folder and not in it, because it removes its files itself when this process has ended.
    lazy var cluster = Result {
        try PostgresCluster(
            isDurable: true, in: FileManager.default.currentDirectoryPath + "/.build/postgresql")
    }

    init(_ options: BenchmarkOptions) throws {
        self.options = options
        relay = options.relay ?? Self.besideThis("okta-relay")
        guard FileManager.default.isExecutableFile(atPath: relay) else {
            throw BenchmarkError("no relay at \(relay): swift build -c release --product okta-relay")
        }
        source = EventSource(count: options.envelopes)
        folder = FileManager.default.currentDirectoryPath + "/.build/bench-\(getpid())"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
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
        if options.has("k") { try fluentBitRows() }
        if options.has("m") { try ruleRows() }
        if options.has("n") { try stageRows() }
        if options.has("p") { try partRows() }
        try memoryRows()
        say("\n" + Figure.table(figures))
    }

    /// The memory part of row f, over whatever rows have run.
    private func memoryRows() throws {
        for (row, megabytes) in peaks.sorted(by: { $0.key < $1.key }) {
            try add(Figure("f. most memory, row \(row)", "MB", most: megabytes, atMost: 120))
        }
        guard peaks.count > 1 else { return }
        try add(Figure("f. most memory, all rows", "MB", most: peaks.values.flatMap(\.self), atMost: 120))
    }

    /// Shows a figure, and writes all that there are: a run that ends early leaves those it has.
    func add(_ figure: Figure) throws {
        figures.append(figure)
        say("  " + figure.cells.filter { !$0.isEmpty }.joined(separator: "  "))
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try encoder.encode(figures).write(to: URL(fileURLWithPath: options.jsonPath))
    }

    /// Says that a row could not be measured, and why; the figures say so, too.
    func leaveOut(_ row: String, _ reason: String) throws { try add(Figure(leftOut: row, reason)) }

    func median(of row: String) -> Double? { figures.first { $0.row.hasPrefix(row) }?.value }

    // MARK: - Parts of a run

    /// Another program of the same build.
    static func besideThis(_ name: String) -> String {
        let own = URL(fileURLWithPath: Bundle.main.executablePath ?? CommandLine.arguments[0])
        return own.deletingLastPathComponent().appendingPathComponent(name).path
    }

    func pool(_ size: Int) -> String { "\(folder)/pool-\(size)" }

    /// A new empty folder.
    func makeFolder() throws -> String {
        runs += 1
        let path = "\(folder)/run-\(runs)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    /// Runs a relay, and notes the most memory that it had.
    ///
    /// - Parameters:
    ///   - row: Whose memory it is.
    ///   - existing: A folder with a journal; without it there is a new one, which is removed afterwards.
    func withRelay<R>(
        _ row: String, _ sinks: [(name: String, settings: String)] = [], in existing: String? = nil,
        _ body: (RelayProcess) throws -> R
    ) throws -> R {
        let folder = try existing ?? makeFolder()
        defer { if existing == nil { try? FileManager.default.removeItem(atPath: folder) } }
        let relay = try RelayProcess(self.relay, folder: folder, sinks: sinks)
        defer { relay.stop() }
        let result = try body(relay)
        notePeak(row, of: relay)
        return result
    }

    func notePeak(_ row: String, of relay: RelayProcess) {
        peaks[row, default: []].append(relay.peakMegabytes)
    }

    /// Drives a server with 64 connections, and sees to it that a relay has accepted what it acknowledged.
    ///
    /// - Parameters:
    ///   - first: The first request of the pool that is sent.
    ///   - whileRunning: Called once, when the load is about to begin.
    func load(
        _ server: some LoadedServer, envelope: Int = 1, rate: Double? = nil, seconds: Double? = nil,
        first: Int = 0, whileRunning: () throws -> Void = {}
    ) throws -> LoadResult {
        var arguments = ["load", "--port", "\(server.port)", "--pool", pool(envelope), "--first", "\(first)"]
        arguments += ["--seconds", "\(seconds ?? options.seconds)"]
        if let rate { arguments += ["--rate", "\(rate)"] }
        if server.takesAnythingTwice { arguments.append("--again") }
        let acceptedBefore = try server.account()?.accepted ?? 0
        let processorBefore = server.processorSeconds
        let child = try Child.own(arguments)
        defer { child.stop() }
        try whileRunning()
        let output = child.result()
        guard child.succeeded else { throw BenchmarkError("the load generator failed") }
        var result = try JSONDecoder().decode(LoadResult.self, from: output)
        guard result.failures == 0, result.requests > 0 else {
            throw BenchmarkError("\(result.failures) requests failed, \(result.requests) did not")
        }
        result.processor = (server.processorSeconds - processorBefore) * 1e6 / Double(result.requests)
        if let account = try server.account() {
            result.waiting = account.waiting.reduce(0, +)
            let sent = min((first + result.requests) * envelope, source.count) - first * envelope
            guard account.accepted - acceptedBefore == sent else {
                throw BenchmarkError(
                    "\(sent) events were acknowledged, and \(account.accepted - acceptedBefore) accepted")
            }
        }
        if options.isVerbose { say("    \(Int(result.rate))/s p99 \(formatted(result.p99)) ms") }
        return result
    }

    /// The same after a second of load that does not count.
    func warmLoad(_ server: some LoadedServer) throws -> LoadResult { try loadTwice(server).result }

    /// The same with what the first second was.
    func loadTwice(_ server: some LoadedServer) throws -> (warmUp: LoadResult, result: LoadResult) {
        let warmUp = try load(server, seconds: 1)
        return (warmUp, try load(server, first: warmUp.requests))
    }

    /// The same for the no-op server, or for one that does more.
    ///
    /// Sees to it that what is to be stored was.
    func noOp(_ stage: NoOpServer.Stage = .read) throws -> LoadResult {
        let folder = try makeFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = "\(folder)/bodies.sqlite"
        let port = try Sockets.freePort()
        let child = try Child.own(["no-op", "\(port)", stage.rawValue, path])
        // A table that is appended to would ignore what comes again.
        let server = BaselineServer(
            port: port, child: child, takesAnythingTwice: !stage.tables.contains("append"))
        defer { child.stop() }
        try Sockets.waitUntilOpen(port: port)
        let (warmUp, result) = try loadTwice(server)
        if stage.storesInSQLite {
            child.stop()
            let count = try Loaders.sqliteCount(path, table: "bodies")
            guard count == warmUp.requests + result.requests else {
                throw BenchmarkError("of \(warmUp.requests + result.requests) events \(count) were stored")
            }
        }
        return result
    }
}

/// A server under load.
protocol LoadedServer {
    var port: Int { get }
    var processorSeconds: Double { get }
    /// Whether it may get the same requests again.
    var takesAnythingTwice: Bool { get }
    /// What it says that it has taken in; nil where it does not count.
    func account() throws -> RelayStatus?
}

extension LoadedServer {
    var takesAnythingTwice: Bool { false }
}

extension RelayProcess: LoadedServer {
    func account() throws -> RelayStatus? { try status() }
}

/// What a relay is compared with.
struct BaselineServer: LoadedServer {
    let port: Int
    let child: Child
    var takesAnythingTwice = false
    var processorSeconds: Double { child.processorSeconds }
    func account() -> RelayStatus? { nil }
}
