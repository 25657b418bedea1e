import Foundation

/// The rows about a journal that is full of events that wait.
extension Suite {
    /// Row f: starting with a backlog, the memory it takes, and how soon a relay that was killed delivers.
    func startRows() throws {
        let sink = "crm"
        let stored = try makeFolder()
        try Backlog.write(
            source.stored(options.entries), to: "\(stored)/journal.sqlite", waitingFor: [sink])
        var (empty, more, memory, pauses): ([Double], [Double], [Double], [Double]) = ([], [], [], [])
        for _ in 0..<options.pairs {
            // It takes connections and never answers, so that everything waits.
            let silent = try SilentServer()
            let settings = Self.httpSink(port: silent.port)
            let first = try withRelay([(sink, settings)]) { $0.startSeconds * 1_000 }
            let relay = try RelayProcess(self.relay, folder: stored, sinks: [(sink, settings)])
            defer { relay.stop() }
            empty.append(first)
            more.append(relay.startSeconds * 1_000 - first)
            try silent.waitForRequest()
            memory.append(relay.peakMegabytes)
            let start = monotonic()
            relay.stop()
            silent.forgetConnections()
            let next = try RelayProcess(self.relay, folder: stored, sinks: [(sink, settings)], waits: false)
            defer { next.stop() }
            try silent.waitForRequest()
            pauses.append(Double(monotonic() - start) / 1e6)
        }
        add(Figure("f. start, empty journal", "ms", runs: empty))
        add(Figure("f. start, \(options.entries) events waiting: more", "ms", runs: more, atMost: 500))
        add(Figure("f. most memory, with them", "MB", runs: memory, atMost: 120))
        add(Figure("f. from kill -9 to the next delivery", "ms", runs: pauses))
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
