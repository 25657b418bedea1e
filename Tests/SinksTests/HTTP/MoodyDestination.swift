import RelayTesting
import Synchronization

/// A destination with one contact per user that takes requests, refuses some, or is down, as a test has it.
///
/// It is the script of an ``HTTPReceiver``; the requests name their events in the header `X-Event`.
final class MoodyDestination: Sendable {
    enum Mood {
        case well
        /// Fails on users whose ids end in 0.
        case choosy
        case down
    }

    struct Request: Sendable {
        let user: String
        let event: String
        let key: String
        let isDeletion: Bool
        let status: Int
    }

    private struct State {
        var mood = Mood.well
        var requests: [Request] = []
        /// Events that were answered with 200.
        var taken: Set<String> = []
    }

    private let state = Mutex(State())
    private let news = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))

    /// How it answers from now on.
    func turn(_ mood: Mood) { state.withLock { $0.mood = mood } }

    /// What it was asked so far; of one user in order.
    var requests: [Request] { state.withLock(\.requests) }

    /// The events that came of each user, in order; an event that came again at once is there once.
    var order: [String: [String]] {
        requests.reduce(into: [:]) { order, request in
            guard order[request.user]?.last != request.event else { return }
            order[request.user, default: []].append(request.event)
        }
    }

    /// The idempotency keys that came with each event.
    var keys: [String: Set<String>] {
        requests.reduce(into: [:]) { $0[$1.event, default: []].insert($1.key) }
    }

    func answer(_ request: HTTPReceiver.Request) -> HTTPReceiver.Behaviour {
        let user = request.target.split(separator: "/").last.map(String.init) ?? ""
        let event = request.header("x-event") ?? ""
        let key = request.header("idempotency-key") ?? ""
        let status = state.withLock { state in
            let status =
                switch state.mood {
                case .well: 200
                case .choosy: user.hasSuffix("0") ? 500 : 200
                case .down: 503
                }
            state.requests.append(
                Request(
                    user: user, event: event, key: key, isDeletion: request.method == "DELETE",
                    status: status))
            if status == 200 { state.taken.insert(event) }
            return status
        }
        news.continuation.yield()
        return .respond(status)
    }

    /// Waits until it has been asked that often; one task at a time waits.
    func waitForRequests(_ count: Int) async throws { try await wait { $0.requests.count >= count } }

    /// Waits until it has taken that many events; one task at a time waits.
    func waitForEvents(_ count: Int) async throws { try await wait { $0.taken.count >= count } }

    private func wait(until condition: (borrowing State) -> Bool) async throws {
        var iterator = news.stream.makeAsyncIterator()
        while !state.withLock({ condition($0) }) {
            guard await iterator.next() != nil else { throw CancellationError() }
        }
    }
}
