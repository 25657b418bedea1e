import Config
import JSON
import Rules
import Synchronization
import Testing

@testable import OktaRelay

/// SIGHUP, sent to the real process.
@Suite(.timeLimit(.minutes(1))) struct ReloadTests {
    @Test func aSinkThatIsAddedUnderTrafficGetsAllThatComesFromThenOn() async throws {
        try await ReloadFixture.run { relay in
            let port = relay.intakePort
            let traffic = Traffic(port: port)
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for _ in 0..<3 { tasks.addTask { try await traffic.run() } }
                await traffic.reached(50)
                let before = traffic.acknowledged
                var parts = ReloadFixture.Parts()
                parts.sinks.append(("second", "two"))
                parts.rules.append(("*", ["second"]))
                try relay.write(parts)
                try await relay.reload()
                let started = traffic.started
                await traffic.reached(traffic.acknowledged.count + 50)
                traffic.stop()
                try await tasks.waitForAll()
                try await relay.drained()
                let all = traffic.acknowledged
                #expect(try await relay.events(at: "first").sorted() == all.sorted())
                let second = Set(try await relay.events(at: "second"))
                #expect(try await relay.routed(to: "second") == second)
                #expect(second.isDisjoint(with: before))
                #expect(second.isSuperset(of: Set(all).subtracting(started)))
            }
        }
    }

    @Test func aSinkThatChangesUnderTrafficLosesAndDoublesNothing() async throws {
        try await ReloadFixture.run { relay in
            let traffic = Traffic(port: relay.intakePort)
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for _ in 0..<3 { tasks.addTask { try await traffic.run() } }
                var parts = ReloadFixture.Parts()
                for turn in 1...6 {
                    await traffic.reached(turn * 30)
                    parts.sinks = [("first", turn % 2 == 0 ? "one" : "two")]
                    try relay.write(parts)
                    try await relay.reload()
                }
                traffic.stop()
                try await tasks.waitForAll()
                try await relay.drained()
                // Another sink on the table that `first` has left, to look into it.
                parts.sinks.append(("other", "two"))
                try relay.write(parts)
                try await relay.reload()
                let (one, two) = (try await relay.events(at: "first"), try await relay.events(at: "other"))
                #expect(!one.isEmpty && !two.isEmpty)
                #expect((one + two).sorted() == traffic.acknowledged.sorted())
            }
        }
    }

    @Test func aBrokenFileChangesNothingAndSaysWhy() async throws {
        try await ReloadFixture.run { relay in
            try relay.write(config: "{ \"server\": {},\n  \"sinks\": ")
            relay.hangUp()
            #expect(try await relay.logged("not JSON").contains("sinks.json:2:"))
            try await relay.logged("nothing has changed")
            #expect(try await ReloadFixture.post("a", port: relay.intakePort) == 200)

            var parts = ReloadFixture.Parts()
            parts.rules = [("*", ["nowhere"])]
            parts.sinks.append(("unused", "three"))
            try relay.write(parts)
            relay.hangUp()
            #expect(try await relay.logged("/rules/0/sinks/0").contains("nowhere"))
            try await relay.logged("nothing has changed")
            #expect(try await ReloadFixture.post("bb", port: relay.intakePort) == 200)
            try await relay.drained()
            #expect(try await relay.events(at: "first").sorted() == ["a", "bb"])
            #expect(try await relay.admin("/sinks/unused/rows").status == 404)
            #expect(!relay.log.contains { $0.contains("hook-secret-1") || $0.contains("admin-token-1") })
        }
    }

    @Test func secretsInFilesAreReadAgain() async throws {
        try await ReloadFixture.run { relay in
            let port = relay.intakePort
            #expect(try await ReloadFixture.post("a", port: port) == 200)
            try relay.write(secret: "hook-secret-2")
            try relay.write(adminToken: "admin-token-2")
            #expect(try await ReloadFixture.post("b", secret: "hook-secret-2", port: port) == 401)
            try await relay.reload()
            #expect(try await ReloadFixture.post("c", port: port) == 401)
            #expect(try await ReloadFixture.post("d", secret: "hook-secret-2", port: port) == 200)
            #expect(try await relay.admin("/status").status == 401)
            #expect(try await relay.admin("/status", token: "admin-token-2").status == 200)
            #expect(!relay.log.contains { $0.contains("hook-secret") || $0.contains("admin-token") })
        }
    }

    @Test func rulesChangeAndKeysThatCannotAreNamed() async throws {
        try await ReloadFixture.run { relay in
            let port = relay.intakePort
            var parts = ReloadFixture.Parts()
            parts.server = #"{ "listen": "127.0.0.1:1", "maxBody": "2KiB" }"#
            parts.sinks = [("second", "two")]
            parts.rules = [("user.session.*", ["second"])]
            try relay.write(parts)
            relay.hangUp()
            #expect(try await relay.logged("need a restart").contains("server.listen"))
            try await relay.logged("the config file was taken over")
            #expect(try await ReloadFixture.post("a", type: "user.lifecycle.create", port: port) == 200)
            #expect(try await ReloadFixture.post("b", type: "user.session.start", port: port) == 200)
            #expect(try await ReloadFixture.post(String(repeating: "c", count: 3_000), port: port) == 413)
            try await relay.drained()
            #expect(try await relay.events(at: "second") == ["b"])
            let status = try await relay.admin("/status").json
            #expect(status["events"]?["unrouted"]?.int == 1)
            #expect(try await relay.admin("/sinks/first/rows").status == 404)
        }
    }

    @Test func onlySinksThatDifferAreTouched() throws {
        func sink(_ name: String, table: String = "t", isEnabled: Bool = true) -> SinkConfiguration {
            SinkConfiguration(
                name: name, isEnabled: isEnabled,
                kind: .sqlite(
                    SQLiteSinkConfiguration(path: "/tmp/a", table: TableConfiguration(name: table))))
        }
        let old = ["same", "table", "gone", "off", "ended"].map { sink($0) } + [sink("on", isEnabled: false)]
        let new =
            [sink("same"), sink("table", table: "u"), sink("off", isEnabled: false), sink("ended")]
            + [sink("on"), sink("new")]
        let change = SinkChange(from: old, to: new, delivering: ["same", "table", "gone", "off"])
        #expect(change.added.map(\.name) == ["on", "new"])
        #expect(change.changed.map(\.name) == ["table", "ended"])
        #expect(change.removed == ["gone", "off"])
    }
}

