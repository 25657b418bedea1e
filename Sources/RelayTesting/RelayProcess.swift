public import Foundation
import Synchronization

/// A real `okta-relay serve` in a process of its own, which ends with the test, however that ends.
///
/// A small shell stands between: it waits on a pipe whose other end only the test's process has, and kills
/// the relay when the pipe closes.
public final class RelayProcess: Sendable {
    private struct State {
        var log = ""
        var pid: pid_t?
        /// The exit code, or 128 and the signal's number.
        var status: Int32?
        /// Each is told of every change.
        var waiting: [Int: AsyncStream<Void>.Continuation] = [:]
        var lastWaiting = 0
    }

    private let state = Mutex(State())
    /// Whoever reads from standard error takes it, so that what is read stays in order.
    private let logTurn = Mutex(())
    private let life = Pipe()

    /// Prints the relay's process id first; whatever ends the wait, nothing is left running.
    private static let script = """
        exec 3<&0
        "$@" </dev/null 3<&- &
        pid=$!
        echo "$pid"
        (read -r _ <&3; kill -KILL "$pid") >/dev/null 2>&1 &
        watcher=$!
        wait "$pid"
        status=$?
        kill "$watcher" 2>/dev/null
        exit "$status"
        """

    /// What the relay says last when both of its listeners take requests.
    private static let readyLine = "The operator's side is at"

    /// Starts the relay, and returns when it takes requests.
    ///
    /// - Parameters:
    ///   - config: The config file's path.
    ///   - arguments: Further ones of `serve`.
    ///   - folder: The working directory.
    ///   - openFilesMax: Descriptors that it may have; nil leaves what this process has.
    ///   - waitsUntilReady: False returns when the process is there, whatever it is doing.
    /// - Throws: What the relay said, where it ended instead.
    public init(
        config: String, arguments: [String] = [], in folder: String, openFilesMax: Int? = nil,
        waitsUntilReady: Bool = true
    ) async throws {
        let process = Process()
        let output = Pipe()
        let errors = Pipe()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        let limit = openFilesMax.map { "ulimit -n \($0)\n" } ?? ""
        process.arguments =
            ["-c", limit + Self.script, "relay", try RelayBinary.path(), "serve", "--config", config]
            + arguments
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        process.standardInput = life
        process.standardOutput = output
        process.standardError = errors
        output.fileHandleForReading.readabilityHandler = { [weak self] handle in
            guard let self else { return handle.readabilityHandler = nil }
            readPid(handle)
        }
        // Whatever is there is taken, and nothing waited for.
        let log = errors.fileHandleForReading
        _ = fcntl(log.fileDescriptor, F_SETFL, O_NONBLOCK)
        log.readabilityHandler = { [weak self] handle in
            guard let self else { return handle.readabilityHandler = nil }
            readLog(handle)
        }
        process.terminationHandler = { [weak self] process in
            // Who sees that it has ended shall find its last words.
            self?.readLog(log)
            self?.change { $0.status = process.terminationStatus }
        }
        try process.runWithSignals()
        await wait { state in
            let isFarEnough = !waitsUntilReady || state.log.contains(Self.readyLine)
            return (isFarEnough && state.pid != nil) || state.status != nil
        }
        try Task.checkCancellation()
        if let status = exitStatus { throw RelayProcessError("serve ended with \(status):\n\(self.log)") }
    }

    deinit { try? life.fileHandleForWriting.close() }

    /// What it has written to standard error so far.
    public var log: String { state.withLock { $0.log } }

    /// Nil while it runs; the exit code, or 128 and the number of the signal that ended it.
    public var exitStatus: Int32? { state.withLock { $0.status } }

    /// The relay's own, not that of the shell before it; nil when it has ended.
    public var pid: pid_t? { state.withLock { $0.status == nil ? $0.pid : nil } }

    /// Asks it to stop (SIGTERM), and waits until it has.
    ///
    /// - Returns: The exit code; -1 where the test is cancelled meanwhile.
    @discardableResult
    public func stop() async -> Int32 { await end(SIGTERM) }

    /// Ends it at once (SIGKILL), as a crash would, and waits until it is gone.
    @discardableResult
    public func kill() async -> Int32 { await end(SIGKILL) }

    /// Sends a signal and does not wait.
    public func signal(_ signal: Int32) {
        if let pid { _ = Foundation.kill(pid, signal) }
    }

    /// Waits until it has written that, or has ended, or the test is cancelled.
    public func waitForLog(_ text: String) async {
        await wait { $0.log.contains(text) || $0.status != nil }
    }

    private func end(_ signal: Int32) async -> Int32 {
        self.signal(signal)
        await wait { $0.status != nil }
        return exitStatus ?? -1
    }

    // MARK: - Waiting

    private func readPid(_ handle: FileHandle) {
        let bytes = handle.availableData
        guard !bytes.isEmpty else {
            handle.readabilityHandler = nil
            return
        }
        let text = String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        change { $0.pid = $0.pid ?? pid_t(text) }
    }

    /// Takes what has been written by now.
    private func readLog(_ handle: FileHandle) {
        let isAtEnd = logTurn.withLock { _ in
            var bytes = [UInt8](repeating: 0, count: 64 * 1_024)
            var count = 0
            repeat {
                count = read(handle.fileDescriptor, &bytes, bytes.count)
                if count > 0 { change { $0.log += String(decoding: bytes[..<count], as: UTF8.self) } }
            } while count > 0 || (count < 0 && errno == EINTR)
            return count == 0
        }
        if isAtEnd { handle.readabilityHandler = nil }
    }

    private func change(_ body: (inout State) -> Void) {
        let waiting = state.withLock { state in
            body(&state)
            return state.waiting.values
        }
        for continuation in waiting { continuation.yield() }
    }

    /// Returns when the condition holds, or the test is cancelled; every change of the state asks it again.
    private func wait(until condition: @Sendable (borrowing State) -> Bool) async {
        let (changes, continuation) = AsyncStream.makeStream(
            of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let id = state.withLock { state in
            state.lastWaiting += 1
            state.waiting[state.lastWaiting] = continuation
            return state.lastWaiting
        }
        defer { state.withLock { $0.waiting[id] = nil } }
        continuation.yield()
        for await _ in changes where state.withLock({ condition($0) }) { return }
    }
}

/// Why there is no relay to test.
public struct RelayProcessError: Error, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}
