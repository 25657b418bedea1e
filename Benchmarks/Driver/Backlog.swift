import Config
import Dispatch
import Foundation
import Relay
import Rules
import Synchronization

/// Journals that hold entries already, made by the journal's own code in this process.
enum Backlog {
    /// Bytes that a journal may take: 10,000,000 events, which take 25 GB, give nothing up.
    static let sizeMax = 100 << 30

    /// Writes a journal in which every event waits for each of the sinks.
    static func write(_ events: some Sequence<Event>, to path: String, waitingFor sinks: [String]) throws {
        let batches = Batches(events)
        try block {
            let limits = JournalConfiguration(path: path, sizeMax: sizeMax)
            let journal = try await SQLiteJournal(limits, clock: SystemClock())
            for sink in sinks { _ = try await journal.lease(sink) }
            let route = Route(choices: sinks.map { Route.Choice(sink: $0, rule: "all") })
            while let batch = batches.next() {
                let routed = batch.map { Submission.RoutedEvent(event: $0, route: route) }
                _ = try await journal.append(Submission(events: routed))
            }
            await journal.close()
        }
    }

    /// Runs async work from this program's one synchronous thread.
    static func block<T: Sendable>(_ work: @escaping @Sendable () async throws -> T) throws -> T {
        let done = DispatchSemaphore(value: 0)
        let result = Mutex<Result<T, any Error>>(.failure(CancellationError()))
        // The semaphore below waits for it.
        Task {
            do {
                let value = try await work()
                result.withLock { $0 = .success(value) }
            } catch {
                result.withLock { $0 = .failure(error) }
            }
            done.signal()
        }
        done.wait()
        return try result.withLock { try $0.get() }
    }
}

/// A sequence in pieces of 500, for one reader at a time.
///
/// `@unchecked`: made by one thread, which waits while the task that reads it runs.
private final class Batches: @unchecked Sendable {
    private let nextEvent: () -> Event?

    init(_ events: some Sequence<Event>) {
        var iterator = events.makeIterator()
        nextEvent = { iterator.next() }
    }

    /// The next piece; nil behind the last one.
    func next() -> [Event]? {
        var batch: [Event] = []
        while batch.count < 500, let event = nextEvent() { batch.append(event) }
        return batch.isEmpty ? nil : batch
    }
}
