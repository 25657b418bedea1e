import Foundation

/// `make bench`: measures the release binary over real sockets; each figure has its baseline in the same run.
///
/// The program is also its own load generator, receiver and baseline server: each is a process of its own, so
/// that none shares a heap, a lock or a thread pool with what is measured.
@main
struct BenchmarksCommand {
    static func main() async throws {
        signal(SIGPIPE, SIG_IGN)
        let arguments = Array(CommandLine.arguments.dropFirst())
        switch arguments.first {
        case "load": try LoadGenerator(arguments).run()
        case "receive": try Receiver().run()
        case "no-op": try await NoOpServer.run(arguments)
        case "-h", "--help": say(BenchmarkOptions.help)
        default:
            do {
                let suite = try Suite(BenchmarkOptions(arguments))
                defer { suite.cleanUp() }
                try suite.run()
            } catch {
                say("benchmark: \(error)")
                exit(1)
            }
        }
    }
}

/// How large a run is, and which rows it has.
struct BenchmarkOptions {
    /// Paired runs of each row.
    var pairs = 3
    /// Seconds of load in one run.
    var seconds = 3.0
    /// Envelopes of one event each that are rendered before the runs; also bounds a run.
    var envelopes = 80_000
    /// Stored events that a sink drains.
    var backlog = 30_000
    /// Stored events that wait while a start-up is timed.
    var entries = 200_000
    /// Entries of the journal that a new one is compared with.
    var oldEntries = 200_000
    /// Letters of the rows to run; all where empty.
    var rows = ""
    /// The relay to measure; the one built beside this program where nil.
    var relay: String?
    var jsonPath = "bench.json"
    /// Prints each run.
    var isVerbose = false

    static let help = """
        Usage: Benchmarks [--full] [--rows LETTERS] [--pairs N] [--seconds S] [--envelopes N] [--backlog N]
                          [--entries N] [--old N] [--relay BINARY] [--json FILE] [--verbose]

        Measures the release binary over real sockets; docs/PERFORMANCE.md says what each row means.
          --full           five longer runs, and 1,000,000 stored events
          --rows abc       these rows only
          --pairs N        runs of each row, each with its baseline (3)
          --seconds S      of load in one run (3)
          --envelopes N    different envelopes of one event; also bounds a run (80000)
          --backlog N      stored events that sinks drain in row e (30000)
          --entries N      stored events that wait in row f (200000)
          --old N          entries of the old journal of row j (200000)
          --relay BINARY   the relay to measure; the one beside this program without it
          --json FILE      where the figures go as JSON (bench.json)
        """

    init(_ arguments: [String]) throws {
        var rest = arguments[...]
        while let word = rest.popFirst() {
            switch word {
            case "--full":
                (pairs, seconds, envelopes, backlog) = (5, 8, 250_000, 1_000_000)
                (entries, oldEntries) = (1_000_000, 10_000_000)
            case "--verbose": isVerbose = true
            default:
                guard let value = rest.popFirst() else { throw BenchmarkError("\(word) needs a value") }
                switch word {
                case "--pairs": pairs = Int(value) ?? pairs
                case "--seconds": seconds = Double(value) ?? seconds
                case "--envelopes": envelopes = Int(value) ?? envelopes
                case "--backlog": backlog = min(Int(value) ?? backlog, 1_000_000)
                case "--entries": entries = min(Int(value) ?? entries, 1_000_000)
                case "--old": oldEntries = min(Int(value) ?? oldEntries, 10_000_000)
                case "--rows": rows = value
                case "--relay": relay = value
                case "--json": jsonPath = value
                default: throw BenchmarkError("unknown option \(word)")
                }
            }
        }
    }

    func has(_ row: Character) -> Bool { rows.isEmpty || rows.contains(row) }
}

/// Why a measurement is not one.
struct BenchmarkError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Writes a line at once: standard output is a pipe between the benchmark's processes.
func say(_ line: String) {
    FileHandle.standardOutput.write(Data("\(line)\n".utf8))
}
