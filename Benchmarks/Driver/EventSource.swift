import Config
import Foundation
import JSON
import Relay

/// Okta-like events for every row: rendered once, before anything is measured.
struct EventSource {
    /// Each as one LogEvent's JSON, of 2 to 3 KB with its envelope.
    private let events: [[UInt8]]
    /// Envelopes of one event each.
    let envelopes: [[UInt8]]

    init(count: Int) {
        // Many users, so that the order within one user binds nobody's hands.
        var generator = LifecycleGenerator(
            LifecycleGenerator.Options(
                users: 5_000, events: count, batchMax: 1, seed: 5, start: 1_767_225_600_000_000_000))
        var events: [[UInt8]] = []
        var envelopes: [[UInt8]] = []
        while let envelope = generator.nextEnvelope() {
            events.append(contentsOf: envelope.events.map(\.bytes))
            envelopes.append(envelope.bytes)
        }
        self.events = events
        self.envelopes = envelopes
    }

    var averageBytes: Int { envelopes.reduce(0) { $0 + $1.count } / max(1, envelopes.count) }

    /// The same events, fifty an envelope.
    func batches(of size: Int) -> [[UInt8]] {
        stride(from: 0, to: events.count, by: size).map { start in
            var writer = JSONWriter()
            writer.object { envelope in
                envelope.member("eventType", "com.okta.event_hook")
                envelope.name("data")
                envelope.object { data in
                    data.name("events")
                    data.array { list in
                        for event in events[start..<min(start + size, events.count)] { list.raw(event) }
                    }
                }
            }
            return writer.bytes
        }
    }

    /// The first events as the relay reads them.
    func decoded(_ count: Int) throws -> [Event] {
        let hook = HookConfiguration(
            name: "okta", path: RequestPool.path, secrets: [Secret(RequestPool.secret)])
        let decoder = EnvelopeDecoder(hook)
        let now = SystemClock().now
        return try envelopes.prefix(count).flatMap { try decoder.decode($0, receivedAt: now).events }
    }
}