/// Events that are posted one after another until somebody says stop.
private final class Traffic: Sendable {
    private struct State {
        var next = 0
        var acknowledged: [String] = []
        var isStopped = false
        var waiting: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
    }

    private let port: Int
    private let state = Mutex(State())

    init(port: Int) { self.port = port }

    /// Events that were answered with 200.
    var acknowledged: [String] { state.withLock(\.acknowledged) }
    /// Events that have been sent, or are about to be.
    var started: Set<String> { state.withLock { state in Set((0..<state.next).map { "e\($0)" }) } }

    func stop() { state.withLock { $0.isStopped = true } }

    /// Waits until that many were acknowledged.
    func reached(_ count: Int) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let reached = state.withLock { state in
                    state.waiting.append((count, continuation))
                    return state.acknowledged.count
                }
                resume { $0 <= reached || Task.isCancelled }
            }
        } onCancel: {
            resume { _ in true }
        }
    }

    /// Lets those who wait for such counts go on.
    private func resume(_ isDue: (Int) -> Bool) {
        let due = state.withLock { state in
            let due = state.waiting.filter { isDue($0.count) }
            state.waiting.removeAll { isDue($0.count) }
            return due
        }
        for waiter in due { waiter.continuation.resume() }
    }

    func run() async throws {
        // Nothing more comes from here, so nobody is to wait for it.
        defer { resume { _ in true } }
        while let id = next() {
            let status = try await ReloadFixture.post(id, port: port)
            try #require(status == 200)
            let reached = state.withLock { state in
                state.acknowledged.append(id)
                return state.acknowledged.count
            }
            resume { $0 <= reached }
        }
    }

    /// Bounded, should nobody say stop.
    private func next() -> String? {
        state.withLock { state in
            guard !state.isStopped, state.next < 900 else { return nil }
            defer { state.next += 1 }
            return "e\(state.next)"
        }
    }
}
