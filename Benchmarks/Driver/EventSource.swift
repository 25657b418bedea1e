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

    var count: Int { events.count }

    /// The events' ids, in the order of the envelopes with one event each.
    var ids: [String] { events.map { Self.event($0, receivedAt: 0).id } }

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

    /// That many events as the relay reads them, each made when it is asked for: a million would not fit.
    ///
    /// Behind the last one they come again with other uuids, so that no two are the same event.
    ///
    /// - Parameter users: Where given, each event is about another one of so many users, ``userID(_:)``, and
    ///   neighbours are far apart in the order of the ids.
    func stored(_ count: Int, about users: Int? = nil) -> some Sequence<Event> {
        let now = SystemClock().now
        return (0..<count).lazy.map { index in
            var bytes = events[index % events.count]
            let round = index / events.count
            if round > 0 { Self.replaceUUID(in: &bytes, round: round) }
            let event = Self.event(bytes, receivedAt: now)
            guard let users, let id = event.user?.id else { return event }
            let other = Self.userID(index * 7_919 % users)
            return Self.event(Self.replacing(id, with: other, in: bytes), receivedAt: now)
        }
    }

    /// The id of a user who is known by number: as long as Okta's.
    static func userID(_ number: Int) -> String {
        let digits = "\(number)"
        return userIDPrefix + String(repeating: "0", count: userIDDigits - digits.count) + digits
    }
    static let userIDPrefix = "00u"
    static let userIDDigits = 17

    private static func event(_ bytes: [UInt8], receivedAt now: Int64) -> Event {
        guard let document = try? JSONDocument(bytes),
            let event = try? Event(body: document, hook: "okta", org: "okta", receivedAt: now)
        else { preconditionFailure("an event of the generator's cannot be read") }
        return event
    }

    private static func replacing(_ old: String, with new: String, in bytes: [UInt8]) -> [UInt8] {
        var data = Data(bytes)
        while let found = data.range(of: Data(old.utf8)) { data.replaceSubrange(found, with: Data(new.utf8)) }
        return Array(data)
    }

    /// All envelopes with other uuids.
    func envelopes(round: Int) -> [[UInt8]] {
        envelopes.map { envelope in
            var bytes = envelope
            Self.replaceUUID(in: &bytes, round: round)
            return bytes
        }
    }

    /// Puts the number into the first eight digits of the event's `uuid`.
    private static func replaceUUID(in bytes: inout [UInt8], round: Int) {
        let name = Data(#""uuid":""#.utf8)
        guard let found = Data(bytes).range(of: name, options: .backwards) else { return }
        for (offset, digit) in String(format: "%08x", round).utf8.enumerated() {
            bytes[found.upperBound + offset] = digit
        }
    }
}
