import Dispatch
import Foundation
import GRDB
import Synchronization

/// The one writer: a thread that owns the journal's write connection and commits all work that has gathered
/// in one transaction, so that one fsync serves many requests.
///
/// What arrives while a commit runs forms the next one, and commits keep a little apart (``CommitPace``).
/// Work that fails takes nothing of the others' with it: they run again without it, each behind a savepoint.
/// Callers get their answers only after the commit; where the commit fails, all of them fail.
final class GroupCommitter: Sendable {
    /// Work in one transaction at most; it bounds how long the first caller of a burst waits.
    static let workPerCommitMax = 512
    /// When this time is over, no more of it begins: a few settlements may take longer than all else.
    private static let commitNanosecondsMax: UInt64 = 20_000_000

    private struct State {
        var work: [any Work] = []
        var isClosed = false
        var hasEnded = false
        var closers: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())
    private let wake = DispatchSemaphore(value: 0)

    /// Starts the thread, which makes its writer itself: the writer never leaves it.
    ///
    /// Throws what that throws.
    init(makeWriter: @escaping @Sendable () throws -> JournalWriter) async throws(JournalError) {
        let failure: JournalError? = await withCheckedContinuation { opened in
            Thread.start(named: "journal") { self.open(makeWriter, opened) }
        }
        if let failure { throw failure }
    }

