import Foundation

/// `load`: sends a pool's requests over kept-alive connections from one thread, and prints what it saw.
///
/// Without `--rate` each connection sends its next request as soon as the last one is answered. With it
/// requests are due at fixed times, and the latency counts from when a request was due, not from when a
/// connection was free for it: a server that stalls cannot hide it. What was due is sent even when the time
/// is over, so it cannot hide a stall at the end either. With `--again` the pool begins anew after its end.
struct LoadGenerator {
    private struct Connection {
        var descriptor: Int32
        /// The request of the pool that it sends.
        var request = 0
        var start: Int64 = 0
        var isBusy = false
        var unsent: Range<Int> = 0..<0
        var received: [UInt8] = []
    }

    /// Nanoseconds after the run's time within which what was due must be sent, and what was sent answered.
    private static let patience: Int64 = 10_000_000_000

    private let pool: RequestPool
    /// Nanoseconds that the run takes.
    private let length: Int64
    /// Nanoseconds between two requests.
    private let interval: Double?
    /// The requests of the pool that the run may send.
    private let requests: Range<Int>
    private var connections: [Connection] = []
    private var polls: [pollfd] = []
    private var next: Int
    private var latencies: [Int64] = []
    private var failures = 0
    /// Where the acknowledged requests' places in the pool are written, one a line; nowhere where nil.
    private let listPath: String?
    private var acknowledged: [Int] = []

    init(_ arguments: [String]) throws {
        func value(_ name: String) -> String? {
            arguments.firstIndex(of: name).flatMap { $0 + 1 < arguments.count ? arguments[$0 + 1] : nil }
        }
        guard let path = value("--pool"), let port = value("--port").flatMap({ Int($0) }) else {
            throw BenchmarkError("load needs --pool and --port")
        }
        pool = try RequestPool(mapping: path)
        listPath = value("--acknowledged")
        let seconds = value("--seconds").flatMap { Double($0) } ?? 3
        let rate = value("--rate").flatMap { Double($0) }
        length = Int64(seconds * 1e9)
        interval = rate.map { 1e9 / $0 }
        let first = value("--first").flatMap { Int($0) } ?? 0
        let repeats = arguments.contains("--again")
        let end = rate.map { first + Int(($0 * seconds).rounded(.up)) } ?? (repeats ? .max : pool.count)
        guard first < end, repeats || end <= pool.count else {
            throw BenchmarkError("a run needs more than \(pool.count) requests: raise --envelopes")
        }
        requests = first..<end
        next = first
        for _ in 0..<(value("--connections").flatMap { Int($0) } ?? 64) {
            let descriptor = try Sockets.connect(port: port)
            Sockets.setNonBlocking(descriptor)
            connections.append(Connection(descriptor: descriptor))
            polls.append(pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0))
        }
        latencies.reserveCapacity(min(requests.count, pool.count))
    }

    consuming func run() throws {
        var load = self
        let start = monotonic()
        load.drive(from: start)
        let took = Double(monotonic() - start) / 1e9
        if let path = load.listPath {
            let list = load.acknowledged.map { "\($0)\n" }.joined()
            try list.write(toFile: path, atomically: false, encoding: .utf8)
        }
        load.latencies.sort()
        let result = LoadResult(
            requests: load.latencies.count, failures: load.failures,
            unsent: load.interval == nil ? 0 : load.requests.upperBound - load.next, seconds: took,
            p50: load.percentile(0.5), p99: load.percentile(0.99), max: load.percentile(1))
        say(String(decoding: try JSONEncoder().encode(result), as: UTF8.self))
    }

    private func percentile(_ share: Double) -> Double {
        guard !latencies.isEmpty else { return 0 }
        return Double(latencies[min(latencies.count - 1, Int(Double(latencies.count) * share))]) / 1e6
    }

    private mutating func drive(from start: Int64) {
        let deadline = start + length
        var busy = 0
        while true {
            let now = monotonic()
            let isOver = next >= requests.upperBound || (interval == nil && now >= deadline)
            if isOver, busy == 0 { return }
            // A server that was killed takes no connection again.
            guard connections.contains(where: { $0.descriptor >= 0 }) else { return }
            guard now < deadline + Self.patience else {
                failures += busy
                return
            }
            if !isOver { busy += sendDue(now, from: start) }
            let timeout: Int32 = interval == nil ? 1_000 : 1
            guard poll(&polls, nfds_t(polls.count), timeout) > 0 else { continue }
            for index in connections.indices where polls[index].revents != 0 {
                if polls[index].revents & Int16(POLLOUT) != 0 { send(index) }
                if polls[index].revents & ~Int16(POLLOUT) != 0, receive(index) { busy -= 1 }
            }
        }
    }

    /// Starts what is due on connections that are free; answers how many.
    private mutating func sendDue(_ now: Int64, from start: Int64) -> Int {
        var started = 0
        for index in connections.indices
        where !connections[index].isBusy && connections[index].descriptor >= 0 {
            guard next < requests.upperBound else { break }
            var due = now
            if let interval {
                due = start + Int64(Double(next - requests.lowerBound) * interval)
                guard due <= now else { break }
            }
            connections[index].isBusy = true
            connections[index].start = due
            connections[index].request = next
            connections[index].unsent = pool[next % pool.count]
            next += 1
            started += 1
            send(index)
        }
        return started
    }

    private mutating func send(_ index: Int) {
        let range = connections[index].unsent
        let sent = pool.withBytes(range) {
            Glibc.send(connections[index].descriptor, $0.baseAddress, $0.count, 0)
        }
        if sent > 0 { connections[index].unsent = (range.lowerBound + sent)..<range.upperBound }
        let isDone = connections[index].unsent.isEmpty
        polls[index].events = Int16(POLLIN) | (isDone ? 0 : Int16(POLLOUT))
    }

    /// Answers whether a request came to its end.
    private mutating func receive(_ index: Int) -> Bool {
        var ended = false
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 4_096) { chunk in
            let count = recv(connections[index].descriptor, chunk.baseAddress, chunk.count, 0)
            guard count > 0 else {
                guard count == 0 || errno != EAGAIN else { return }
                // A closed connection is a failure; the run goes on with the others.
                close(connections[index].descriptor)
                connections[index].descriptor = -1
                polls[index].fd = -1
                if connections[index].isBusy { (failures, ended) = (failures + 1, true) }
                return
            }
            connections[index].received.append(contentsOf: chunk[..<count])
        }
        // An acknowledgement has no body, so its head is all of it.
        guard connections[index].received.suffix(4).elementsEqual("\r\n\r\n".utf8) else { return ended }
        let isAcknowledged = connections[index].received.starts(with: "HTTP/1.1 200".utf8)
        if isAcknowledged {
            latencies.append(monotonic() - connections[index].start)
            if listPath != nil { acknowledged.append(connections[index].request) }
        } else {
            failures += 1
        }
        connections[index].received.removeAll(keepingCapacity: true)
        connections[index].isBusy = false
        return true
    }
}

/// What one run of the load generator saw; times in milliseconds.
struct LoadResult: Codable {
    /// Requests that were acknowledged.
    var requests: Int
    var failures: Int
    /// Requests that were due and could not be sent within some seconds after the run's end.
    var unsent: Int
    var seconds: Double
    var p50: Double
    var p99: Double
    var max: Double

    /// Processor time of the server in microseconds a request; whoever runs the generator looks at it.
    var processor = 0.0
    /// Deliveries that wait when the load ends.
    var waiting = 0

    var rate: Double { Double(requests) / seconds }

    private enum CodingKeys: String, CodingKey {
        case requests, failures, unsent, seconds, p50, p99, max
    }
}
