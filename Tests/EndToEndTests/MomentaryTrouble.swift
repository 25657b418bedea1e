import Foundation
import JSON
import Relay
import RelayTesting
import Synchronization

/// One event in ten that an HTTP destination refuses at first, as one does that is away or broken for a
/// moment; which ones, and how, the seed says, whatever order they come in.
final class MomentaryTrouble: Sendable {
    private struct State {
        /// Refusals so far, by path and event.
        var refused: [String: Int] = [:]
        /// Numbers of the requests that were refused.
        var numbers: Set<Int> = []
    }

    private let seed: UInt64
    private let state = Mutex(State())

    init(seed: UInt64) { self.seed = seed }

    /// The numbers of the requests that were refused.
    var refused: Set<Int> { state.withLock(\.numbers) }

    /// What is answered instead; nil where the request is to be taken.
    func answer(_ request: HTTPReceiver.Request) -> HTTPReceiver.Behaviour? {
        guard request.method != "GET", let event = Self.event(of: request) else { return nil }
        let lane = "\(request.target.hasPrefix("/contacts") ? "contacts" : "messages") \(event)"
        let answers = answers(to: lane, makesContact: request.method == "POST" && lane.hasPrefix("contacts"))
        return state.withLock { state in
            let count = state.refused[lane, default: 0]
            guard count < answers.count else { return nil }
            state.refused[lane] = count + 1
            state.numbers.insert(request.number)
            return answers[count]
        }
    }

    /// A 500 parks the event: for a second, or until it has been tried twice more.
    ///
    /// A 503 is an outage.
    ///
    /// - Parameter makesContact: A 500 would leave open whether there is one now, which takes seconds to find
    ///   out each time.
    private func answers(to lane: String, makesContact: Bool) -> [HTTPReceiver.Behaviour] {
        // FNV-1a: unlike `Hasher` the same in every process.
        let hash = lane.utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        var random = SeededGenerator(seed: seed ^ hash)
        guard Int.random(in: 0..<10, using: &random) == 0 else { return [] }
        if makesContact { return [.respond(503)] }
        return switch Int.random(in: 0..<4, using: &random) {
        case 0: [.respond(503)]
        case 1: [.respond(500), .respond(500), .respond(500)]
        default: [.respond(500, headers: ["Retry-After: 1"])]
        }
    }

    private static func event(of request: HTTPReceiver.Request) -> String? {
        request.header("x-event") ?? (try? JSONDocument(request.body).root["id"]?.string)
    }
}
