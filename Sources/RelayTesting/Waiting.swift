import Relay

/// Waits until something holds: it is asked again and again.
///
/// It ends with an error where the test is cancelled, as its time limit does; a loop of one's own would go on
/// for as long as CI lets it.
///
/// - Parameter pause: Between two tries, where each costs something, such as a connection to another process.
public func waitUntil(
    every pause: Duration? = nil, _ condition: () async throws -> Bool
) async throws {
    while try await !condition() {
        try Task.checkCancellation()
        if let pause { try await SystemClock().sleep(for: pause) } else { await Task.yield() }
    }
}

/// Runs what blocks on a thread of its own, and returns what it returns.
///
/// Swift's pool has as many threads as the machine has cores. While tests block them, no other goes on, and
/// whatever they measure is wrong.
public func onOwnThread<Value: Sendable>(
    _ body: @escaping @Sendable () throws -> Value
) async throws -> Value {
    try await SerialThread(name: "test").run(body)
}
