import Foundation
import JSON
import Relay
import RelayTesting
import Synchronization
import Testing

/// More connections than the relay may have files open: it refuses what is too much, and does not die of it.
@Suite(.timeLimit(.minutes(1))) struct DescriptorTests {
    private let receiver: HTTPReceiver
    private let setup: RelaySetup

    init() throws {
        receiver = try HTTPReceiver()
        setup = try RelaySetup(
            sinks: [Destinations.sqlite, Destinations.messages(receiver.url)].joined(separator: ","),
            rules: Destinations.rule(to: "users", "audit", "feed"))
    }

    @Test func itKeepsDescriptorsForItselfAndTakesConnectionsAgainWhenSomeAreClosed() async throws {
        defer { receiver.stop() }
        let relay = try await setup.start(openFilesMax: 240)
        #expect(relay.log.contains("the limit of open files is too low for server.maxConnections"))
        let pid = try #require(relay.pid)
        // More than it may have. Who is connected already goes on, and so do the sinks.
        let (sender, idle) = try await send(to: setup, seed: 3) {
            try IdleConnections(300, port: setup.port)
        }
        #expect(sender.isDone)
        try await setup.waitUntilSettled()
        let started = try Self.cpuTime(of: pid)
        try await SystemClock().sleep(for: .seconds(1))
        let used = try Self.cpuTime(of: pid) - started
        #expect(used < .milliseconds(500), "\(used) of a second, with nothing to do")
        let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd").count
        #expect(open < 240 - 20, "\(open)")

        // Another is heard once there is room.
        idle.close()
        let more = PatientSender(
            .init(users: 20, events: 40, batchMax: 4, seed: 4, start: 1_772_000_000_000_000_000))
        for _ in 0..<400 where !more.isDone {
            await more.send(to: setup.target)
            try await SystemClock().sleep(for: .milliseconds(5))
        }
        #expect(more.isDone)
        try await setup.waitUntilSettled()
        #expect(await relay.stop() == 0, "\(relay.log)")
        let ids = (Array(sender.events.keys) + more.events.keys).sorted()
        let rows = try await Rows.sqlite(
            setup.folder.file("users.sqlite"), "SELECT event_id FROM events ORDER BY event_id")
        #expect(rows.map { $0[0] } == ids)
        #expect(receiver.requests.count == ids.count)
    }

    /// No descriptor is left for anything while events come in and go out: each delivery needs a connection
    /// of its own.
    ///
    /// Who is connected is served, and what needs a descriptor waits.
    @Test func whereNoneIsLeftItWaitsAndGoesOn() async throws {
        receiver.stop()
        // It says that it closes: otherwise a kept connection might be taken again just when it does, and the
        // sink would be unavailable for that.
        let closing = try HTTPReceiver { _ in .respond(200, headers: ["Connection: close"], closes: true) }
        defer { closing.stop() }
        let setup = try RelaySetup(
            sinks: [Destinations.sqlite, Destinations.messages(closing.url)].joined(separator: ","),
            rules: Destinations.rule(to: "users", "audit", "feed"))
        let relay = try await setup.start(openFilesMax: 240)
        let pid = try #require(relay.pid)
        // Swift's own pool would look at its threads once a second, while there is work for them.
        let (sender, _) = try await send(4_000, to: setup, seed: 5) {
            try Self.limitOpenFiles(of: pid, to: 3)
        }
        let stranger = try? await onOwnThread { try IdleConnections(1, port: setup.port) }
        await relay.waitForLog("no connection can be taken for now")
        await relay.waitForLog("no connection can be opened: Too many open files")
        stranger?.close()
        #expect(relay.exitStatus == nil, "\(relay.log)")

        try await onOwnThread { try Self.limitOpenFiles(of: pid, to: 240) }
        try await waitUntil(every: .milliseconds(20)) { await setup.isHealthy() }
        await sender.send(to: setup.target)
        #expect(sender.isDone, "\(relay.log)")
        try await setup.waitUntilSettled()
        let status = try await setup.status()
        for sink in ["users", "audit", "feed"] { #expect(status.sink(sink)?["dead"]?.int == 0) }
        #expect(await relay.stop() == 0, "\(relay.log)")
        let ids = sender.events.keys.sorted()
        let rows = try await Rows.sqlite(
            setup.folder.file("users.sqlite"), "SELECT event_id FROM events ORDER BY event_id")
        #expect(rows.map { $0[0] } == ids)
        #expect(Set(closing.requests.compactMap { $0.header("idempotency-key") }).count == ids.count)
    }

    @Test func withTooFewItSaysSoAndDoesNotStart() async throws {
        defer { receiver.stop() }
        do {
            _ = try await setup.start(openFilesMax: 64)
            Issue.record("it started")
        } catch let error as RelayProcessError {
            #expect(error.description.contains("the limit of open files is 64, and this config needs at"))
        }
    }

    /// Sends events once, and does something when a hundred of them are there.
    private func send<Result: Sendable>(
        _ count: Int = 400, to setup: RelaySetup, seed: UInt64,
        meanwhile body: @escaping @Sendable () throws -> Result
    ) async throws -> (PatientSender, Result) {
        let sender = PatientSender(
            .init(users: 20, events: count, batchMax: 4, seed: seed, start: 1_772_000_000_000_000_000))
        let before = sender.milestone(100)
        async let traffic: Void = sender.send(to: setup.target)
        for await _ in before {}
        let result = try await onOwnThread(body)
        await traffic
        return (sender, result)
    }

    /// Has a process that is running open no more files than that, for as long as it is not given another
    /// limit.
    private static func limitOpenFiles(of pid: pid_t, to count: Int) throws {
        try SystemCommand.run("prlimit", "--pid", "\(pid)", "--nofile=\(count):")
    }

    /// What the process has used of all cores since it began.
    private static func cpuTime(of pid: pid_t) throws -> Duration {
        let stat = try String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
        // Behind the name, which may hold anything: state is the third field, utime and stime 14 and 15.
        let fields = stat.split(separator: ")").last?.split(separator: " ") ?? []
        let ticks = try #require(Int(fields[11])) + #require(Int(fields[12]))
        return .milliseconds(ticks * 1_000 / sysconf(Int32(_SC_CLK_TCK)))
    }
}

/// Connections that say nothing.
private final class IdleConnections: Sendable {
    private let descriptors = Mutex<[Int32]>([])

    init(_ count: Int, port: Int) throws {
        for _ in 0..<count { try open(port) }
    }

    private func open(_ port: Int) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw POSIXError.ofLastCall }
        descriptors.withLock { $0.append(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        address.sin_port = in_port_t(port).bigEndian
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isConnected else { throw POSIXError.ofLastCall }
    }

    func close() {
        descriptors.withLock { descriptors in
            for descriptor in descriptors { Foundation.close(descriptor) }
            descriptors = []
        }
    }

    deinit { close() }
}
