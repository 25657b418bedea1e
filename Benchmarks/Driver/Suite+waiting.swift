import Foundation

/// The rows about a journal that is full of events that wait.
extension Suite {
    /// Row f: starting with a backlog, the memory it takes, and how soon a relay that was killed delivers.
    func startRows() throws {
        let sink = "crm"
        let stored = try makeFolder()
        try Backlog.write(
            source.stored(options.entries), to: "\(stored)/journal.sqlite", waitingFor: [sink])
        var (idle, empty, more, pauses): ([Double], [Double], [Double], [Double]) = ([], [], [], [])
        for _ in 0..<options.pairs {
            // It takes connections and never answers, so that everything waits.
            let silent = try SilentServer()
            let sinks = [(sink, Self.httpSink(port: silent.port))]
            idle.append(try idleMegabytes())
            let first = try emptyStart(sinks)
            let relay = try RelayProcess(self.relay, folder: stored, sinks: sinks)
            defer { relay.stop() }
            empty.append(first)
            more.append(relay.startSeconds * 1_000 - first)
            try silent.waitForRequest()
            // It reads ahead of what waits.
            usleep(1_000_000)
            notePeak("f", of: relay)
            let start = monotonic()
            relay.stop()
            silent.forgetConnections()
            let next = try RelayProcess(self.relay, folder: stored, sinks: sinks, waits: false)
            defer { next.stop() }
            try silent.waitForRequest()
            pauses.append(Double(monotonic() - start) / 1e6)
        }
        try add(Figure("f. memory, idle, 1.5 s after the start", "MB", runs: idle, atMost: 30))
        try add(Figure("f. start, empty journal", "ms", runs: empty))
        try add(Figure("f. start, \(options.entries) events waiting: more", "ms", runs: more, atMost: 500))
        try add(Figure("f. from kill -9 to the next delivery", "ms", runs: pauses))
    }

    /// Resident memory of a relay that has nothing to do, when what only the start needed is given back.
    private func idleMegabytes() throws -> Double {
        let folder = try makeFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let relay = try RelayProcess(self.relay, folder: folder, sinks: [])
        defer { relay.stop() }
        usleep(1_500_000)
        return relay.residentMegabytes
    }

    /// Milliseconds of a start with an empty journal, which an earlier start has made.
    private func emptyStart(_ sinks: [(name: String, settings: String)]) throws -> Double {
        let folder = try makeFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try RelayProcess(self.relay, folder: folder, sinks: sinks).stop(isGraceful: true)
        let relay = try RelayProcess(self.relay, folder: folder, sinks: sinks)
        defer { relay.stop() }
        return relay.startSeconds * 1_000
    }
}

/// An endpoint that takes requests and answers none.
final class SilentServer {
    let port: Int
    private let listener: Int32
    private var connections: [Int32] = []

    init() throws {
        (listener, port) = try Sockets.listen()
    }

    deinit { for descriptor in connections + [listener] { close(descriptor) } }

    /// Waits for a request on a connection that nobody has seen yet.
    func waitForRequest() throws {
        var byte: UInt8 = 0
        guard let descriptor = accept(within: 60_000), recv(descriptor, &byte, 1, 0) == 1 else {
            throw BenchmarkError("no request came within a minute")
        }
    }

    /// Whoever was connected is gone: what comes from now on is somebody else's.
    func forgetConnections() {
        while accept(within: 0) != nil {}
        for descriptor in connections { close(descriptor) }
        connections = []
    }

    private func accept(within milliseconds: Int32) -> Int32? {
        var ready = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
        guard poll(&ready, 1, milliseconds) > 0 else { return nil }
        let descriptor = Glibc.accept(listener, nil, nil)
        guard descriptor >= 0 else { return nil }
        connections.append(descriptor)
        return descriptor
    }
}
