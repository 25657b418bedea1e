import JSON

/// One hook delivery of the simulated Okta: an envelope around one or more events.
public struct SimulatedEnvelope: Sendable, Equatable {
    /// In the order in which the envelope carries them.
    public let events: [SimulatedEvent]
    /// The request's body.
    public let bytes: [UInt8]

    /// - Parameters:
    ///   - sentAt: Nanoseconds since 1970.
    ///   - fractionDigits: Of `eventTime`'s seconds, 3 to 9.
    public init(events: [SimulatedEvent], hookID: String, sentAt: Int64, fractionDigits: Int, id: String) {
        self.events = events
        var writer = JSONWriter()
        writer.object { envelope in
            envelope.member("eventType", "com.okta.event_hook")
            envelope.member("eventTypeVersion", "1.0")
            envelope.member("cloudEventsVersion", "0.1")
            envelope.member("source", "https://simulated.okta.example/api/v1/eventHooks/\(hookID)")
            envelope.member("eventId", id)
            envelope.name("data")
            envelope.object { data in
                data.name("events")
                data.array { list in
                    for event in events { list.raw(event.bytes) }
                }
            }
            envelope.member("eventTime", Timestamp.text(sentAt, fractionDigits: fractionDigits))
            envelope.member("contentType", "application/json")
        }
        bytes = writer.bytes
    }
}

extension Timestamp {
    /// An instant in UTC with 3 to 9 fractional digits: Okta's payloads show all of these.
    static func text(_ nanoseconds: Int64, fractionDigits: Int) -> String {
        let milliseconds = Timestamp(nanoseconds: nanoseconds).description.dropLast()
        let rest = String(nanoseconds % 1_000_000 + 1_000_000).dropFirst().prefix(fractionDigits - 3)
        return "\(milliseconds)\(rest)Z"
    }
}
