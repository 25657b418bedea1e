/// How large a run is, and which rows it has.
struct BenchmarkOptions {
    /// Paired runs of each row.
    var pairs = 1
    /// Seconds of load in one run.
    var seconds = 3.0
    /// Envelopes of one event each that are rendered before the runs; also bounds a run.
    var envelopes = 80_000
    /// Stored events that a sink drains.
    var backlog = 30_000
    /// The one of row e's ``destinations``; all where nil.
    var into: String?
    /// Stored events that wait while a start-up is timed.
    var entries = 200_000
    /// Entries of the journal that a new one is compared with.
    var oldEntries = 200_000
    /// Users that a big table holds already.
    var users = 300_000
    /// Letters of the rows to run.
    var rows = Self.allRows
    /// The relay to measure; the one built beside this program where nil.
    var relay: String?
    var jsonPath = "bench.json"
    /// Prints each run.
    var isVerbose = false

    /// `users` is PostgreSQL with many users there.
    static let destinations = ["sqlite", "postgresql", "http", "users"]
    static let allRows = "abcdefghijkmnp"

    static let help = """
        Usage: Benchmarks [--full] [--rows LETTERS] [--pairs N] [--seconds S] [--envelopes N] [--backlog N]
                          [--into NAME] [--entries N] [--old N] [--users N] [--relay BINARY]
                          [--json FILE] [--verbose]

        Measures the release binary over real sockets; docs/PERFORMANCE.md says what each row means.
          --full           five longer runs, and 1,000,000 stored events
          --rows abc       these rows only, of \(allRows)
          --pairs N        runs of each row, each with its baseline (1)
          --seconds S      of load in one run (3)
          --envelopes N    different envelopes of one event; also bounds a run (80000)
          --backlog N      stored events that sinks drain in row e (30000)
          --into NAME      drains them into this only: \(destinations.joined(separator: ", "))
          --entries N      stored events that wait in row f (200000)
          --old N          entries of the old journal of row j (200000)
          --users N        users that row e's big table holds already (300000)
          --relay BINARY   the relay to measure; the one beside this program without it
          --json FILE      where the figures go as JSON, after each of them (bench.json)
          --verbose        prints each run
        Rows h and k compare with Node and with Fluent Bit, and say so where those are not installed.
        """

    init(_ arguments: [String]) throws {
        if arguments.contains("--full") {
            (pairs, seconds, envelopes, backlog) = (5, 8, 250_000, 1_000_000)
            (entries, oldEntries, users) = (1_000_000, 10_000_000, 1_000_000)
        }
        var rest = arguments[...]
        while let word = rest.popFirst() {
            switch word {
            case "--full": continue
            case "--verbose": isVerbose = true
            default: try set(word, rest.popFirst())
            }
        }
    }

    private mutating func set(_ word: String, _ value: String?) throws {
        func text() throws -> String {
            guard let value, !value.isEmpty else { throw UsageError("\(word) needs a value") }
            return value
        }
        func number<N: LosslessStringConvertible & Comparable>(_ range: ClosedRange<N>) throws -> N {
            guard let number = N(try text()), range.contains(number) else {
                throw UsageError("\(word) takes a number from \(range.lowerBound) to \(range.upperBound)")
            }
            return number
        }
        switch word {
        case "--pairs": pairs = try number(1...1_000)
        case "--seconds": seconds = try number(0.1...3_600)
        case "--envelopes": envelopes = try number(1_000...1_000_000)
        case "--backlog": backlog = try number(1...1_000_000)
        case "--into":
            into = try text()
            guard Self.destinations.contains(try text()) else {
                throw UsageError("--into takes one of \(Self.destinations.joined(separator: ", "))")
            }
        case "--entries": entries = try number(1...1_000_000)
        case "--old": oldEntries = try number(1...10_000_000)
        case "--users": users = try number(1...10_000_000)
        case "--relay": relay = try text()
        case "--json": jsonPath = try text()
        case "--rows":
            rows = try text()
            if let unknown = rows.first(where: { !Self.allRows.contains($0) }) {
                throw UsageError("there is no row \(unknown)")
            }
        default: throw UsageError("there is no option \(word)")
        }
    }

    func has(_ row: Character) -> Bool { rows.contains(row) }

    func drains(into destination: String) -> Bool { into == nil || into == destination }
}

/// What is wrong with the command's words.
struct UsageError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