    /// Runs the body within the next transaction and returns its result once that is durable.
    func commit<T: Sendable>(
        _ body: @escaping @Sendable (JournalWriter) throws -> T
    ) async throws(JournalError) -> T {
        let result: Result<T, JournalError> = await withCheckedContinuation { continuation in
            commit(body) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }

    /// The same for a caller that does not wait: `answer` is called on the writer's thread.
    func commit<T: Sendable>(
        _ body: @escaping @Sendable (JournalWriter) throws -> T,
        answer: @escaping @Sendable (Result<T, JournalError>) -> Void
    ) {
        submit(Commit(body: body, answer: answer))
    }

    /// Lets everything that was submitted commit, then ends the thread; returns when it has ended.
    func close() async {
        await withCheckedContinuation { continuation in
            let hasEnded = state.withLock { state in
                state.isClosed = true
                if !state.hasEnded { state.closers.append(continuation) }
                return state.hasEnded
            }
            if hasEnded { continuation.resume() } else { wake.signal() }
        }
    }

    /// Has the thread look for work, and for what has become old, now.
    func wakeUp() { wake.signal() }

    private func submit(_ work: any Work) {
        let accepted = state.withLock { state in
            guard !state.isClosed else { return false }
            state.work.append(work)
            if state.work.count == 1 || state.work.count == CommitPace.enough { wake.signal() }
            return true
        }
        if !accepted { work.finish(.closed) }
    }

    // MARK: - On the thread

    private func open(
        _ makeWriter: () throws -> JournalWriter, _ opened: CheckedContinuation<JournalError?, Never>
    ) {
        do {
            let writer = try makeWriter()
            opened.resume(returning: nil)
            run(writer)
            writer.close()
        } catch {
            opened.resume(returning: JournalError(error))
        }
        let closers = state.withLock { state in
            state.hasEnded = true
            return state.closers
        }
        for closer in closers { closer.resume() }
    }

    /// Commits between two steps of retention, where the writer is never idle.
    private static let commitsPerStep = 64
    /// How often an idle writer looks whether something has become old.
    private static let idleLook = DispatchTimeInterval.seconds(30)

    private enum Turn {
        case commit([any Work])
        /// More may come within these nanoseconds.
        case gather(UInt64)
        case idle
        case end
    }

    private func run(_ writer: JournalWriter) {
        var pace = CommitPace()
        var commits = 0
        while true {
            switch turn(pace) {
            case .commit(let work):
                pace.begins(at: Self.now)
                commit(work, writer)
                commits += 1
                if commits.isMultiple(of: Self.commitsPerStep) { _ = writer.idleStep() }
            case .gather(let rest): _ = wake.wait(timeout: .now() + .nanoseconds(Int(rest)))
            case .idle:
                // Retention goes in small steps, and looks for work after each.
                if !writer.idleStep() { _ = wake.wait(timeout: .now() + Self.idleLook) }
            case .end: return
            }
        }
    }

    private func turn(_ pace: CommitPace) -> Turn {
        state.withLock { state in
            if state.work.isEmpty { return state.isClosed ? .end : .idle }
            let rest = state.isClosed ? 0 : pace.rest(gathered: state.work.count, at: Self.now)
            if rest > 0 { return .gather(rest) }
            let batch = Array(state.work.prefix(Self.workPerCommitMax))
            state.work.removeFirst(batch.count)
            return .commit(batch)
        }
    }

    private static var now: UInt64 { DispatchTime.now().uptimeNanoseconds }

    private func commit(_ batch: [any Work], _ writer: JournalWriter) {
        let failures = commitTogether(batch, writer)
        if failures.count < batch.count {
            state.withLock { $0.work.insert(contentsOf: batch[failures.count...], at: 0) }
        }
        for (work, failure) in zip(batch, failures) { work.finish(failure) }
        writer.afterCommit()
    }

    /// Nearly always nobody's work fails, and a savepoint for each would have SQLite copy every page that it
    /// touches; so they are set only when the whole has failed, and then all of it runs again.
    ///
    /// - Returns: What became of the first ones; there was no time for the others.
    private func commitTogether(_ batch: [any Work], _ writer: JournalWriter) -> [JournalError?] {
        var isCallersFailure = false
        var begun = 0
        do {
            try writer.transaction {
                do {
                    try forSomeTime(batch) { work in
                        begun += 1
                        try work.run(writer)
                    }
                } catch {
                    isCallersFailure = true
                    throw error
                }
            }
            return batch.prefix(begun).map { _ in nil }
        } catch {
            // A commit that failed is not tried again: the callers will, knowing that it did.
            if isCallersFailure, batch.count > 1 { return commitApart(batch, writer) }
            let failure = JournalError(error)
            return batch.prefix(begun > 0 ? begun : batch.count).map { _ in failure }
        }
    }

    /// The same with a savepoint per caller, so that who fails takes nothing of the others along.
    private func commitApart(_ batch: [any Work], _ writer: JournalWriter) -> [JournalError?] {
        var failures: [JournalError?] = []
        do {
            try writer.transaction {
                try forSomeTime(batch) { work in
                    do {
                        try writer.savepoint { try work.run(writer) }
                        failures.append(nil)
                    } catch {
                        guard writer.isInTransaction else { throw error }
                        failures.append(JournalError(error))
                    }
                }
            }
            return failures
        } catch {
            let failure = JournalError(error)
            return batch.map { _ in failure }
        }
    }

    /// At least the first.
    private func forSomeTime(_ batch: [any Work], _ body: (any Work) throws -> Void) rethrows {
        let end = Self.now + Self.commitNanosecondsMax
        for work in batch {
            try body(work)
            if Self.now >= end { return }
        }
    }
}

/// One caller's part of a transaction.
private protocol Work: AnyObject, Sendable {
    /// Runs inside a transaction, twice where another's work failed; what it throws fails this caller alone.
    func run(_ writer: JournalWriter) throws
    /// Called after the commit, or with the reason there was none.
    func finish(_ error: JournalError?)
}

/// Work whose result waits for the commit.
///
/// `@unchecked`: `result` is touched on the writer's thread alone, and not at all where the work was refused.
private final class Commit<T: Sendable>: Work, @unchecked Sendable {
    private let body: @Sendable (JournalWriter) throws -> T
    private let answer: @Sendable (Result<T, JournalError>) -> Void
    private var result: T?

    init(
        body: @escaping @Sendable (JournalWriter) throws -> T,
        answer: @escaping @Sendable (Result<T, JournalError>) -> Void
    ) {
        self.body = body
        self.answer = answer
    }

    func run(_ writer: JournalWriter) throws { result = try body(writer) }

    func finish(_ error: JournalError?) {
        if let error { return answer(.failure(error)) }
        answer(result.map { .success($0) } ?? .failure(.closed))
    }
}
