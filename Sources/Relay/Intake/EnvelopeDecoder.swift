public import Config
public import JSON
import Rules

/// Splits one hook call's body into its events, each with its own original bytes; pure.
///
/// Okta never repeats a call that was answered with a 4xx, so one bad element never costs the others: what
/// can be read is accepted, what cannot is quarantined, and only a body without `data.events` is refused.
/// Of the rest of the envelope only `eventId` is kept, where it is a text: an admin may edit a preview
/// delivery by hand before Okta sends it.
public struct EnvelopeDecoder: Sendable {
    /// More elements than this are refused whole; Okta documents no maximum, and its batches are far smaller.
    public static let elementsMax = 100_000
    /// UTF-8 bytes of an event type or a uuid; Okta's longest are about 100 and 36.
    public static let nameBytesMax = 255

    /// Arrays and objects in each other; a body beyond that is refused whole, so that its index stays small.
    ///
    /// Far more than an event may have, so that one event that is nested too deeply doesn't cost the others.
    public static let depthMax = 1_000

    private let hook: String
    private let org: String
    private let accepted: [EventTypePattern]?

    public init(_ hook: HookConfiguration) {
        self.hook = hook.name
        self.org = hook.org
        self.accepted = hook.events
    }

    /// Decodes a body.
    ///
    /// - Parameters:
    ///   - body: The whole body.
    ///   - receivedAt: Nanoseconds since 1970; it is noted on every event.
    public func decode(_ body: [UInt8], receivedAt: Int64) throws(NotAnEnvelope) -> DecodedEnvelope {
        var decoded = DecodedEnvelope()
        let (elements, envelopeID) = try Self.parts(of: body)
        var count = 0
        for element in elements {
            count += 1
            guard count <= Self.elementsMax else { throw .tooManyElements }
            do {
                decoded.events.append(try event(element, receivedAt: receivedAt, envelopeID: envelopeID))
            } catch {
                decoded.quarantined.append(
                    quarantined(Array(element.raw), reason: error.rawValue, receivedAt: receivedAt))
            }
        }
        return decoded
    }

    /// What keeps a body that is no envelope.
    func quarantined(_ bytes: [UInt8], reason: String, receivedAt: Int64) -> QuarantinedInput {
        QuarantinedInput(hook: hook, reason: reason, bytes: bytes, receivedAt: receivedAt)
    }

    /// `data.events`, and `eventId` where it is usable.
    private static func parts(
        of body: [UInt8]
    ) throws(NotAnEnvelope) -> (elements: JSONElements, envelopeID: String?) {
        guard !body.isEmpty else { throw .empty }
        let root: JSONValue
        do {
            root = try JSONDocument(body, depthMax: depthMax).root
        } catch {
            throw .notJSON(error)
        }
        guard root.kind == .object else { throw .notAnObject }
        guard let events = root["data"]?["events"], events.kind == .array else {
            throw root["uuid"] != nil && root["eventType"] != nil ? .bareEvent : .noEvents
        }
        let envelopeID = root["eventId"]?.string.flatMap { $0.isEmpty || !isPlainID($0) ? nil : $0 }
        return (events.elements, envelopeID)
    }

    private func event(
        _ element: JSONValue, receivedAt: Int64, envelopeID: String?
    ) throws(ElementDefect) -> Event {
        let event: Event
        do {
            event = try Event(
                body: JSONDocument(element), hook: hook, org: org, receivedAt: receivedAt,
                envelopeID: envelopeID)
        } catch {
            throw ElementDefect(error)
        }
        guard Self.isPlainID(event.id) else { throw .malformedUUID }
        guard Self.isWellFormedType(event.type) else { throw .malformedEventType }
        if let accepted, !accepted.contains(where: { $0.matches(event.type) }) {
            throw .eventTypeNotAccepted
        }
        return event
    }

    /// Whether a text can be the name of an event type: 1 to 255 of `A-Z a-z 0-9 _ . -`.
    public static func isWellFormedType(_ type: String) -> Bool {
        (1...nameBytesMax).contains(type.utf8.count) && type.utf8.allSatisfy(isNameByte)
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    /// A uuid becomes a key in databases and URLs, so control characters and endless ones stay out.
    private static func isPlainID(_ id: String) -> Bool {
        id.utf8.count <= nameBytesMax && id.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
    }
}

/// What one body held.
public struct DecodedEnvelope: Sendable {
    /// In the body's order.
    public var events: [Event] = []
    public var quarantined: [QuarantinedInput] = []
}

/// Why one element of `data.events` is quarantined; the raw value is the reason that is kept with it.
public enum ElementDefect: String, Error, Sendable, CaseIterable {
    case notAnObject = "not an object"
    case nestedTooDeeply = "nested too deeply"
    case noUUID = "no uuid"
    case noEventType = "no eventType"
    case malformedUUID = "uuid malformed"
    case malformedEventType = "event type malformed"
    case eventTypeNotAccepted = "event type not accepted"

    init(_ defect: EventDefect) {
        switch defect {
        case .notAnObject: self = .notAnObject
        case .nestedTooDeeply: self = .nestedTooDeeply
        case .noUUID: self = .noUUID
        case .noEventType: self = .noEventType
        }
    }
}

/// Why a body is not an event-hook envelope; it is quarantined whole.
public enum NotAnEnvelope: Error, Sendable, Equatable {
    case empty
    case notJSON(JSONSyntaxError)
    case notAnObject
    case noEvents
    /// One LogEvent without its envelope, which is what a person with curl tends to send.
    case bareEvent
    case tooManyElements

    /// The reason that is kept with the bytes.
    public var reason: String {
        switch self {
        case .empty: "empty body"
        case .notJSON: "not JSON"
        case .notAnObject, .noEvents, .bareEvent: "not an envelope"
        case .tooManyElements: "too many events"
        }
    }

    /// What is wrong and what would be right, without anything of the body itself.
    public var explanation: String {
        let right = #"send {"data":{"events":[ ...LogEvents... ]}}, as Okta's event hooks do"#
        return switch self {
        case .empty: "the body is empty: \(right)"
        case .notJSON(let error): "the body is not JSON (\(error)): \(right)"
        case .notAnObject: "the body is JSON but not an object: \(right)"
        case .noEvents: "the body has no array at data.events: \(right)"
        case .bareEvent: "the body is a LogEvent without its envelope: \(right)"
        case .tooManyElements:
            "data.events has more than \(EnvelopeDecoder.elementsMax) elements: send several envelopes"
        }
    }
}
