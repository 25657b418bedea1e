import Dispatch
import Foundation
import Relay
import Rules
import Synchronization

/// Journals that hold entries already, made by the journal's own code in this process.
enum Backlog {
    /// The sinks that every entry of a backlog waits for.
    static let sinks = ["sqlite-upsert", "sqlite-append", "pg-upsert", "pg-append", "http"]

    /// Writes a journal; the events come again under new ids until there are `count` entries.
    static func write(_ events: [Event], count: Int, to path: String, waitingFor sinks: [String]) throws {
        try block {
            let journal = try await SQLiteJournal(
                path: path, retention: .seconds(30 * 86_400), clock: SystemClock())
            for sink in sinks { _ = try await journal.lease(sink) }
            let route = Route(choices: sinks.map { Route.Choice(sink: $0, rule: "all") })
            var written = 0
            while written < count {
                let chunk = events[(written % events.count)...].prefix(min(500, count - written))
                let org = "okta\(written / events.count)"
                let routed = try chunk.map { event in
                    let copy = try Event(
                        body: event.body, hook: "okta", org: org, receivedAt: event.receivedAt)
                    return Submission.RoutedEvent(event: copy, route: route)
                }
                _ = try await journal.append(Submission(events: routed))
                written += chunk.count
            }
            await journal.close()
        }
    }

    /// Runs async work from this program's one synchronous thread.
    private static func block(_ work: @escaping @Sendable () async throws -> Void) throws {
        let done = DispatchSemaphore(value: 0)
        let failure = Mutex<(any Error)?>(nil)
        // The semaphore below waits for it.
        Task {
            do { try await work() } catch { failure.withLock { $0 = error } }
            done.signal()
        }
        done.wait()
        if let error = failure.withLock({ $0 }) { throw error }
    }
}
